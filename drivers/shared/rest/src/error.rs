use std::fmt;

use rmachine_driver::{DriverError, DriverErrorKind};

use crate::provider::Provider;

/// Why a provider did not do what it was asked for.
#[derive(Debug, Clone)]
pub struct ApiError {
    provider: &'static Provider,
    cause: Cause,
}

#[derive(Debug, Clone)]
enum Cause {
    /// The provider refused, and nothing happened.
    Refused { status: u16, message: String },
    /// There is no usable answer, and the request may have had its effect.
    Unclear(String),
}

impl ApiError {
    pub(crate) fn refused(provider: &'static Provider, status: u16, message: String) -> Self {
        Self { provider, cause: Cause::Refused { status, message } }
    }

    pub(crate) fn unclear(provider: &'static Provider, reason: String) -> Self {
        Self { provider, cause: Cause::Unclear(reason) }
    }

    /// The status and the message of a refusal.
    pub fn refusal(&self) -> Option<(u16, &str)> {
        match &self.cause {
            Cause::Refused { status, message } => Some((*status, message)),
            Cause::Unclear(_) => None,
        }
    }

    pub fn has_status(&self, wanted: u16) -> bool {
        self.refusal().is_some_and(|(status, _)| status == wanted)
    }

    /// Whether the request may have had its effect. Look before it is sent again.
    pub fn is_unclear(&self) -> bool {
        matches!(self.cause, Cause::Unclear(_))
    }

    fn kind(&self) -> DriverErrorKind {
        match self.refusal() {
            Some((401 | 403, _)) => DriverErrorKind::Denied,
            Some((404, _)) => DriverErrorKind::Missing,
            Some(_) => DriverErrorKind::Provider,
            None => DriverErrorKind::Unreachable,
        }
    }

    fn hints(&self) -> &'static [&'static str] {
        match self.refusal() {
            Some((401, _)) => self.provider.unknown_token_hints,
            Some((403, _)) => self.provider.missing_permission_hints,
            Some((429, _)) => &["wait a while, then continue with `rmachine create --resume`"],
            _ => &[],
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.provider.name;
        match &self.cause {
            Cause::Refused { status: 401, .. } => write!(f, "{name} does not know the access token (401)"),
            Cause::Refused { status: 403, message } => {
                write!(f, "the access token lacks a permission at {name} (403): {message}")
            }
            Cause::Refused { status: 404, message } => {
                write!(f, "{name} has no such resource (404): {message}")
            }
            Cause::Refused { status: 429, message } => {
                write!(f, "the rate limit of {name} is used up (429): {message}")
            }
            Cause::Refused { status, message } => {
                write!(f, "{name} refused the request ({status}): {message}")
            }
            Cause::Unclear(reason) => write!(f, "no usable answer from {name}: {reason}"),
        }
    }
}

impl From<ApiError> for DriverError {
    fn from(error: ApiError) -> Self {
        let new = Self::new(error.kind(), error.to_string());
        error.hints().iter().fold(new, |new, hint| new.hint(*hint))
    }
}
