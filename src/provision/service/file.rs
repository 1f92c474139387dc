/// A file from which a service manager learns how the engine is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}
