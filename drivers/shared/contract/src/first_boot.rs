//! What a machine finds at its first start, where its driver can put files into it before: an engine that is configured
//! by then starts once, with the machine, and not again for its configuration.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::{DriverError, DriverState};

/// How a machine that has not started yet will start its engine: the unit that its image brings.
#[derive(Debug, Clone, Copy)]
pub struct EngineUnit<'a> {
    pub path: &'a str,
    pub text: &'a str,
}

/// A file of root's, by its full path.
#[derive(Debug, Clone)]
pub struct FirstFile {
    pub path: String,
    pub mode: u32,
    pub content: SecretString,
}

/// The core's side of it.
#[async_trait]
pub trait FirstBoot: Send + Sync {
    /// The files for a machine that will answer where `state` says. Nothing is lost where there are none, or where the
    /// driver leaves one out: the host is looked at, and provisioned, all the same.
    async fn files(&self, state: &DriverState, unit: EngineUnit<'_>) -> Result<Vec<FirstFile>, DriverError>;
}
