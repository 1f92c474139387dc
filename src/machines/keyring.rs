//! What drivers may know of secrets: those of their own accounts, out of the store's file.

use async_trait::async_trait;
use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{
    Driver, DriverError, DriverErrorKind, DriverState, Keyring, MachineName, OptionSpec, require,
};

use crate::machines::{Machine, Machines};
use crate::model::Failure;
use crate::store::{Store, StoreError};

#[derive(Debug)]
pub(crate) struct DriverKeyring {
    store: Store,
    driver: String,
    given: Option<SecretString>,
}

impl Machines {
    /// The secrets of a driver's accounts.
    pub(crate) fn keyring(&self, driver: &str) -> impl Keyring + use<> {
        DriverKeyring::new(&self.store, driver, None)
    }

    /// Keeps a secret under the name that its provider has for the account.
    pub(crate) async fn keep_credential(
        &self,
        driver: &dyn Driver,
        secret: &SecretString,
    ) -> Result<String, Failure> {
        let account = require(driver, driver.accounts())?.identify_account(secret).await?;
        let kept = self.store.keep_credential(driver.name(), &account, secret).await;
        kept?;
        Ok(account)
    }

    /// Moves a secret that docker-machine left in config.json to the others; the account that it opens.
    pub(crate) async fn take_secret(&self, name: &MachineName) -> Result<Option<String>, Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        let mut account = None;
        self.with_driver(&lock, &mut machine, async |driver, handle| {
            if let Some(accounts) = driver.accounts() {
                account = accounts.move_secret_to_keyring(handle).await?;
            }
            Ok(())
        })
        .await?;
        Ok(account)
    }

    /// What to say of machines that were just imported: their accounts' secrets stayed where they were.
    pub(crate) fn unsaid_secret(&self, name: &MachineName) -> Option<String> {
        let machine = self.load(name).ok()?;
        let flag = machine.account_flag()?;
        let driver = machine.driver().ok()?.name();
        if !machine.keyring.accounts().unwrap_or_default().is_empty() {
            return None;
        }
        let or_env = flag.env.map(|env| format!(", or {env} in the environment")).unwrap_or_default();
        Some(format!(
            "The access token of {name}'s account was not in the archive: `{} credentials set {driver}`{or_env}",
            self.program
        ))
    }

    /// False when nothing was kept.
    pub(crate) async fn forget_credential(&self, driver: &str, account: &str) -> Result<bool, Failure> {
        self.store.forget_credential(driver, account).await.map_err(Failure::from)
    }
}

impl Machine {
    /// The driver's state, with this in the place of secrets that docker-machine left in it.
    pub(crate) fn without_secrets(&self, instead: &str) -> DriverState {
        let mut state = self.stored.config.driver.clone();
        let keys = self.driver().map(|d| d.secret_keys()).unwrap_or_default();
        for key in keys {
            if !state.text(&key).is_empty() {
                state.set(&key, instead);
            }
        }
        state
    }

    /// The flag that tells the access token of its account. Nothing, where its driver knows no accounts.
    pub(crate) fn account_flag(&self) -> Option<OptionSpec> {
        self.driver().ok()?.options().into_iter().find(|o| o.secret)
    }
}

impl DriverKeyring {
    pub(crate) fn new(store: &Store, driver: &str, given: Option<SecretString>) -> Self {
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
