//! Locks between processes: the kernel's, on a file of their own, so that a killed process leaves none behind.
//!
//! The file goes away with the lock. Whoever waited for it finds it gone, or another in its place, and starts anew.
//! docker-machine knows no locks and is not kept out.

use std::fs;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rmachine_driver::MachineName;

use crate::model::ClusterName;
use crate::store::StoreError;

/// The right to change one machine, until it is dropped.
#[derive(Debug)]
pub(crate) struct MachineLock {
    name: MachineName,
    _file: FileLock,
}

/// The right to make the CA and the client's certificate, until it is dropped.
#[derive(Debug)]
pub(crate) struct CertsLock(#[cfg_attr(not(test), expect(dead_code, reason = "held for its drop"))] FileLock);

/// The right to found a cluster or to change its managers, until it is dropped: one at a time is what raft bears best.
#[derive(Debug)]
pub(crate) struct ClusterLock(#[expect(dead_code, reason = "held for its drop")] FileLock);

impl MachineLock {
    pub(crate) fn name(&self) -> &MachineName {
        &self.name
    }

    /// The process that has it now, for whoever only looks: nothing is written, and nobody is kept waiting.
    pub(super) fn holder(machines: &Path, name: &MachineName) -> Option<u32> {
        let mut file = File::open(path(machines, name)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => holder(&mut file),
            // Left by one that was killed, or let go just now.
            _ => None,
        }
    }

    pub(super) async fn take(
        machines: &Path,
        name: &MachineName,
        wait: Duration,
    ) -> Result<Self, StoreError> {
        let path = path(machines, name);
        let file = FileLock::take(path, wait, || format!("Docker machine \"{name}\"")).await?;
        Ok(Self { name: name.clone(), _file: file })
    }
}

fn path(machines: &Path, name: &MachineName) -> PathBuf {
    machines.join(format!(".{name}.lock"))
}

impl ClusterLock {
    pub(super) async fn take(root: &Path, name: &ClusterName, wait: Duration) -> Result<Self, StoreError> {
        let path = root.join(format!(".swarm-{name}.lock"));
        Ok(Self(FileLock::take(path, wait, || format!("The swarm \"{name}\"")).await?))
    }
}

impl CertsLock {
    pub(super) async fn take(root: &Path, wait: Duration) -> Result<Self, StoreError> {
        // Not in certs/: users empty that folder to have new certificates.
        let what = || format!("The folder of certificates in {}", root.display());
        Ok(Self(FileLock::take(root.join(".certs.lock"), wait, what).await?))
    }

    /// The file that is locked.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }
}

#[derive(Debug)]
pub(super) struct FileLock {
    path: PathBuf,
    file: File,
}

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How often in a row the file may vanish between opening and locking before that counts as being busy.
const TRIES: usize = 16;

impl FileLock {
    pub(super) async fn take(
        path: PathBuf,
        wait: Duration,
        what: impl Fn() -> String,
    ) -> Result<Self, StoreError> {
        let deadline = Instant::now() + wait;
        let mut pause = FIRST_PAUSE;
        loop {
            match Self::attempt(&path).map_err(StoreError::write(&path))? {
                Ok(lock) => return Ok(lock),
                Err(pid) if Instant::now() >= deadline => {
                    return Err(StoreError::Busy { what: what(), pid, path });
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// The lock, or the process that has it, as far as it told.
    fn attempt(path: &Path) -> io::Result<Result<Self, Option<u32>>> {
        for _ in 0..TRIES {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => {
                    // A courtesy to whoever waits; the lock holds without it.
                    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                    return Ok(Ok(Self { path: path.to_owned(), file }));
                }
                // Its last holder has removed it since it was opened.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Err(holder(&mut file))),
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
        Ok(Err(None))
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether an open file is still the one that the path names.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |m: fs::Metadata| (m.dev(), m.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.parse().ok()
}
