//! How work on a machine fails: a sentence, what it left behind, what to do next.

use std::path::Path;

use rmachine_driver::{DriverError, Leftovers};

use crate::engine::EngineError;
use crate::pki::PkiError;
use crate::ssh::SshError;
use crate::store::StoreError;

#[derive(Debug, Clone, Default)]
pub struct Failure {
    /// Nothing was made: the driver saw beforehand that it could not work.
    pub before_making: bool,
    /// It could have been done, and would have done harm: `--force` is the way.
    pub refusal: bool,
    pub message: String,
    pub details: Vec<String>,
    pub hints: Vec<String>,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.message = format!("{prefix}{}", self.message);
        self
    }

    /// Of the store, for a user who knows the program by this name.
    pub fn store(error: &StoreError, program: &str) -> Self {
        let failure = Self::new(error.render(program));
        match error {
            StoreError::BadConfig { path, .. } | StoreError::BadOwn { path, .. } => {
                failure.hint(format!("mend {}, {}", path.display(), or_forget(path, program)))
            }
            StoreError::NoConfig(path) => {
                failure.hint(format!("bring back {}, {}", path.display(), or_forget(path, program)))
            }
            StoreError::FutureConfig { path, .. } => failure.hint(format!(
                "{} is of a newer program: upgrade this one, {}",
                path.display(),
                or_forget(path, program)
            )),
            StoreError::Busy { .. } => failure.hint("wait for it, or look whether that process hangs"),
            _ => failure,
        }
    }
}

/// The last resort, for the machine that a file belongs to.
fn or_forget(file: &Path, program: &str) -> String {
    let machine = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    format!("or forget the machine with `{program} rm -f {machine}`: what runs at its provider stays there")
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::store(&error, "rmachine")
    }
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        let details = match &error.leftovers {
            Leftovers::None => Vec::new(),
            left => vec![left.to_string()],
        };
        Self { message: error.message, details, hints: error.hints, ..Self::default() }
    }
}

impl From<SshError> for Failure {
    fn from(error: SshError) -> Self {
        let hints = error.hint().into_iter().collect();
        Self { message: error.to_string(), hints, ..Self::default() }
    }
}

impl From<PkiError> for Failure {
    fn from(error: PkiError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(error.to_string())
    }
}
