//! Certificates made anew: a machine's server pair, or the client of a CA and all that hangs on it.
//!
//! What a kill may leave between two files is written down first, in a folder beside the client's pair, and finished by
//! whoever next needs a certificate.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{MachineName, Phase};
use serde::{Deserialize, Serialize};

use crate::machines::certs::{CERTS_WAIT, Files, PRIVATE, PUBLIC, read, read_pair};
use crate::machines::{Machine, Machines};
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

/// Whether the server's pair is kept while it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Kept,
    New,
}

impl Machines {
    /// A new certificate for a machine's engine, which is restarted with it.
    pub(crate) async fn regenerate(&self, machine: Machine) -> Result<(), Failure> {
        let done = self.regenerate_locked(&machine.name).await;
        self.reporter.finish(&machine.name, done.is_ok());
        done
    }

    async fn regenerate_locked(&self, name: &MachineName) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        self.refuse_unmade(&machine)?;
        self.refuse_adopted(&machine, "its certificate is not ours to make")?;
        let driver = machine.driver()?.clone();
        if !driver.features().host {
            return Err(Failure::new(format!(
                "Docker machine \"{name}\" has no host to put a certificate on: the driver {:?} only keeps a URL",
                driver.name()
            )));
        }
        self.ensure_client(name, &machine.stored.config.host_options.auth).await?;
        if machine.stored.own.phase >= Phase::Created {
            self.must_run(&machine).await?;
        }
        self.bring_up_with(&lock, &mut machine, driver.features().boot, Server::New).await
    }

    /// Renews the client of the CA that these machines hang on, and the CA itself once it has less than 30 days. Returns
    /// all machines whose certificate is to be made anew: those named, and those whose CA is another one now.
    pub(crate) async fn renew_clients(&self, named: &[MachineName]) -> Result<Vec<MachineName>, Failure> {
        let mut done: BTreeSet<PathBuf> = BTreeSet::new();
        for name in named {
            self.take_in(name).await?;
            let auth = self.load(name)?.stored.config.host_options.auth;
            if done.insert(self.client_files(&auth).cert) {
                self.renew_client(name, &auth).await?;
            }
        }
        let mut affected: BTreeSet<MachineName> = named.iter().cloned().collect();
        for name in self.store.names()? {
            // One that cannot be read hangs on nothing that could be told.
            let Ok(machine) = self.load(&name) else { continue };
            let auth = &machine.stored.config.host_options.auth;
            if !done.contains(&self.client_files(auth).cert) || machine.stored.own.adopted.is_some() {
                continue;
            }
            let _lock = self.lock(&name).await?;
            self.copy_client(&machine)?;
            if self.server_is_of_another_ca(&machine)? {
                affected.insert(name);
            }
        }
        Ok(affected.into_iter().collect())
    }

    /// A machine that was imported with certificates of another CA, without that CA's key, becomes one of ours.
    async fn take_in(&self, name: &MachineName) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        let auth = &mut machine.stored.config.host_options.auth;
        let ca = self.ca_files(auth);
        if ca.cert.starts_with(&machine.dir) && !ca.key.exists() && machine.stored.own.adopted.is_none() {
            auth.belong_to(self.store.root());
            self.save(&lock, &machine)?;
        }
        Ok(())
    }

    async fn renew_client(&self, name: &MachineName, auth: &AuthOptions) -> Result<(), Failure> {
        let _lock = self.store.certs_lock(CERTS_WAIT).await?;
        let (ca_files, client_files) = (self.ca_files(auth), self.client_files(auth));
        self.finish_renewal(auth)?;
        let now = Timestamp::now();
        let mut renewal = Renewal::default();
        let ca = match read_pair(&ca_files)? {
            Some(ca) if ca_lasts(&ca, now)? => ca,
            Some(_) => {
                self.step(name, "CA certificate is outdated and needs to be regenerated");
                let ca = pki::new_ca(&self.user, now)?;
                renewal.add(&ca_files, &ca);
                ca
            }
            None if ca_files.cert.exists() => {
                return Err(crate::machines::certs::unusable(&ca_files, "its key is missing"));
            }
            None => {
                self.step(name, &format!("Creating CA: {}", ca_files.cert.display()));
                let ca = pki::new_ca(&self.user, now)?;
                renewal.add(&ca_files, &ca);
                ca
            }
        };
        self.step(name, &format!("Creating client certificate: {}", client_files.cert.display()));
        renewal.add(&client_files, &pki::client(&ca, &format!("{}.<bootstrap>", self.user), now)?);
        self.commit(&client_files, &renewal)
    }

    /// On disk as one file before the first takes its place.
    fn commit(&self, client: &Files, renewal: &Renewal) -> Result<(), Failure> {
        let folder = renewal_folder(client);
        let text = serde_json::to_string(renewal).map_err(Failure::from_error)?;
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

    pub(crate) fn renewal_pending(&self, auth: &AuthOptions) -> bool {
        renewal_folder(&self.client_files(auth)).exists()
    }

    /// What another process began and did not end. Under the lock of the certificates.
    pub(crate) fn finish_renewal(&self, auth: &AuthOptions) -> Result<(), Failure> {
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

    fn server_is_of_another_ca(&self, machine: &Machine) -> Result<bool, Failure> {
        let auth = &machine.stored.config.host_options.auth;
        let server = Files { cert: machine.dir.join("server.pem"), key: machine.dir.join("server-key.pem") };
        let (Some(ca), Some(pair)) = (read(&self.ca_files(auth).cert)?, read_pair(&server)?) else {
            return Ok(false);
        };
        Ok(matches!(pki::fits(&pair, &ca, &[], Timestamp::now()), Err(Misfit::OtherCa)))
    }

    pub(crate) fn refuse_unmade(&self, machine: &Machine) -> Result<(), Failure> {
        let name = &machine.name;
        match machine.stored.own.phase {
            Phase::Reserved => Err(Failure::new(format!("Docker machine \"{name}\" has not been made yet"))
                .hint(format!("`{} create --resume {name}` makes it", self.program))),
            Phase::Removing => Err(Failure::new(format!("Docker machine \"{name}\" is being removed"))
                .hint(format!("`{} rm {name}` finishes that", self.program))),
            _ => Ok(()),
        }
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
    use crate::machines::tests::machines;

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
        let machines = machines(dir.path());
        let (name, auth) = (MachineName::parse("m").unwrap(), auth(dir.path()));
        machines.ensure_client(&name, &auth).await.unwrap();
        let (ca, client) = (machines.ca_files(&auth), machines.client_files(&auth));
        let old = std::fs::read_to_string(&client.cert).unwrap();
        let now = Timestamp::now();
        let new_ca = pki::new_ca("new", now).unwrap();
        let mut renewal = Renewal::default();
        renewal.add(&ca, &new_ca);
        renewal.add(&client, &pki::client(&new_ca, "new", now).unwrap());
        for placed in 0..=renewal.0.len() {
            let folder = renewal_folder(&client);
            machines.store.make_dir(&folder).unwrap();
            let text = serde_json::to_string(&renewal).unwrap();
            machines.store.write_file(&folder.join(LIST), text.as_bytes(), 0o600).unwrap();
            for Move { to, mode, text } in renewal.0.iter().take(placed) {
                machines.store.write_file(to, text.as_bytes(), *mode).unwrap();
            }
            machines.ensure_client(&name, &auth).await.unwrap();
            let pair = read_pair(&client).unwrap().unwrap();
            let ca_now = read_pair(&ca).unwrap().unwrap();
            assert_eq!(pki::fits(&pair, &ca_now.cert, &[], now), Ok(()), "after {placed}");
            assert_eq!(pki::ca_usable(&ca_now, now), Ok(()));
            assert_ne!(pair.cert, old);
            assert!(!folder.exists());
        }
        // Killed before it was complete.
        machines.store.make_dir(&renewal_folder(&client)).unwrap();
        machines.ensure_client(&name, &auth).await.unwrap();
        assert!(!renewal_folder(&client).exists());
    }
}
