use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::DriverError;

/// The secrets of one driver's accounts at its provider, kept once for each account and apart from all machines.
#[async_trait]
pub trait Keyring: fmt::Debug + Send + Sync {
    /// What this run was told by a flag: see [`crate::Draft::secret`].
    fn given(&self) -> Option<SecretString>;

    /// The accounts whose secrets are kept.
    fn accounts(&self) -> Result<Vec<String>, DriverError>;

    fn kept(&self, account: &str) -> Result<Option<SecretString>, DriverError>;

    /// Returns once it is safe on disk.
    async fn keep(&self, account: &str, secret: &SecretString) -> Result<(), DriverError>;
}

/// Keeps nothing and knows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeyring;

#[async_trait]
impl Keyring for NoKeyring {
    fn given(&self) -> Option<SecretString> {
        None
    }

    fn accounts(&self) -> Result<Vec<String>, DriverError> {
        Ok(Vec::new())
    }

    fn kept(&self, _: &str) -> Result<Option<SecretString>, DriverError> {
        Ok(None)
    }

    async fn keep(&self, _: &str, _: &SecretString) -> Result<(), DriverError> {
        Ok(())
    }
}
