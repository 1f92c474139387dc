//! When certificates end: the CA's, the client's, those of all engines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rmachine_driver::MachineName;

use crate::certs::{Certs, Holder, read, server_files};
use crate::pki;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateKind {
    Ca,
    Client,
    Server,
}

/// One certificate, and who hangs on it.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) kind: CertificateKind,
    pub(crate) path: PathBuf,
    pub(crate) machines: Vec<MachineName>,
    /// Nothing where it is not there or cannot be read; then the reason.
    pub(crate) ends: Result<Timestamp, String>,
}

impl Certificate {
    /// Within 30 days, or past.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.ends.as_ref().is_ok_and(|ends| ends.duration_since(now) < pki::RENEW_BEFORE)
    }
}

impl Certs {
    /// Lists the certificates of these machines; a CA or client certificate that several machines share, once.
    pub(crate) fn certificates(&self, holders: &[Holder<'_>]) -> Vec<Certificate> {
        let mut shared: BTreeMap<PathBuf, (CertificateKind, Vec<MachineName>)> = BTreeMap::new();
        for (name, kind) in [("ca.pem", CertificateKind::Ca), ("cert.pem", CertificateKind::Client)] {
            let path = self.store.certs_dir().join(name);
            if path.exists() {
                shared.insert(path, (kind, Vec::new()));
            }
        }
        for holder in holders {
            for (path, kind) in [
                (self.ca_files(holder.auth).cert, CertificateKind::Ca),
                (self.client_files(holder.auth).cert, CertificateKind::Client),
            ] {
                shared.entry(path).or_insert((kind, Vec::new())).1.push(holder.name.clone());
            }
        }
        let mut list: Vec<Certificate> =
            shared.into_iter().map(|(path, (kind, machines))| certificate(kind, path, machines)).collect();
        list.retain(|c| c.path.exists() || !c.machines.is_empty());
        list.sort_by_key(|c| c.kind != CertificateKind::Ca);
        list.extend(holders.iter().filter_map(server));
        list
    }

    /// Lists those certificates of one machine that expire within 30 days.
    pub(crate) fn due_certificates(&self, holder: &Holder<'_>, now: Timestamp) -> Vec<Certificate> {
        let mut due = self.certificates(std::slice::from_ref(holder));
        due.retain(|c| c.machines.contains(holder.name) && c.is_due(now));
        due
    }
}

/// The server certificate of a machine; a machine without a host has none.
fn server(holder: &Holder<'_>) -> Option<Certificate> {
    let path = server_files(holder.dir).cert;
    path.exists().then(|| certificate(CertificateKind::Server, path, vec![holder.name.clone()]))
}

fn certificate(kind: CertificateKind, path: PathBuf, machines: Vec<MachineName>) -> Certificate {
    let ends = end(&path);
    Certificate { kind, path, machines, ends }
}

fn end(path: &Path) -> Result<Timestamp, String> {
    let text = read(path).map_err(|e| e.message)?.ok_or_else(|| "it is missing".to_owned())?;
    pki::read(&text).map(|info| info.not_after).map_err(|e| e.to_string())
}
