//! Files of a machine and of the cache: disks, which no writer of small files is for, and the seed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use rmachine_driver::{DriverError, DriverErrorKind};

/// The machine's disk, in its folder.
pub(crate) const DISK: &str = "disk.vdi";

/// Only their owner reads what is in it.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), DriverError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let done = options.open(path).and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    done.map_err(|e| failed("write", path, e))
}

/// A copy that takes as long as the file is large.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), DriverError> {
    let (source, target) = (from.to_owned(), to.to_owned());
    let done = tokio::task::spawn_blocking(move || std::fs::copy(source, target)).await;
    done.unwrap_or_else(|e| Err(io::Error::other(e))).map(drop).map_err(|e| {
        remove(to);
        failed("write", to, e)
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a disk of gigabytes, complete and closed, gets its final name"
)]
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), DriverError> {
    std::fs::rename(from, to).map_err(|e| failed("write", to, e))
}

/// What is gone already is done.
pub(crate) fn remove(path: &Path) {
    // Whoever misses the space is told by the next who needs it.
    let _ = std::fs::remove_file(path);
}

pub(crate) fn failed(what: &str, path: &Path, error: io::Error) -> DriverError {
    let path = path.display();
    if error.kind() == io::ErrorKind::StorageFull {
        return DriverError::new(
            DriverErrorKind::Provider,
            format!("could not {what} {path}: the disk is full"),
        )
        .hint("free some space and try again; `df -h` shows where there is none")
        .caused_by(error);
    }
    DriverError::because(DriverErrorKind::Provider, format!("could not {what} {path}"), error)
}
