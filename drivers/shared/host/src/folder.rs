//! Checks of the folders in which lock files are created. The shared one may lie in a folder that every user may write
//! to, where another user can create it first.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rmachine_driver::{DriverError, DriverErrorKind};
use rustix::fs::OFlags;

use crate::own_uid;

const PRIVATE: u32 = 0o700;

/// Why no lock file can be created in a folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep lock files in {}: {problem}", folder.display())]
pub struct FolderError {
    folder: PathBuf,
    problem: Problem,
    /// Whether XDG_RUNTIME_DIR decides where the folder is.
    is_shared: bool,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("it is a symbolic link")]
    Link,
    #[error("it is not a folder")]
    NotAFolder,
    #[error("it belongs to the user with id {owner}, and rmachine runs as the user with id {}", own_uid())]
    Foreign { owner: u32 },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Creates the folder for its owner alone, or makes an existing one so. Refuses what is not a folder of this user.
pub fn prepare_shared_folder(folder: &Path) -> Result<(), FolderError> {
    let error = |problem| FolderError { folder: folder.to_owned(), problem, is_shared: true };
    prepare(folder).map_err(error)
}

/// Refuses what is not a folder of this user. Its mode is left to the user.
pub fn check_folder(folder: &Path) -> Result<(), FolderError> {
    let error = |problem| FolderError { folder: folder.to_owned(), problem, is_shared: false };
    check(folder).map(drop).map_err(error)
}

fn prepare(folder: &Path) -> Result<(), Problem> {
    if let Err(e) = fs::symlink_metadata(folder) {
        if e.kind() != ErrorKind::NotFound {
            return Err(e.into());
        }
        DirBuilder::new().recursive(true).mode(PRIVATE).create(folder)?;
    }
    if check(folder)?.mode() & 0o7777 != PRIVATE {
        tighten(folder)?;
    }
    Ok(())
}

fn check(folder: &Path) -> Result<Metadata, Problem> {
    let found = fs::symlink_metadata(folder)?;
    if found.is_symlink() {
        return Err(Problem::Link);
    }
    if !found.is_dir() {
        return Err(Problem::NotAFolder);
    }
    match found.uid() {
        owner if owner == own_uid() => Ok(found),
        owner => Err(Problem::Foreign { owner }),
    }
}

/// Changes the mode by way of an open folder: a link that took its place since it was checked is not followed.
fn tighten(folder: &Path) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits().cast_signed();
    let folder: File = OpenOptions::new().read(true).custom_flags(flags).open(folder)?;
    folder.set_permissions(Permissions::from_mode(PRIVATE))
}

impl From<FolderError> for DriverError {
    fn from(error: FolderError) -> Self {
        let folder = error.folder.display();
        let repair = match error.problem {
            Problem::Link | Problem::NotAFolder => Some(format!("move it away: mv {folder} {folder}.old")),
            Problem::Foreign { .. } => Some(format!("make it yours: sudo chown {} {folder}", own_uid())),
            Problem::Io(_) => None,
        };
        let elsewhere = error.is_shared.then(|| "or set XDG_RUNTIME_DIR to a folder of your own".to_owned());
        let mut failure = Self::new(DriverErrorKind::Provider, error.to_string());
        failure.hints.extend(repair.into_iter().chain(elsewhere));
        failure.caused_by(error)
    }
}
