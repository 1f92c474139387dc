//! The one place where errors are printed and get exit codes.

use std::fmt;

use crate::lifecycle::Failure;
use crate::ui::Printer;

/// How a command ends when it does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something failed.
    Failed,
    /// The words of the command line make no sense.
    Usage,
    /// The driver found before making anything that it could not work. docker-machine's code.
    PreCheck,
    /// A remote command's own code.
    Remote(u8),
    Interrupted,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::PreCheck => 3,
            Self::Remote(code) => code,
            Self::Interrupted => 130,
        }
    }
}

/// One clear error: a sentence that scripts may match, then what is known beside it.
#[derive(Debug)]
pub struct CommandError {
    pub exit: Exit,
    /// Empty when nothing is to be said.
    pub message: String,
    /// Lines that belong to it: an engine's log, what was left behind.
    pub details: Vec<String>,
    /// What to type or to change next.
    pub hints: Vec<String>,
}

impl CommandError {
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), details: Vec::new(), hints: Vec::new() }
    }

    /// Ends with a code and without a word.
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.message = format!("{prefix}{}", self.message);
        self
    }

    pub fn print(&self, printer: Printer) {
        if self.message.is_empty() {
            return;
        }
        let (red, plain) = if printer.stderr_is_terminal() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        printer.error_line(&format!("{red}{}{plain}", self.message));
        for line in &self.details {
            printer.error_line(&format!("  {line}"));
        }
        for hint in &self.hints {
            printer.error_line(&format!("Hint: {hint}"));
        }
    }

    /// Joins the errors of several machines: every message, one exit.
    pub fn join(errors: Vec<Self>) -> Result<(), Self> {
        let mut errors = errors.into_iter();
        let Some(mut first) = errors.next() else { return Ok(()) };
        for next in errors {
            // Details stay with their own sentence.
            let details = next.details.iter().map(|d| format!("\n  {d}")).collect::<String>();
            let own =
                std::mem::take(&mut first.details).iter().map(|d| format!("\n  {d}")).collect::<String>();
            first.message = format!("{}{own}\n{}{details}", first.message, next.message);
            first.hints.extend(next.hints);
        }
        first.hints.dedup();
        Err(first)
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        let exit = if failure.before_making { Exit::PreCheck } else { Exit::Failed };
        Self { exit, message: failure.message, details: failure.details, hints: failure.hints }
    }
}

/// For a check of arguments that runs where the lifecycle holds the lock.
impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self {
            before_making: false,
            refusal: false,
            message: error.message,
            details: error.details,
            hints: error.hints,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_errors_keep_their_details() {
        let joined = CommandError::join(vec![
            CommandError::failed("a failed").detail("log of a").hint("look"),
            CommandError::failed("b failed").detail("log of b").hint("look"),
        ])
        .unwrap_err();
        assert_eq!(joined.message, "a failed\n  log of a\nb failed\n  log of b");
        assert_eq!(joined.hints, ["look"]);
        assert!(CommandError::join(vec![]).is_ok());
    }
}
