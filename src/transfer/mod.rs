//! Copies files and trees between this computer and hosts, or from host to host through us.
//!
//! A file comes under another name and takes its place when it is whole: what is broken off leaves nothing half-done under
//! the name that was asked for. These are the user's files and never the store's, so this room writes them itself.

mod copy;
mod local;
mod plan;
mod side;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use copy::{Copied, copy};
pub(crate) use side::Side;

/// A path, and whose.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) side: Side,
    pub(crate) path: PathBuf,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// Folders too, with modes and times.
    pub(crate) recursive: bool,
}

/// Hears how far it is.
pub(crate) trait Watcher: Send + Sync {
    /// So much is to be copied in all.
    fn begin(&self, files: u64, bytes: u64);
    fn file(&self, name: &str);
    fn moved(&self, bytes: u64);
}

/// What could not be done, where, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} {place}: {reason}")]
pub(crate) struct TransferError {
    pub(crate) verb: &'static str,
    /// As the user writes it, with the machine before it.
    pub(crate) place: String,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    /// A part that could not be taken away again.
    pub(crate) left: Option<String>,
}

impl Place {
    pub(crate) fn new(side: Side, path: impl Into<PathBuf>) -> Self {
        Self { side, path: path.into() }
    }

    fn at(&self, path: impl Into<PathBuf>) -> Self {
        Self { side: self.side.clone(), path: path.into() }
    }

    fn join(&self, name: &Path) -> Self {
        self.at(self.path.join(name))
    }

    fn cannot(&self, verb: &'static str, reason: impl fmt::Display) -> TransferError {
        let (reason, place) = (reason.to_string(), self.to_string());
        let hint = self.side.advice(verb, &reason);
        TransferError { verb, place, reason, hint, left: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(machine) = self.side.machine() {
            write!(f, "{machine}:")?;
        }
        // A line break in a name is no end of a line.
        for c in self.path.to_string_lossy().chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}
