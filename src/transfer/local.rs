//! The files of this computer, in the words that the other side has.

use std::fs;
use std::fs::{File, FileTimes, OpenOptions, Permissions};
use std::io;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rmachine_driver::describe_error;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::spawn_blocking;

use crate::ssh::{FileInfo, FileKind};
use crate::transfer::side::{Piece, Trouble};

const CHUNK: usize = 256 * 1024;

pub(super) fn trouble(error: &io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::NotFound => Trouble::Missing,
        ErrorKind::PermissionDenied => Trouble::Denied,
        _ => Trouble::Other(describe_error(error)),
    }
}

/// Runs where it may block.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, Trouble>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|e| trouble(&e)),
        Err(e) => Err(Trouble::Other(e.to_string())),
    }
}

fn info(found: &fs::Metadata) -> FileInfo {
    let kind = match found.file_type() {
        t if t.is_dir() => FileKind::Dir,
        t if t.is_symlink() => FileKind::Link,
        t if t.is_file() => FileKind::File,
        _ => FileKind::Other,
    };
    let modified = u32::try_from(found.mtime()).unwrap_or_default();
    FileInfo { kind, size: found.size(), mode: found.mode() & 0o7777, modified }
}

pub(super) fn lstat(path: &Path) -> io::Result<FileInfo> {
    fs::symlink_metadata(path).map(|m| info(&m))
}

pub(super) fn stat(path: &Path) -> io::Result<FileInfo> {
    fs::metadata(path).map(|m| info(&m))
}

pub(super) fn list(path: &Path) -> io::Result<Vec<(PathBuf, FileInfo)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        entries.push((PathBuf::from(entry.file_name()), info(&entry.metadata()?)));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

pub(super) fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().mode(mode).create(path)
}

pub(super) fn link(path: &Path, target: &Path) -> io::Result<()> {
    symlink(target, path)
}

pub(super) fn set(path: &Path, mode: Option<u32>, modified: Option<u32>) -> io::Result<()> {
    if let Some(seconds) = modified {
        let time = UNIX_EPOCH + Duration::from_secs(seconds.into());
        File::open(path)?.set_times(FileTimes::new().set_modified(time).set_accessed(time))?;
    }
    // Last: a mode may take away the right to the rest.
    mode.map_or(Ok(()), |mode| fs::set_permissions(path, Permissions::from_mode(mode)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file of the user's takes its place; the store's are not ours"
)]
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Reads a file piece by piece, and says when all of it was read.
pub(super) fn read(path: &Path, pieces: &Sender<Piece>) -> io::Result<()> {
    let mut file = File::open(path)?;
    loop {
        let mut buffer = vec![0; CHUNK];
        let n = file.read(&mut buffer)?;
        let piece = if n == 0 {
            Piece::End
        } else {
            buffer.truncate(n);
            Piece::Data(buffer)
        };
        // Whoever takes the pieces has stopped, and says why.
        if pieces.blocking_send(piece).is_err() || n == 0 {
            return Ok(());
        }
    }
}

pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

pub(super) fn overwrite(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).truncate(true).open(path)
}

/// True once the end was heard: a file that was broken off is not whole.
pub(super) fn write(mut file: File, mut pieces: Receiver<Piece>, written: &dyn Fn(u64)) -> io::Result<bool> {
    loop {
        match pieces.blocking_recv() {
            None => return Ok(false),
            Some(Piece::End) => break,
            Some(Piece::Data(data)) => {
                file.write_all(&data)?;
                written(data.len() as u64);
            }
        }
    }
    // Some file systems tell only here that there was no room.
    match file.sync_all() {
        // What is no file on a disk cannot be synced.
        Err(e) if e.raw_os_error() != Some(22) => Err(e),
        _ => Ok(true),
    }
}
