//! One process at a time hands out addresses or builds an image. The engine knows no locks, so it is a file's; where
//! none can be had, the engine's refusals of what is taken are what remains.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Held until it goes.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Option<File>,
}

impl Lock {
    pub(crate) async fn take(dir: &Path, purpose: &str, wait: Duration) -> Self {
        let Some(file) = open(dir, purpose) else { return Self { _file: None } };
        let deadline = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => return Self { _file: Some(file) },
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Err(_) => return Self { _file: None },
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_held(&self) -> bool {
        self._file.is_some()
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
        let soon = Duration::from_millis(60);
        let first = Lock::take(dir.path(), "x", soon).await;
        assert!(first.is_held());
        assert!(Lock::take(dir.path(), "y", soon).await.is_held());
        assert!(!Lock::take(dir.path(), "x", soon).await.is_held());
        drop(first);
        assert!(Lock::take(dir.path(), "x", soon).await.is_held());
        assert!(!Lock::take(Path::new("/proc/none"), "x", soon).await.is_held());
    }
}
