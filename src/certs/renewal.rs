//! Replaces the client certificate of a CA, and the CA when it expires soon.
//!
//! The new files are first written into one list in a folder beside the client's pair. After a crash, the next process
//! that needs a certificate finishes what the list says.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rmachine_driver::secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::certs::{
    CERTS_WAIT, Certs, Files, Holder, PRIVATE, PUBLIC, Report, read, read_pair, server_files, unusable,
};
use crate::model::Failure;
use crate::pki::{self, Misfit, Pair};
use crate::store::AuthOptions;

/// Beside the client's certificate: complete once it bears this name.
const RENEWAL: &str = ".rmachine-renewal";
const LIST: &str = "list.json";

/// Files that take their places together, however often that is begun.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Renewal(Vec<Move>);

#[derive(Debug, Serialize, Deserialize)]
struct Move {
    to: PathBuf,
    mode: u32,
    text: String,
}

impl Certs {
    /// Renews the client certificate, and its CA when that expires within 30 days.
    pub(crate) async fn renew_client(&self, auth: &AuthOptions, report: Report<'_>) -> Result<(), Failure> {
        let _lock = self.store.certs_lock(CERTS_WAIT).await?;
        let (ca_files, client_files) = (self.ca_files(auth), self.client_files(auth));
        self.finish_renewal(auth)?;
        let now = Timestamp::now();
        let mut renewal = Renewal::default();
        let ca = match read_pair(&ca_files)? {
            Some(ca) if ca_lasts(&ca, now)? => ca,
            Some(_) => {
                report("CA certificate is outdated and needs to be regenerated");
                let ca = pki::new_ca(&self.user, now)?;
                renewal.add(&ca_files, &ca);
                ca
            }
            None if ca_files.cert.exists() => {
                return Err(unusable(&ca_files, "its key is missing"));
            }
            None => {
                report(&format!("Creating CA: {}", ca_files.cert.display()));
                let ca = pki::new_ca(&self.user, now)?;
                renewal.add(&ca_files, &ca);
                ca
            }
        };
        report(&format!("Creating client certificate: {}", client_files.cert.display()));
        renewal.add(&client_files, &pki::client(&ca, &format!("{}.<bootstrap>", self.user), now)?);
        self.commit(&client_files, &renewal)
    }

    /// On disk as one file before the first takes its place.
    fn commit(&self, client: &Files, renewal: &Renewal) -> Result<(), Failure> {
        let folder = renewal_folder(client);
        let text = serde_json::to_string(renewal).map_err(|e| Failure::new(e.to_string()))?;
        let written = self
            .store
            .make_dir(&folder)
            .and_then(|()| self.store.write_file(&folder.join(LIST), text.as_bytes(), PRIVATE));
        written?;
        self.carry_out(&folder, renewal)
    }

    fn carry_out(&self, folder: &Path, renewal: &Renewal) -> Result<(), Failure> {
        for Move { to, mode, text } in &renewal.0 {
            self.store.write_file(to, text.as_bytes(), *mode)?;
        }
        // Read again from a half-removed folder, the list would do the same once more.
        self.store.clear(folder).map_err(Failure::from)
    }

    pub(super) fn renewal_pending(&self, auth: &AuthOptions) -> bool {
        renewal_folder(&self.client_files(auth)).exists()
    }

    /// What another process began and did not end. Under the lock of the certificates.
    pub(super) fn finish_renewal(&self, auth: &AuthOptions) -> Result<(), Failure> {
        let folder = renewal_folder(&self.client_files(auth));
        if !folder.exists() {
            return Ok(());
        }
        match read(&folder.join(LIST))?.map(|text| serde_json::from_str::<Renewal>(&text)) {
            Some(Ok(renewal)) => self.carry_out(&folder, &renewal),
            // Killed before the list was there: nothing was begun.
            _ => self.store.clear(&folder).map_err(Failure::from),
        }
    }

    /// Whether a CA other than the current one signed the machine's server certificate.
    pub(crate) fn server_is_of_another_ca(&self, holder: &Holder<'_>) -> Result<bool, Failure> {
        let ca = read(&self.ca_files(holder.auth).cert)?;
        let (Some(ca), Some(pair)) = (ca, read_pair(&server_files(holder.dir))?) else {
            return Ok(false);
        };
        Ok(matches!(pki::fits(&pair, &ca, &[], Timestamp::now()), Err(Misfit::OtherCa)))
    }
}

impl Renewal {
    fn add(&mut self, files: &Files, pair: &Pair) {
        let key = pair.key.expose_secret().to_owned();
        self.0.push(Move { to: files.key.clone(), mode: PRIVATE, text: key });
        self.0.push(Move { to: files.cert.clone(), mode: PUBLIC, text: pair.cert.clone() });
    }
}

fn renewal_folder(client: &Files) -> PathBuf {
    client.cert.with_file_name(RENEWAL)
}

/// A renewal that is asked for is the time to renew the CA, too, if it would end soon.
fn ca_lasts(ca: &Pair, now: Timestamp) -> Result<bool, Failure> {
    match pki::ca_usable(ca, now) {
        Ok(()) => Ok(pki::read(&ca.cert)?.not_after.duration_since(now) >= pki::RENEW_BEFORE),
        Err(Misfit::Expired(_)) => Ok(false),
        Err(misfit) => Err(Failure::new(format!("the CA cannot sign certificates: {misfit}"))
            .hint("move it away to have a new one made, and name all machines")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use rmachine_driver::MachineName;

    fn auth(root: &Path) -> AuthOptions {
        let name = MachineName::parse("m").unwrap();
        crate::store::HostConfig::new(&name, "generic", rmachine_driver::DriverState::default(), root)
            .host_options
            .auth
    }

    /// Killed after any number of files took their places: the next that needs one finds pairs that fit.
    #[tokio::test]
    async fn a_renewal_that_was_cut_off_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let certs = Certs::new(Store::at(dir.path()), "tester".to_owned());
        let auth = auth(dir.path());
        certs.ensure_client(&auth, &|_| ()).await.unwrap();
        let (ca, client) = (certs.ca_files(&auth), certs.client_files(&auth));
        let old = std::fs::read_to_string(&client.cert).unwrap();
        let now = Timestamp::now();
        let new_ca = pki::new_ca("new", now).unwrap();
        let mut renewal = Renewal::default();
        renewal.add(&ca, &new_ca);
        renewal.add(&client, &pki::client(&new_ca, "new", now).unwrap());
        for placed in 0..=renewal.0.len() {
            let folder = renewal_folder(&client);
            certs.store.make_dir(&folder).unwrap();
            let text = serde_json::to_string(&renewal).unwrap();
            certs.store.write_file(&folder.join(LIST), text.as_bytes(), 0o600).unwrap();
            for Move { to, mode, text } in renewal.0.iter().take(placed) {
                certs.store.write_file(to, text.as_bytes(), *mode).unwrap();
            }
            certs.ensure_client(&auth, &|_| ()).await.unwrap();
            let pair = read_pair(&client).unwrap().unwrap();
            let ca_now = read_pair(&ca).unwrap().unwrap();
            assert_eq!(pki::fits(&pair, &ca_now.cert, &[], now), Ok(()), "after {placed}");
            assert_eq!(pki::ca_usable(&ca_now, now), Ok(()));
            assert_ne!(pair.cert, old);
            assert!(!folder.exists());
        }
        // Killed before it was complete.
        certs.store.make_dir(&renewal_folder(&client)).unwrap();
        certs.ensure_client(&auth, &|_| ()).await.unwrap();
        assert!(!renewal_folder(&client).exists());
    }
}
