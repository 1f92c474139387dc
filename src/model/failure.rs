//! How work fails: a sentence, its cause, what was left behind, and what to do next.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use rmachine_driver::{Cause, DriverError, Leftovers, describe_error};

/// How the program ends when a command does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exit {
    #[default]
    Failed,
    /// The command line cannot be understood.
    Usage,
    /// The driver refused before anything was created. The code is docker-machine's.
    PreCheck,
    /// The exit code of a remote command.
    Remote(u8),
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::PreCheck => 3,
            Self::Remote(code) => code,
            Self::Interrupted => 130,
        }
    }
}

/// The error type of every room above the leaves. Texts name the program `rmachine`; `app` replaces that by the name under
/// which the user called the program.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    pub(crate) exit: Exit,
    /// The work is possible but would do harm: `--force` does it.
    pub(crate) is_refusal: bool,
    /// A sentence that scripts may match. Empty when nothing is to be printed.
    pub(crate) message: String,
    /// Further lines: an engine's log, resources that were left behind.
    pub(crate) details: Vec<String>,
    /// What to type or to change next.
    pub(crate) hints: Vec<String>,
    pub(crate) source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::with_exit(Exit::Usage, message)
    }

    pub(crate) fn with_exit(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, ..Self::new(message) }
    }

    /// Ends the program with a code and prints nothing.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::with_exit(exit, "")
    }

    /// Words the failure as its cause does.
    pub(crate) fn from_error(error: impl Into<Cause>) -> Self {
        let error = error.into();
        Self::new(describe_error(error.as_ref())).caused_by(error)
    }

    /// `what` failed because of `error`, whose text the message repeats.
    pub(crate) fn because(what: impl fmt::Display, error: impl Into<Cause>) -> Self {
        Self::from_error(error).prefix(&format!("{what}: "))
    }

    #[must_use]
    pub(crate) fn caused_by(mut self, error: impl Into<Cause>) -> Self {
        self.source = Some(Arc::from(error.into()));
        self
    }

    #[must_use]
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn prefix(mut self, prefix: &str) -> Self {
        self.message = format!("{prefix}{}", self.message);
        self
    }

    /// The texts of all causes, outermost first, without those that the message repeats.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next = self.source();
        while let Some(error) = next {
            let text = describe_error(error);
            // The system begins its texts in upper case where another error repeats them unchanged.
            let is_repeated = |said: &String| said.to_lowercase().contains(&text.to_lowercase());
            if !is_repeated(&self.message) && !causes.iter().any(is_repeated) {
                causes.push(text);
            }
            next = error.source();
        }
        causes
    }

    /// The first cause of a type.
    pub(crate) fn cause<E: Error + 'static>(&self) -> Option<&E> {
        let mut next = self.source();
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Joins the failures of several machines: every message, one exit.
    pub(crate) fn join(failures: Vec<Self>) -> Result<(), Self> {
        let mut failures = failures.into_iter();
        let Some(mut first) = failures.next() else { return Ok(()) };
        for next in failures {
            // Details stay with their own message.
            let indented =
                |details: &[String]| details.iter().map(|d| format!("\n  {d}")).collect::<String>();
            let own = indented(&std::mem::take(&mut first.details));
            first.message = format!("{}{own}\n{}{}", first.message, next.message, indented(&next.details));
            first.hints.extend(next.hints);
        }
        first.hints.dedup();
        Err(first)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        let details = match &error.leftovers {
            Leftovers::None => Vec::new(),
            left => vec![left.to_string()],
        };
        let failure = Self { details, hints: error.hints.clone(), ..Self::new(error.message.clone()) };
        failure.caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer layer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn joined_failures_keep_their_details() {
        let joined = Failure::join(vec![
            Failure::new("a failed").detail("log of a").hint("look"),
            Failure::new("b failed").detail("log of b").hint("look"),
        ])
        .unwrap_err();
        assert_eq!(joined.message, "a failed\n  log of a\nb failed\n  log of b");
        assert_eq!(joined.hints, ["look"]);
        assert!(Failure::join(vec![]).is_ok());
    }

    #[test]
    fn causes_are_listed_once_and_outermost_first() {
        let failure =
            Failure::new("cannot start node1").caused_by(Outer(std::io::Error::other("the disk is full")));
        assert_eq!(failure.causes(), ["the outer layer", "the disk is full"]);
        let repeated = Failure::from_error(Outer(std::io::Error::other("the disk is full")));
        assert_eq!(repeated.causes(), ["the disk is full"]);
    }

    #[test]
    fn errors_of_the_system_are_worded_once_and_without_their_number() {
        let missing = || std::io::Error::from_raw_os_error(2);
        let failure = Failure::because("open /x", missing());
        assert_eq!(failure.message, "open /x: no such file or directory");
        assert!(failure.causes().is_empty(), "{:?}", failure.causes());
        let failure = Failure::new("cannot start node1").caused_by(Outer(missing()));
        assert_eq!(failure.causes(), ["the outer layer", "no such file or directory"]);
        assert!(failure.cause::<std::io::Error>().is_some());
    }
}
