//! The one place where files are written, renamed and deleted.

use std::fs;
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::store::StoreError;

/// Files that are written together: all are on disk under other names before the first takes its place.
#[derive(Debug, Default)]
pub(super) struct Batch(Vec<(NamedTempFile, PathBuf)>);

impl Batch {
    pub(super) fn stage(&mut self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
        let staged = temporary(path, bytes, mode).map_err(StoreError::write(path))?;
        self.0.push((staged, path.to_owned()));
        Ok(())
    }

    /// Puts the files into their places, in the order in which they were staged.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        let mut dirs: Vec<PathBuf> = Vec::new();
        for (staged, path) in self.0 {
            staged.persist(&path).map_err(|e| StoreError::write(&path)(e.error))?;
            let dir = parent(&path);
            if !dirs.iter().any(|d| d == dir) {
                dirs.push(dir.to_owned());
            }
        }
        dirs.iter().try_for_each(|dir| sync_dir(dir).map_err(StoreError::write(dir)))
    }
}

pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn temporary(path: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mode = Permissions::from_mode(mode);
    let mut file =
        Builder::new().prefix(&format!(".{name}.")).permissions(mode.clone()).tempfile_in(parent(path))?;
    // Once more: the umask took its part when the file was opened.
    file.as_file().set_permissions(mode)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A regular file's bytes. Anything else could keep its reader waiting for good.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_file() {
        fs::read(path)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Makes a folder and what is missing above it, for the owner alone. Folders that are there keep their mode.
pub(super) fn make_dir(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    if above != path {
        make_dir(above)?;
    }
    match new_dir(path).and_then(|()| sync_dir(above)) {
        // Another process was faster.
        Err(e) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(StoreError::InTheWay(path.to_owned())),
        made => made.map_err(StoreError::write(path)),
    }
}

/// Makes a folder that is not there yet, for its owner alone, whatever the umask.
pub(super) fn new_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Deletes whatever bears this name; a link goes, what it leads to stays.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    let cleared = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match cleared {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Renames within one folder and returns once that is on disk.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place: a folder cannot be replaced by a temporary file"
)]
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_dir(parent(to))
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder of a path; of a bare name, the one we are in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    }
}
