//! One process at a time hands out addresses or builds an image. The engine knows no locks, so it is a file's; where
//! none can be had, the engine's refusals of what is taken are what remains.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
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
    DirBuilder::new().recursive(true).mode(0o700).create(dir).ok()?;
    if !is_ours(dir) {
        return None;
    }
    let path = dir.join(format!("{purpose}.lock"));
    OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()
}

/// In a folder that all may write to, somebody else may have been faster with a link or a folder of that name.
fn is_ours(dir: &Path) -> bool {
    let owner = std::fs::metadata("/proc/self").map(|me| me.uid());
    std::fs::symlink_metadata(dir).is_ok_and(|found| {
        found.is_dir() && found.mode() & 0o022 == 0 && owner.map_or(true, |me| me == found.uid())
    })
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

    #[tokio::test]
    async fn not_in_somebody_elses_folder() {
        let dir = tempfile::tempdir().unwrap();
        let soon = Duration::from_millis(60);
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(Lock::take(&real, "x", soon).await.is_held());
        assert!(!Lock::take(&link, "y", soon).await.is_held(), "a link leads to where somebody else wants");
        std::fs::set_permissions(&real, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(!Lock::take(&real, "y", soon).await.is_held(), "all may write there");
    }
}
