//! Files that a command writes for the user outside the store: manual pages and an example cluster.toml.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file that must not exist yet, with the mode that the user's umask gives.
pub(crate) fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

/// Creates a folder and its parents, with the mode that the user's umask gives.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}
