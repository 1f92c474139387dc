//! Certificates on disk: one CA and one client certificate for all machines, and a server certificate for each. `pki`
//! creates them.

mod expiry;
mod renewal;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rmachine_driver::MachineName;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::engine::TlsFiles;
use crate::model::Failure;
use crate::pki::{self, Misfit, Pair};
use crate::provision::Tls;
use crate::store::{AuthOptions, Store};

pub(crate) use expiry::{Certificate, CertificateKind};

/// Creating two RSA keys takes well under a second, but another process may be creating them on a busy computer.
const CERTS_WAIT: Duration = Duration::from_secs(60);
const PUBLIC: u32 = 0o644;
const PRIVATE: u32 = 0o600;

/// Where a certificate and its key are kept.
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// A machine, as far as its certificates depend on it.
pub(crate) struct Holder<'a> {
    pub(crate) name: &'a MachineName,
    pub(crate) dir: &'a Path,
    pub(crate) auth: &'a AuthOptions,
    /// The host names and addresses that its engine is reached by.
    pub(crate) hosts: Vec<String>,
}

/// Whether a server certificate that still fits is kept or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Kept,
    New,
}

/// Reports a step to the user.
pub(crate) type Report<'a> = &'a (dyn Fn(&str) + Sync);

/// The certificates of one store.
#[derive(Clone)]
pub struct Certs {
    store: Store,
    /// The organization in new certificates.
    user: String,
}

impl Certs {
    pub fn new(store: Store, user: String) -> Self {
        Self { store, user }
    }

    /// Creates the CA and the client certificate unless they exist. Only one of several processes creates them.
    pub(crate) async fn ensure_client(&self, auth: &AuthOptions, report: Report<'_>) -> Result<(), Failure> {
        if !self.renewal_pending(auth) && self.client_is_sound(auth)? {
            return Ok(());
        }
        let _lock = self.store.certs_lock(CERTS_WAIT).await?;
        self.finish_renewal(auth)?;
        let ca = self.ensure_ca(auth, report)?;
        let files = self.client_files(auth);
        if read_pair(&files)?.is_some_and(|pair| pki::fits(&pair, &ca.cert, &[], Timestamp::now()).is_ok()) {
            return Ok(());
        }
        report(&format!("Creating client certificate: {}", files.cert.display()));
        let pair = pki::client(&ca, &format!("{}.<bootstrap>", self.user), Timestamp::now())?;
        self.write_pair(&files, &pair)
    }

    fn client_is_sound(&self, auth: &AuthOptions) -> Result<bool, Failure> {
        let ca = read(&self.ca_files(auth).cert)?;
        let client = read_pair(&self.client_files(auth))?;
        let (Some(ca), Some(client)) = (ca, client) else { return Ok(false) };
        Ok(pki::fits(&client, &ca, &[], Timestamp::now()).is_ok())
    }

    /// A CA that can still sign is never replaced, because every machine depends on it.
    fn ensure_ca(&self, auth: &AuthOptions, report: Report<'_>) -> Result<Pair, Failure> {
        let files = self.ca_files(auth);
        match read_pair(&files)? {
            Some(pair) => match pki::ca_usable(&pair, Timestamp::now()) {
                Ok(()) => return Ok(pair),
                Err(Misfit::Expired(_)) => {
                    report("CA certificate is outdated and needs to be regenerated");
                }
                Err(misfit) => return Err(unusable(&files, &misfit.to_string())),
            },
            None if files.cert.exists() => return Err(unusable(&files, "its key is missing")),
            None => {}
        }
        report(&format!("Creating CA: {}", files.cert.display()));
        let pair = pki::new_ca(&self.user, Timestamp::now())?;
        self.write_pair(&files, &pair)?;
        Ok(pair)
    }

    /// Returns the certificates of a machine's engine, and creates the server certificate where it does not fit.
    pub(crate) fn server_tls(&self, holder: &Holder<'_>, server: Server) -> Result<Tls, Failure> {
        let ca_files = self.ca_files(holder.auth);
        let Some(ca_cert) = read(&ca_files.cert)? else {
            return Err(unusable(&ca_files, "it is missing"));
        };
        let names = server_names(holder);
        let files = server_files(holder.dir);
        let now = Timestamp::now();
        let fits = |pair: &Pair| server == Server::Kept && pki::fits(pair, &ca_cert, &names, now).is_ok();
        let kept = read_pair(&files)?.filter(fits);
        let pair = match kept {
            Some(pair) => pair,
            None => {
                let ca = read_pair(&ca_files)?.ok_or_else(|| unusable(&ca_files, "its key is missing"))?;
                let organization = format!("{}.{}", self.user, holder.name);
                let pair = pki::server(&ca, &organization, &names, false, now)?;
                self.write_pair(&files, &pair)?;
                pair
            }
        };
        Ok(Tls { ca: ca_cert, cert: pair.cert, key: pair.key })
    }

    /// Clients look for the CA and the client's pair in the machine's own folder.
    pub(crate) fn copy_client(&self, holder: &Holder<'_>) -> Result<(), Failure> {
        let client = self.client_files(holder.auth);
        for (from, to, mode) in [
            (self.ca_files(holder.auth).cert, "ca.pem", PUBLIC),
            (client.cert, "cert.pem", PUBLIC),
            (client.key, "key.pem", PRIVATE),
        ] {
            let Some(text) = read(&from)? else { continue };
            let to = holder.dir.join(to);
            if read(&to)?.as_deref() != Some(&text) {
                self.store.write_file(&to, text.as_bytes(), mode)?;
            }
        }
        Ok(())
    }

    /// Reads the client certificate and the CA that a client of a machine's engine uses.
    pub(crate) fn client_tls(&self, holder: &Holder<'_>) -> Result<TlsFiles, Failure> {
        let auth = holder.auth;
        let client = self.client_files(auth);
        let need = |path: &Path| {
            read(path)?.ok_or_else(|| {
                Failure::new(format!("open {}: no such file or directory", path.display()))
                    .hint(format!("create it again with: rmachine provision {}", holder.name))
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

fn server_files(dir: &Path) -> Files {
    Files { cert: dir.join("server.pem"), key: dir.join("server-key.pem") }
}

/// The names in a server certificate, in docker-machine's order, and last the machine's own name.
fn server_names(holder: &Holder<'_>) -> Vec<String> {
    let mut names = holder.auth.server_cert_sans.clone().unwrap_or_default();
    names.extend(holder.hosts.iter().cloned());
    names.push("localhost".to_owned());
    names.push(holder.name.to_string());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|n| seen.insert(n.clone()));
    names
}

pub(crate) fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::new(format!("open {}: {e}", path.display()))),
    }
}

/// Reads a certificate and its key; nothing unless both exist.
fn read_pair(files: &Files) -> Result<Option<Pair>, Failure> {
    let (cert, key) = (read(&files.cert)?, read(&files.key)?);
    Ok(cert.zip(key).map(|(cert, key)| Pair { cert, key: SecretString::from(key) }))
}

fn unusable(files: &Files, reason: &str) -> Failure {
    Failure::new(format!("the CA {} cannot sign certificates: {reason}", files.cert.display())).hint(format!(
        "bring back {}; or move {} away to have a new CA made, which cuts off every machine until it is provisioned \
         again",
        files.key.display(),
        files.cert.display()
    ))
}
