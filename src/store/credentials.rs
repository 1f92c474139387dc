//! credentials.json: the secrets of accounts at providers, once for each account and readable by its owner alone. They
//! are in no other file of the store.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use rmachine_host::FileLock;
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError, files, json, lock};

const VERSION: u64 = 1;
const WAIT: Duration = Duration::from_secs(30);

/// Not `Debug`: it holds secrets in the open.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: u64,
    accounts: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    driver: String,
    account: String,
    secret: String,
}

/// Whose secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) driver: String,
    pub(crate) account: String,
}

impl Entry {
    fn is(&self, driver: &str, account: &str) -> bool {
        self.driver == driver && self.account == account
    }
}

impl Store {
    pub(crate) fn credentials_path(&self) -> PathBuf {
        self.root().join("credentials.json")
    }

    /// The accounts whose secrets are kept, in the order in which they were first told.
    pub(crate) fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let kept = self.credentials()?.accounts;
        Ok(kept.into_iter().map(|Entry { driver, account, .. }| Account { driver, account }).collect())
    }

    pub(crate) fn credential(&self, driver: &str, account: &str) -> Result<Option<SecretString>, StoreError> {
        let kept = self.credentials()?.accounts;
        Ok(kept.into_iter().find(|e| e.is(driver, account)).map(|e| e.secret.into()))
    }

    /// Replaces what was kept of that account.
    pub(crate) async fn keep_credential(
        &self,
        driver: &str,
        account: &str,
        secret: &SecretString,
    ) -> Result<(), StoreError> {
        let secret = secret.expose_secret();
        files::make_dir(self.root())?;
        let _lock = self.credentials_lock().await?;
        let mut document = self.credentials()?;
        match document.accounts.iter_mut().find(|e| e.is(driver, account)) {
            Some(kept) if kept.secret == secret => return Ok(()),
            Some(kept) => secret.clone_into(&mut kept.secret),
            None => document.accounts.push(Entry {
                driver: driver.to_owned(),
                account: account.to_owned(),
                secret: secret.to_owned(),
            }),
        }
        self.write_credentials(&document)
    }

    /// False when nothing was kept of that account.
    pub(crate) async fn forget_credential(&self, driver: &str, account: &str) -> Result<bool, StoreError> {
        if self.credential(driver, account)?.is_none() {
            return Ok(false);
        }
        let _lock = self.credentials_lock().await?;
        let mut document = self.credentials()?;
        document.accounts.retain(|e| !e.is(driver, account));
        self.write_credentials(&document)?;
        Ok(true)
    }

    async fn credentials_lock(&self) -> Result<FileLock, StoreError> {
        let what = || format!("{}", self.credentials_path().display());
        lock::take(self.root().join(".credentials.lock"), WAIT, what).await
    }

    fn write_credentials(&self, document: &Document) -> Result<(), StoreError> {
        let path = self.credentials_path();
        let text =
            json::pretty(document).map_err(|source| StoreError::Encode { path: path.clone(), source })?;
        self.write_file(&path, text.as_bytes(), 0o600)
    }

    fn credentials(&self) -> Result<Document, StoreError> {
        let path = self.credentials_path();
        let text = match files::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Ok(Document { version: VERSION, accounts: Vec::new() });
            }
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        // Where it is broken is told, and never what stands there.
        let broken = |e: &serde_json::Error| format!("line {}, column {}", e.line(), e.column());
        match serde_json::from_slice::<Document>(&text) {
            Ok(document) if document.version > VERSION => {
                Err(StoreError::FutureOwn { path, version: document.version })
            }
            Ok(document) => Ok(document),
            Err(e) => Err(StoreError::BadOwn { path, source: broken(&e).into() }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make what they look at")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn kept_once_for_each_account_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("S"));
        assert!(store.accounts().unwrap().is_empty() && store.credential("d", "a").unwrap().is_none());
        for (account, secret) in [("a", "one"), ("b", "two"), ("a", "three")] {
            store.keep_credential("d", account, &secret.into()).await.unwrap();
        }
        let of = |driver: &str, account: &str| {
            store.credential(driver, account).unwrap().map(|s| s.expose_secret().to_owned())
        };
        assert_eq!(
            (of("d", "a"), of("d", "b"), of("e", "a")),
            (Some("three".into()), Some("two".into()), None)
        );
        let mode = fs::metadata(store.credentials_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(store.forget_credential("d", "a").await.unwrap());
        assert!(!store.forget_credential("d", "a").await.unwrap());
        assert_eq!(store.accounts().unwrap(), [Account { driver: "d".into(), account: "b".into() }]);
    }

    #[tokio::test]
    async fn a_broken_file_is_told_without_its_text_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        fs::write(store.credentials_path(), "{\"Version\":1,\"Accounts\":\"s3cret\"}").unwrap();
        let error = store.keep_credential("d", "a", &"x".into()).await.unwrap_err().to_string();
        assert!(error.contains("damaged") && !error.contains("s3cret"), "{error}");
        assert!(fs::read_to_string(store.credentials_path()).unwrap().contains("s3cret"));
    }
}
