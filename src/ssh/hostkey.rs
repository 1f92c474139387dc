//! Which host keys are trusted, and the check itself, made before anything is told to the host.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmachine_driver::{Cause, describe_error};
use russh::client::{DisconnectReason, Session};
use russh::keys::ssh_key::PublicKey;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKeyOrCertificate, known_hosts};
use russh::{Preferred, client};

use crate::ssh::SshError;

/// How the host has to prove that it is the one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostKeyPolicy {
    /// OpenSSH public key lines: one of these keys and no other.
    Pinned(Vec<String>),
    /// `SHA256:...`: whichever of the host's keys has this fingerprint.
    Fingerprint(String),
    /// Whatever the host shows; the caller records it.
    TrustFirst,
}

/// A policy in parsed form.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    OneOf(Vec<PublicKey>),
    Fingerprint(String),
    Anyone,
}

/// The `SHA256:...` of an OpenSSH public key line.
pub(crate) fn fingerprint(openssh_public_key: &str) -> Result<String, SshError> {
    parse(openssh_public_key).map(|key| sha256(&key))
}

/// Whether two lines name the same key, whatever their comments.
pub(crate) fn same_key(one: &str, other: &str) -> bool {
    matches!((parse(one), parse(other)), (Ok(one), Ok(other)) if one.key_data() == other.key_data())
}

pub(super) fn sha256(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn parse(line: &str) -> Result<PublicKey, SshError> {
    PublicKey::from_openssh(line.trim()).map_err(|e| bad(line, e))
}

fn bad(text: &str, source: impl Into<Cause>) -> SshError {
    SshError::BadHostKey { text: text.to_owned(), source: source.into() }
}

impl Trust {
    pub(super) fn from_policy(policy: &HostKeyPolicy) -> Result<Self, SshError> {
        Ok(match policy {
            HostKeyPolicy::Pinned(lines) => {
                Self::OneOf(lines.iter().map(|line| parse(line)).collect::<Result<_, _>>()?)
            }
            HostKeyPolicy::TrustFirst => Self::Anyone,
            HostKeyPolicy::Fingerprint(text) => {
                let digest = text.strip_prefix("SHA256:").map(|digest| digest.trim_end_matches('='));
                match digest {
                    // 32 bytes in base64 without padding
                    Some(digest) if digest.len() == 43 => Self::Fingerprint(format!("SHA256:{digest}")),
                    _ => {
                        return Err(bad(
                            text,
                            "a fingerprint looks like SHA256: and 43 characters of base64",
                        ));
                    }
                }
            }
        })
    }

    fn accepts(&self, key: &PublicKey) -> bool {
        match self {
            Self::OneOf(keys) => keys.iter().any(|known| known.key_data() == key.key_data()),
            Self::Fingerprint(fingerprint) => *fingerprint == sha256(key),
            Self::Anyone => true,
        }
    }

    pub(super) fn expected(&self) -> String {
        match self {
            Self::OneOf(keys) => keys.iter().map(sha256).collect::<Vec<_>>().join(" or "),
            Self::Fingerprint(fingerprint) => fingerprint.clone(),
            Self::Anyone => "any key".to_owned(),
        }
    }

    /// The orders of host key algorithms to try, each on a connection of its own: a host with several keys shows the
    /// one of the first type that it has, and a fingerprint does not tell its type.
    pub(super) fn orders(&self) -> Vec<Vec<Algorithm>> {
        match self {
            Self::OneOf(keys) => vec![order(&keys.iter().map(PublicKey::algorithm).collect::<Vec<_>>())],
            Self::Anyone => vec![order(&[])],
            Self::Fingerprint(_) => {
                let ecdsa = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };
                vec![order(&[]), order(&[ecdsa]), order(&[Algorithm::Rsa { hash: None }])]
            }
        }
    }
}

/// All algorithms but SHA-1, those of the `first` types first.
fn order(first: &[Algorithm]) -> Vec<Algorithm> {
    let type_of = |a: &Algorithm| match a {
        Algorithm::Rsa { .. } => Algorithm::Rsa { hash: None },
        Algorithm::Ecdsa { .. } => Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        other => other.clone(),
    };
    let first: Vec<_> = first.iter().map(type_of).collect();
    let mut all: Vec<_> =
        Preferred::DEFAULT.key.iter().filter(|a| **a != Algorithm::Rsa { hash: None }).cloned().collect();
    all.sort_by_key(|a| !first.contains(&type_of(a)));
    all
}

/// What the user's and the system's `known_hosts` say about a host.
pub(super) fn known(home: Option<&Path>, host: &str, port: u16) -> Result<Trust, SshError> {
    let mut keys = Vec::new();
    for path in known_hosts_files(home) {
        let found = known_hosts::known_host_keys_path(host, port, &path)
            .map_err(|e| SshError::KnownHosts { path: path.clone(), source: e.into() })?;
        keys.extend(found.into_iter().map(|(_line, key)| key));
    }
    Ok(Trust::OneOf(keys))
}

/// The file that marks a key as revoked, for whatever host: russh's own reading passes over such lines.
pub(super) fn revoked(home: Option<&Path>, key: &PublicKey) -> Option<PathBuf> {
    let line = key.to_openssh().ok()?;
    let blob = line.split(' ').nth(1)?;
    known_hosts_files(home).into_iter().find(|path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|l| l.starts_with("@revoked") && l.split_whitespace().any(|word| word == blob))
    })
}

fn known_hosts_files(home: Option<&Path>) -> Vec<PathBuf> {
    let own = home.map(|home| home.join(".ssh/known_hosts"));
    own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]).collect()
}

/// What the connection's task noticed, for whoever has to explain it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) host_key: Option<PublicKey>,
    pub(super) banner: String,
    /// Why the connection ended.
    pub(super) ended: Option<String>,
}

/// russh's view of us.
pub(super) struct Client {
    pub(super) trust: Trust,
    pub(super) notes: SharedNotes,
}

#[derive(Debug, Clone, Default)]
pub(super) struct SharedNotes(Arc<Mutex<Notes>>);

impl SharedNotes {
    pub(super) fn get(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let key = key.public_key();
        let accepted = self.trust.accepts(&key);
        self.notes.get().host_key = Some(key);
        Ok(accepted)
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), russh::Error> {
        banner.trim().clone_into(&mut self.notes.get().banner);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let reason = match reason {
            DisconnectReason::ReceivedDisconnect(info) => info.message,
            DisconnectReason::Error(russh::Error::KeepaliveTimeout) => "it stopped answering".to_owned(),
            DisconnectReason::Error(russh::Error::HUP | russh::Error::Disconnect) => "it hung up".to_owned(),
            DisconnectReason::Error(e) => describe_error(&e),
        };
        self.notes.get().ended = Some(reason);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let expected = "SHA256:T7SvZ2cslqpPj6nKzitCBHHlpVF3r3MvLwmFL0fk0IE";
        assert_eq!(fingerprint(&format!("{ED25519} me@here\n")).unwrap(), expected);
        assert!(fingerprint("ssh-ed25519 nonsense").is_err());
    }

    #[test]
    fn a_fingerprint_has_one_form() {
        let of = |text: &str| Trust::from_policy(&HostKeyPolicy::Fingerprint(text.to_owned()));
        assert!(of("SHA256:T7SvZ2cslqpPj6nKzitCBHHlpVF3r3MvLwmFL0fk0IE").is_ok());
        assert!(of("SHA256:T7SvZ2cslqpPj6nKzitCBHHlpVF3r3MvLwmFL0fk0IE=").is_ok());
        for text in ["", "SHA256:", "SHA256:short", "MD5:d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e"] {
            assert!(of(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn the_pinned_type_comes_first_and_sha1_never() {
        let trust = Trust::from_policy(&HostKeyPolicy::Pinned(vec![ED25519.to_owned()])).unwrap();
        assert_eq!(trust.orders()[0][0], Algorithm::Ed25519);
        let rsa = order(&[Algorithm::Rsa { hash: None }]);
        assert_eq!(rsa[0], Algorithm::Rsa { hash: Some(HashAlg::Sha512) });
        assert_eq!(rsa[1], Algorithm::Rsa { hash: Some(HashAlg::Sha256) });
        assert!(!rsa.contains(&Algorithm::Rsa { hash: None }));
    }
}
