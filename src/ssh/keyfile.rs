//! Private key files: read, checked, unlocked.

use std::io;
use std::path::{Path, PathBuf};

use rmachine_driver::secrecy::ExposeSecret;
use russh::keys::ssh_key::PublicKey;
use russh::keys::{Error as KeyError, PrivateKey, decode_secret_key};

use crate::ssh::{Prompter, SshError};

const PASSPHRASE_TRIES: usize = 3;

#[derive(Debug)]
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    /// Not known for a locked key in one of the older formats without a `.pub` beside it.
    pub(super) public: Option<PublicKey>,
    pub(super) secret: Secret,
}

pub(super) enum Secret {
    Open(Box<PrivateKey>),
    /// The file as it is, behind a passphrase.
    Locked(String),
    /// The private half is somewhere else: in the agent, one hopes.
    Elsewhere,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open(_) => "Open",
            Self::Locked(_) => "Locked",
            Self::Elsewhere => "Elsewhere",
        })
    }
}

impl KeyFile {
    pub(super) fn read(path: &Path) -> Result<Self, SshError> {
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Self::of_public_half(path),
            Err(source) => return Err(SshError::KeyUnreadable { path, source }),
        };
        if let Ok(public) = PublicKey::from_openssh(text.trim()) {
            return Ok(Self { path, public: Some(public), secret: Secret::Elsewhere });
        }
        check_mode(&path)?;
        match decode_secret_key(&text, None) {
            Ok(key) => {
                Ok(Self { public: Some(key.public_key().clone()), secret: Secret::Open(Box::new(key)), path })
            }
            Err(_) if is_locked(&text) => {
                Ok(Self { public: public_of_locked(&path, &text), secret: Secret::Locked(text), path })
            }
            Err(e) => Err(malformed(path, e)),
        }
    }

    /// A missing key whose `.pub` is there may live in the agent.
    fn of_public_half(path: PathBuf) -> Result<Self, SshError> {
        match beside(&path) {
            Some(public) => Ok(Self { path, public: Some(public), secret: Secret::Elsewhere }),
            None => Err(SshError::KeyMissing { path }),
        }
    }
}

/// Whether a file is a key at all: its mode does not count, nor whether it is locked.
pub(crate) fn check_key(path: &Path) -> Result<(), SshError> {
    let unreadable = |source| SshError::KeyUnreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    if PublicKey::from_openssh(text.trim()).is_ok() || is_locked(&text) {
        return Ok(());
    }
    decode_secret_key(&text, None).map(drop).map_err(|e| malformed(path.to_owned(), e))
}

/// Opens a locked key with what the user types.
pub(super) fn unlock(path: &Path, text: &str, prompter: &dyn Prompter) -> Result<PrivateKey, SshError> {
    for _ in 0..PASSPHRASE_TRIES {
        let Some(passphrase) = prompter.passphrase(path) else {
            return Err(SshError::PassphraseNeeded { path: path.to_owned() });
        };
        match decode_secret_key(text, Some(passphrase.expose_secret())) {
            Ok(key) => return Ok(key),
            Err(e) => tracing::debug!(path = %path.display(), error = %e, "the key did not open"),
        }
    }
    Err(SshError::WrongPassphrase { path: path.to_owned() })
}

fn malformed(path: PathBuf, error: KeyError) -> SshError {
    let source = match error {
        KeyError::CouldNotReadKey => "it has none of the known formats".into(),
        other => other.into(),
    };
    SshError::KeyMalformed { path, source }
}

fn is_locked(text: &str) -> bool {
    let old =
        text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED");
    old || PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
}

fn public_of_locked(path: &Path, text: &str) -> Option<PublicKey> {
    PrivateKey::from_openssh(text).ok().map(|key| key.public_key().clone()).or_else(|| beside(path))
}

fn beside(path: &Path) -> Option<PublicKey> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let text = std::fs::read_to_string(name).ok()?;
    PublicKey::from_openssh(text.trim()).ok()
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), SshError> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(path)
        .map_err(|source| SshError::KeyUnreadable { path: path.to_owned(), source })?;
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SshError::KeyTooOpen { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_path: &Path) -> Result<(), SshError> {
    Ok(())
}
