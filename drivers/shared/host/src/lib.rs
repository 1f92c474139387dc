//! What drivers and the store need from the computer that rmachine runs on: locks between processes, and waiting with a
//! deadline.

mod folder;
mod lock;
mod poll;

use std::path::Path;
use std::time::Duration;

use rmachine_driver::DriverError;

pub use folder::{FolderError, check_folder, prepare_shared_folder};
pub use lock::{FileLock, LockError};
pub use poll::Poll;

/// Takes the lock `purpose` in the folder that all stores of a user share, and creates the folder if necessary.
pub async fn lock_shared(folder: &Path, purpose: &str, wait: Duration) -> Result<FileLock, DriverError> {
    prepare_shared_folder(folder)?;
    Ok(FileLock::take(folder.join(format!("{purpose}.lock")), wait).await?)
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests;
