use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::{DriverState, MachineName, Options};

/// What `create` was asked for, before anything exists.
#[derive(Debug)]
pub struct DraftRequest<'a> {
    pub name: &'a MachineName,
    pub options: &'a Options,
    /// The root of the store, as docker-machine keeps it in `StorePath`.
    pub store_path: &'a Path,
    /// The folder of this machine's files; it does not exist yet.
    pub machine_dir: &'a Path,
    /// The machine will join a cluster.
    pub member: bool,
}

/// A planned machine: its options are complete and valid, and no I/O was done.
#[derive(Debug, Default)]
pub struct Draft {
    pub state: DriverState,
    /// Files of the user's that the machine keeps a copy of.
    pub imports: Vec<Import>,
    /// The account secret that a flag gave. It is never part of the state; the driver gets it as
    /// [`crate::Keyring::given`] and keeps it once the provider has named its account.
    pub secret: Option<SecretString>,
}

/// A file to copy into the machine's folder, readable by its owner alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub from: PathBuf,
    pub name: String,
    /// A missing file is reported in one line and is no failure.
    pub optional: bool,
}
