//! What can go wrong in the store, in docker-machine's words where it has some.

use std::io;
use std::path::{Path, PathBuf};

use rmachine_driver::{Cause, MachineName, describe_error};

use crate::model::Failure;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}", missing(.0))]
    Missing(MachineName),
    #[error("Docker machine \"{0}\" already exists")]
    AlreadyExists(MachineName),
    /// Something that is no folder bears the name of one.
    #[error("{} is in the way: a folder belongs there; nothing was changed", .0.display())]
    InTheWay(PathBuf),
    #[error("open {}: no such file or directory", .0.display())]
    NoConfig(PathBuf),
    #[error("Error getting migrated host: {source}")]
    BadConfig { path: PathBuf, source: Cause },
    #[error(
        "Error getting migrated host: config version is from the future -- you should upgrade your Docker Machine \
         client"
    )]
    FutureConfig { path: PathBuf, version: u64 },
    #[error("{} is damaged: {source}", path.display())]
    BadOwn { path: PathBuf, source: Cause },
    #[error("{} has version {version}: a newer rmachine wrote it, upgrade this one", path.display())]
    FutureOwn { path: PathBuf, version: u64 },
    #[error("{what} is in use by another process{}", holder(*.pid))]
    Busy { what: String, pid: Option<u32>, path: PathBuf },
    /// A file to copy into a machine would take the place of one of the store's.
    #[error("a file copied into a machine cannot be named {0:?}; nothing was changed")]
    ImportName(String),
    #[error("open {}: {}", path.display(), describe_error(source))]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {}; nothing was changed", path.display(), describe_error(source))]
    Write { path: PathBuf, source: io::Error },
    /// The machine has left the store, but its folder could not be deleted as a whole.
    #[error("cannot delete {}: {}; the machine is gone, this is left of it", path.display(), describe_error(source))]
    Leftover { path: PathBuf, source: io::Error },
    #[error("cannot put {} into JSON: {source}", path.display())]
    Encode { path: PathBuf, source: serde_json::Error },
}

impl StoreError {
    /// The file or folder at fault, for a hint.
    #[cfg(test)]
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Missing(_) | Self::AlreadyExists(_) | Self::ImportName(_) => None,
            Self::InTheWay(path)
            | Self::NoConfig(path)
            | Self::BadConfig { path, .. }
            | Self::FutureConfig { path, .. }
            | Self::BadOwn { path, .. }
            | Self::FutureOwn { path, .. }
            | Self::Busy { path, .. }
            | Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Leftover { path, .. }
            | Self::Encode { path, .. } => Some(path),
        }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Read { path, source }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Write { path, source }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = hint(&error);
        let failure = Self::from_error(error);
        Self { hints: hint.into_iter().collect(), ..failure }
    }
}

fn hint(error: &StoreError) -> Option<String> {
    match error {
        StoreError::BadConfig { path, .. } | StoreError::BadOwn { path, .. } => {
            Some(format!("mend {}, {}", path.display(), or_forget(path)))
        }
        StoreError::NoConfig(path) => Some(format!("bring back {}, {}", path.display(), or_forget(path))),
        StoreError::FutureConfig { path, .. } => {
            Some(format!("{} is of a newer program: upgrade this one, {}", path.display(), or_forget(path)))
        }
        StoreError::Busy { .. } => Some("wait for it, or look whether that process hangs".to_owned()),
        _ => None,
    }
}

/// The last resort, for the machine that a file belongs to.
fn or_forget(file: &Path) -> String {
    let machine = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    format!("or forget the machine with `rmachine rm -f {machine}`: what runs at its provider stays there")
}

fn missing(name: &MachineName) -> String {
    format!(
        "Docker machine \"{name}\" does not exist. Use \"rmachine ls\" to list machines. Use \"rmachine create\" to \
         add a new one."
    )
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_names_the_path() {
        for (code, words) in
            [(13, "permission denied"), (30, "read-only file system"), (28, "no space left on device")]
        {
            let error = StoreError::write(Path::new("/S/f"))(io::Error::from_raw_os_error(code));
            assert_eq!(error.to_string(), format!("cannot write /S/f: {words}; nothing was changed"));
            let error = StoreError::read(Path::new("/S/f"))(io::Error::from_raw_os_error(code));
            assert_eq!(error.to_string(), format!("open /S/f: {words}"));
            assert_eq!(error.path(), Some(Path::new("/S/f")));
        }
    }
}
