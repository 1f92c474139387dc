//! What drivers may know of secrets: those of their own accounts, out of the store's file.

use async_trait::async_trait;
use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{DriverError, DriverErrorKind, Keyring};

use super::Lifecycle;
use crate::store::{Store, StoreError};

#[derive(Debug)]
pub(super) struct DriverKeyring {
    store: Store,
    driver: String,
    given: Option<SecretString>,
}

impl Lifecycle {
    /// The secrets of a driver's accounts.
    pub fn keyring(&self, driver: &str) -> impl Keyring + use<> {
        DriverKeyring::new(&self.store, driver, None)
    }
}

impl DriverKeyring {
    pub(super) fn new(store: &Store, driver: &str, given: Option<SecretString>) -> Self {
        Self { store: store.clone(), driver: driver.to_owned(), given }
    }
}

#[async_trait]
impl Keyring for DriverKeyring {
    fn given(&self) -> Option<SecretString> {
        self.given.clone()
    }

    fn accounts(&self) -> Result<Vec<String>, DriverError> {
        let all = self.store.accounts().map_err(unusable)?;
        Ok(all.into_iter().filter(|a| a.driver == self.driver).map(|a| a.account).collect())
    }

    fn kept(&self, account: &str) -> Result<Option<SecretString>, DriverError> {
        self.store.credential(&self.driver, account).map_err(unusable)
    }

    async fn keep(&self, account: &str, secret: &SecretString) -> Result<(), DriverError> {
        self.store.keep_credential(&self.driver, account, secret).await.map_err(unusable)
    }
}

fn unusable(error: StoreError) -> DriverError {
    DriverError::new(DriverErrorKind::Invalid, error.to_string()).caused_by(error)
}
