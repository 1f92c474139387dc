//! Machines on their way to another computer: one tar archive, in which no path is absolute.

mod read;
mod seal;
mod write;

use std::collections::BTreeMap;

use rmachine_driver::MachineName;
use rmachine_driver::secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::model::Failure;

pub(crate) use read::{Importer, open_archive};
pub(crate) use write::export_archive;

/// First in the archive: what it is and what is in it.
const MANIFEST: &str = "rmachine-export.json";
const VERSION: u64 = 1;
/// A machine's files are keys, certificates and settings; what is larger is a disk and stays where it is.
const MOST_FILE: u64 = 1024 * 1024;
const MOST_FILES: usize = 20_000;
pub(crate) const MOST_ARCHIVE: u64 = 256 * 1024 * 1024;
/// What stands in an archive for paths that differ from computer to computer.
const STORE: &str = "@store";
const MACHINE: &str = "@machine";
const CONFIG: &str = "config.json";
const OWN: &str = "rmachine.json";

/// Asked for once it is known that there is something to open.
pub(crate) type Passphrase<'a> = &'a dyn Fn() -> Result<SecretString, Failure>;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    version: u64,
    machines: Vec<String>,
}

/// The files of one machine, by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// An archive that was found sound. Nothing of it is on disk yet.
pub(crate) struct Archive {
    pub(crate) machines: BTreeMap<MachineName, Files>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("this is no archive that `export` made")]
    NotOurs,
    #[error("the archive is of a newer program (version {0}): upgrade this one")]
    Newer(u64),
    #[error("the archive was cut off or changed: {0}")]
    Damaged(String),
    #[error("the archive holds {0:?}, which no `export` writes: nothing was imported")]
    Foreign(String),
    #[error("the archive holds {0:?} twice: nothing was imported")]
    Twice(String),
    #[error("the archive is larger than any that `export` writes: nothing was imported")]
    TooLarge,
    #[error("{0}")]
    Sealed(String),
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::from_error(error)
    }
}
