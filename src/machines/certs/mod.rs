//! Certificates on disk: a CA and a client made once for all machines, a server pair for each. `pki` makes them.

pub(crate) mod expiry;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rmachine_driver::MachineName;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::engine::TlsFiles;
use crate::machines::renew::Server;
use crate::machines::{Machine, Machines};
use crate::model::Failure;
use crate::pki::{self, Misfit, Pair};
use crate::provision::Tls;
use crate::store::AuthOptions;

pub(crate) use expiry::{Certificate, CertificateKind};

/// Making two RSA keys takes well under a second; somebody else may be at it on a busy computer.
pub(crate) const CERTS_WAIT: Duration = Duration::from_secs(60);
pub(crate) const PUBLIC: u32 = 0o644;
pub(crate) const PRIVATE: u32 = 0o600;

/// Where a certificate and its key are kept.
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Machines {
    /// Sees to it that there is a CA and a client that it signed; made once, however many processes want them.
    pub(crate) async fn ensure_client(&self, name: &MachineName, auth: &AuthOptions) -> Result<(), Failure> {
        if !self.renewal_pending(auth) && self.client_is_sound(auth)? {
            return Ok(());
        }
        let _lock = self.store.certs_lock(CERTS_WAIT).await?;
        self.finish_renewal(auth)?;
        let ca = self.ensure_ca(name, auth)?;
        let files = self.client_files(auth);
        if read_pair(&files)?.is_some_and(|pair| pki::fits(&pair, &ca.cert, &[], Timestamp::now()).is_ok()) {
            return Ok(());
        }
        self.step(name, &format!("Creating client certificate: {}", files.cert.display()));
        let pair = pki::client(&ca, &format!("{}.<bootstrap>", self.user), Timestamp::now())?;
        self.write_pair(&files, &pair)
    }

    fn client_is_sound(&self, auth: &AuthOptions) -> Result<bool, Failure> {
        let ca = read(&self.ca_files(auth).cert)?;
        let client = read_pair(&self.client_files(auth))?;
        let (Some(ca), Some(client)) = (ca, client) else { return Ok(false) };
        Ok(pki::fits(&client, &ca, &[], Timestamp::now()).is_ok())
    }

    /// A CA that is there is never replaced while it is good for something: every machine hangs on it.
    fn ensure_ca(&self, name: &MachineName, auth: &AuthOptions) -> Result<Pair, Failure> {
        let files = self.ca_files(auth);
        match read_pair(&files)? {
            Some(pair) => match pki::ca_usable(&pair, Timestamp::now()) {
                Ok(()) => return Ok(pair),
                Err(Misfit::Expired(_)) => {
                    self.step(name, "CA certificate is outdated and needs to be regenerated");
                }
                Err(misfit) => return Err(unusable(&files, &misfit.to_string())),
            },
            None if files.cert.exists() => return Err(unusable(&files, "its key is missing")),
            None => {}
        }
        self.step(name, &format!("Creating CA: {}", files.cert.display()));
        let pair = pki::new_ca(&self.user, Timestamp::now())?;
        self.write_pair(&files, &pair)?;
        Ok(pair)
    }

    /// The certificates of a machine's engine: what is there is kept as long as it fits.
    pub(crate) fn server_tls(&self, machine: &Machine, server: Server) -> Result<Tls, Failure> {
        let auth = &machine.stored.config.host_options.auth;
        let ca_files = self.ca_files(auth);
        let Some(ca_cert) = read(&ca_files.cert)? else {
            return Err(unusable(&ca_files, "it is missing"));
        };
        let names = server_names(machine);
        let files = Files { cert: machine.dir.join("server.pem"), key: machine.dir.join("server-key.pem") };
        let now = Timestamp::now();
        let fits = |pair: &Pair| server == Server::Kept && pki::fits(pair, &ca_cert, &names, now).is_ok();
        let kept = read_pair(&files)?.filter(fits);
        let pair = match kept {
            Some(pair) => pair,
            None => {
                let ca = read_pair(&ca_files)?.ok_or_else(|| unusable(&ca_files, "its key is missing"))?;
                let organization = format!("{}.{}", self.user, machine.name);
                let pair = pki::server(&ca, &organization, &names, false, now)?;
                self.write_pair(&files, &pair)?;
                pair
            }
        };
        Ok(Tls { ca: ca_cert, cert: pair.cert, key: pair.key })
    }

    /// Clients look for the CA and the client's pair in the machine's own folder.
    pub(crate) fn copy_client(&self, machine: &Machine) -> Result<(), Failure> {
        let auth = &machine.stored.config.host_options.auth;
        let client = self.client_files(auth);
        for (from, to, mode) in [
            (self.ca_files(auth).cert, "ca.pem", PUBLIC),
            (client.cert, "cert.pem", PUBLIC),
            (client.key, "key.pem", PRIVATE),
        ] {
            let Some(text) = read(&from)? else { continue };
            let to = machine.dir.join(to);
            if read(&to)?.as_deref() != Some(&text) {
                self.store.write_file(&to, text.as_bytes(), mode)?;
            }
        }
        Ok(())
    }

    /// What a client of a machine's engine shows and trusts.
    pub(crate) fn client_tls(&self, machine: &Machine) -> Result<TlsFiles, Failure> {
        let auth = &machine.stored.config.host_options.auth;
        let client = self.client_files(auth);
        let need = |path: &Path| {
            read(path)?.ok_or_else(|| {
                Failure::new(format!("open {}: no such file or directory", path.display()))
                    .hint(format!("`{} provision {}` makes it anew", self.program, machine.name))
            })
        };
        Ok(TlsFiles {
            ca: need(&self.ca_files(auth).cert)?,
            cert: need(&client.cert)?,
            key: SecretString::from(need(&client.key)?),
        })
    }

    fn write_pair(&self, files: &Files, pair: &Pair) -> Result<(), Failure> {
        // The key first: a certificate without its key is what a crash must not leave.
        let key = pair.key.expose_secret().as_bytes();
        let written = self
            .store
            .write_file(&files.key, key, PRIVATE)
            .and_then(|()| self.store.write_file(&files.cert, pair.cert.as_bytes(), PUBLIC));
        written.map_err(Failure::from)
    }

    pub(crate) fn ca_files(&self, auth: &AuthOptions) -> Files {
        Files {
            cert: self.cert_path(&auth.ca_cert_path, "ca.pem"),
            key: self.cert_path(&auth.ca_private_key_path, "ca-key.pem"),
        }
    }

    pub(crate) fn client_files(&self, auth: &AuthOptions) -> Files {
        Files {
            cert: self.cert_path(&auth.client_cert_path, "cert.pem"),
            key: self.cert_path(&auth.client_key_path, "key.pem"),
        }
    }

    /// config.json holds absolute paths; in a store that was moved here from elsewhere they lead nowhere.
    fn cert_path(&self, stored: &str, name: &str) -> PathBuf {
        let stored = PathBuf::from(stored);
        let reachable = stored.is_absolute() && stored.parent().is_some_and(Path::is_dir);
        if reachable { stored } else { self.store.certs_dir().join(name) }
    }
}

/// In docker-machine's order, and the machine's own name.
fn server_names(machine: &Machine) -> Vec<String> {
    let sans = machine.stored.config.host_options.auth.server_cert_sans.clone();
    let mut names = sans.unwrap_or_default();
    names.extend(machine.description().endpoint.map(|e| e.host.to_string()));
    names.push("localhost".to_owned());
    names.push(machine.name.to_string());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|n| seen.insert(n.clone()));
    names
}

pub(crate) fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::because(format!("open {}", path.display()), e)),
    }
}

/// Both, or nothing.
pub(crate) fn read_pair(files: &Files) -> Result<Option<Pair>, Failure> {
    let (cert, key) = (read(&files.cert)?, read(&files.key)?);
    Ok(cert.zip(key).map(|(cert, key)| Pair { cert, key: SecretString::from(key) }))
}

pub(crate) fn unusable(files: &Files, reason: &str) -> Failure {
    Failure::new(format!("the CA {} cannot sign certificates: {reason}", files.cert.display())).hint(format!(
        "bring back {}; or move {} away to have a new CA made, which cuts off every machine until it is provisioned \
         again",
        files.key.display(),
        files.cert.display()
    ))
}
