use std::fmt;

use crate::cause::{Cause, describe_error};

/// What went wrong at a provider, what it left behind, and what helps.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DriverError {
    pub kind: DriverErrorKind,
    pub message: String,
    pub leftovers: Leftovers,
    /// Each a line that can be pasted or followed.
    pub hints: Vec<String>,
    #[source]
    pub source: Option<Cause>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverErrorKind {
    /// An option or a stored value that cannot work.
    Invalid,
    /// This driver does not do that.
    Unsupported,
    /// The machine is not there.
    Missing,
    /// The provider refused.
    Denied,
    /// The provider or the host did not answer, or not in time.
    Unreachable,
    /// Anything else the provider said.
    Provider,
}

/// What a failed step left behind at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Leftovers {
    #[default]
    None,
    Known(Vec<Resource>),
    /// Something may be left; the text says where to look.
    Unknown(String),
}

/// One thing at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub kind: String,
    pub id: String,
}

impl DriverError {
    pub fn new(kind: DriverErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), leftovers: Leftovers::None, hints: Vec::new(), source: None }
    }

    /// `what` failed because of `source`, whose text the message repeats.
    pub fn because(kind: DriverErrorKind, what: impl fmt::Display, source: impl Into<Cause>) -> Self {
        let source = source.into();
        Self::new(kind, format!("{what}: {}", describe_error(source.as_ref()))).caused_by(source)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(DriverErrorKind::Invalid, message)
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(DriverErrorKind::Unsupported, message)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub fn left(mut self, leftovers: Leftovers) -> Self {
        self.leftovers = leftovers;
        self
    }

    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing was left behind"),
            Self::Known(resources) => {
                f.write_str("left behind: ")?;
                for (i, r) in resources.iter().enumerate() {
                    write!(f, "{}{} {}", if i == 0 { "" } else { ", " }, r.kind, r.id)?;
                }
                Ok(())
            }
            Self::Unknown(what) => write!(f, "something may be left behind: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_named() {
        let known = Leftovers::Known(vec![
            Resource { kind: "droplet".into(), id: "7".into() },
            Resource { kind: "key".into(), id: "9".into() },
        ]);
        assert_eq!(known.to_string(), "left behind: droplet 7, key 9");
        assert_eq!(Leftovers::None.to_string(), "nothing was left behind");
    }
}
