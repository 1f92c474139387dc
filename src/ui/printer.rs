//! The one place that writes to stdout and stderr. A reader that has gone away is a quiet end, never a panic; a stream
//! that takes nothing more, on a full disk, is remembered, so that the exit code can tell.

use std::io;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

/// Why the first text that stdout did not take was lost.
static LOST: OnceLock<String> = OnceLock::new();

#[derive(Debug, Clone, Copy, Default)]
pub struct Printer;

impl Printer {
    /// A line on stdout.
    pub(crate) fn line(&self, text: &str) {
        self.raw(&format!("{text}\n"));
    }

    /// Text on stdout as it is.
    pub(crate) fn raw(&self, text: &str) {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => drop(LOST.set(e.to_string())),
            _ => {}
        }
    }

    /// What is of no use unless all of it is written.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    pub(crate) fn stdin_is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// A line on stderr. When that is lost, there is nobody left to tell.
    pub(crate) fn error_line(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Why something that should be on stdout is not there.
    pub(crate) fn lost(&self) -> Option<&'static str> {
        LOST.get().map(String::as_str)
    }

    pub(crate) fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    pub(crate) fn stderr_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }
}
