//! Advisory locks between processes: the kernel's, on a file of their own, so that a killed process leaves none behind.
//!
//! The holder deletes the file when it releases the lock. A process that waited for the lock then finds that its open file
//! has no name any more, or that the name belongs to another file, and opens the name again.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rmachine_driver::{DriverError, DriverErrorKind};
use rustix::fs::OFlags;

use crate::own_uid;

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How often in a row the file may vanish between opening and locking before the lock counts as busy.
const TRIES: usize = 16;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("cannot lock {}: {} still holds the lock", path.display(), holder_text(*.pid))]
    Busy { path: PathBuf, pid: Option<u32> },
    #[error("cannot open the lock file {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
}

fn holder_text(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl From<LockError> for DriverError {
    fn from(error: LockError) -> Self {
        let hint = match &error {
            LockError::Busy { pid: Some(pid), .. } => {
                format!("wait until it ends, then try again; to see what it is: ps -fp {pid}")
            }
            LockError::Busy { .. } => "wait until it ends, then try again".to_owned(),
            LockError::Open { path, .. } => {
                format!("check who may write this file: ls -l {}", path.display())
            }
        };
        Self::new(DriverErrorKind::Provider, error.to_string()).hint(hint).caused_by(error)
    }
}

impl FileLock {
    /// Waits for the lock. The folder of the file must exist.
    pub async fn take(path: PathBuf, wait: Duration) -> Result<Self, LockError> {
        let deadline = Instant::now() + wait;
        let mut pause = FIRST_PAUSE;
        loop {
            match Self::attempt(&path).map_err(|e| not_opened(&path, e))? {
                Ok(file) => return Ok(Self { path, file }),
                Err(pid) if Instant::now() >= deadline => return Err(LockError::Busy { path, pid }),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// The process that holds the lock now. Asking writes nothing and makes nobody wait.
    pub fn holder(path: &Path) -> Option<u32> {
        let mut file = options().open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_pid(&mut file),
            // A killed process left the file, or the holder has just released the lock.
            _ => None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The locked file, or the process that holds the lock if the file names it.
    fn attempt(path: &Path) -> io::Result<Result<File, Option<u32>>> {
        for _ in 0..TRIES {
            let mut file = options().write(true).create(true).mode(0o600).open(path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => {
                    // The pid is for error messages only; the lock holds without it.
                    let _ = write_pid(&mut file);
                    return Ok(Ok(file));
                }
                // The last holder has deleted the file since it was opened here.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Err(read_pid(&mut file))),
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

/// Never follows a symbolic link, since another user may have put it there. `OpenOptions` sets `O_CLOEXEC` by itself.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// The kernel's own text about a link is "Too many levels of symbolic links".
fn not_opened(path: &Path, error: io::Error) -> LockError {
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let source = if is_link { io::Error::other("it is a symbolic link") } else { error };
    LockError::Open { path: path.to_owned(), source }
}

/// Whether an open file is still the one that the path names.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |m: Metadata| (m.dev(), m.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

/// Leaves files of other users as they are: the name may be a hard link to something valuable.
fn write_pid(file: &mut File) -> io::Result<()> {
    if file.metadata()?.uid() != own_uid() {
        return Ok(());
    }
    file.set_len(0)?;
    write!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.parse().ok()
}
