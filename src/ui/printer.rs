//! The one place that writes to stdout and stderr. A reader that has gone away is a quiet end, never a panic.

use std::io::{self, IsTerminal, Write};

#[derive(Debug, Clone, Copy, Default)]
pub struct Printer;

impl Printer {
    /// A line on stdout.
    pub fn line(&self, text: &str) {
        self.raw(&format!("{text}\n"));
    }

    /// Text on stdout as it is.
    pub fn raw(&self, text: &str) {
        let mut out = io::stdout().lock();
        ignore(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// What is of no use unless all of it is written.
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    pub fn stdin_is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// A line on stderr.
    pub fn error_line(&self, text: &str) {
        let mut err = io::stderr().lock();
        ignore(writeln!(err, "{text}"));
    }

    pub fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    pub fn stderr_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }
}

/// There is nobody left to tell when a stream is closed or full.
fn ignore(_: io::Result<()>) {}
