/// Hears what long work is at: a line at a time, to be shown in passing.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What a driver builds once and makes its machines from: an image, a template, a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeImage {
    pub name: String,
    /// The provider's own name for it.
    pub id: String,
    pub bytes: u64,
    /// Seconds since 1970.
    pub created: i64,
    /// How many machines or other users it has at the provider.
    pub users: usize,
    /// Whether this version of the program would still build the same.
    pub current: bool,
}
