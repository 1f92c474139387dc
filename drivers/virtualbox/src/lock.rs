//! What processes of one user do one after the other: calls of VBoxManage, choosing addresses, fetching an image. The
//! locks are files, which the kernel frees when a process ends in whatever way.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// Held until it goes. Where no file can be made, VirtualBox's own refusals are what remains.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Nothing when another held it all the time.
    pub(crate) async fn take(dir: &Path, purpose: &str, wait: Duration) -> Option<Self> {
        let Some(file) = open(dir, purpose) else { return Some(Self { _file: None }) };
        let deadline = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => return Some(Self { _file: Some(file) }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => return None,
                Err(TryLockError::Error(_)) => return Some(Self { _file: None }),
            }
        }
    }
}

fn open(dir: &Path, purpose: &str) -> Option<File> {
    std::fs::create_dir_all(dir).ok()?;
    let path = dir.join(format!("{purpose}.lock"));
    OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let soon = Duration::from_millis(40);
        let first = Lock::take(dir.path(), "x", soon).await;
        assert!(first.is_some());
        assert!(Lock::take(dir.path(), "y", soon).await.is_some());
        assert!(Lock::take(dir.path(), "x", soon).await.is_none());
        drop(first);
        assert!(Lock::take(dir.path(), "x", soon).await.is_some());
        assert!(Lock::take(Path::new("/proc/none"), "x", soon).await.is_some(), "nothing to lock with");
    }
}
