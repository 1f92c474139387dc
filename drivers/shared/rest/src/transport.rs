//! One request to a provider and its answer, over HTTPS or, in tests, in process.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use rmachine_driver::secrecy::SecretString;
use serde_json::Value;

use crate::path::RequestPath;

/// Its `Debug` shows no body, because user-data contain a private key.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    pub path: RequestPath,
    pub body: Option<Value>,
    pub token: SecretString,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// How long the provider asks clients to wait.
    pub pause: Option<Duration>,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The request was not sent, so it had no effect.
    NotSent(String),
    /// The request may have had its effect.
    Unclear(String),
    /// The request may have had its effect, and its answer cannot be read in another attempt either.
    Unreadable(String),
}

#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    async fn send(&self, call: &Call) -> Result<Answer, SendError>;
}
