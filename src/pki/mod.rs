//! The CA, client and server certificates, in the shape docker-machine gave them.
//!
//! Names and moments come in, PEM goes out: no file is read or written and no clock is asked. Keys that
//! clients read are RSA 2048 in PKCS#1, which is all that old ones understand; an engine's own is P-256 in PKCS#8. What
//! others made (PKCS#8, SEC1, EC, Ed25519) is understood.

mod issue;
mod judge;
mod pem;
mod read;
#[cfg(test)]
#[cfg(feature = "system-tests")]
mod seen_by_openssl;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

pub use issue::{client, new_ca, server};
pub use judge::{ca_usable, fits};
pub(crate) use read::read;

/// How long every certificate is valid, the CA's included.
pub const VALID: SignedDuration = SignedDuration::from_hours(1080 * 24);

/// How far certificates begin in the past, for hosts whose clock is behind.
pub(crate) const HEAD_START: SignedDuration = SignedDuration::from_mins(5);

/// A client or server certificate with less than this left is issued anew.
pub(crate) const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A certificate and its private key, both PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    pub cert: String,
    pub key: SecretString,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertInfo {
    /// The O of its subject; empty when it has none.
    pub(crate) organization: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// The DNS and IP names it is valid for, in its own order.
    pub(crate) names: Vec<String>,
    pub(crate) is_ca: bool,
    pub(crate) server_auth: bool,
    pub(crate) client_auth: bool,
}

/// Why a pair can not stay in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    #[error("the certificate or its key cannot be read: {0}")]
    Unreadable(String),
    #[error("the key does not belong to the certificate")]
    OtherKey,
    #[error("the certificate was not signed by this CA")]
    OtherCa,
    #[error("the certificate may not sign others")]
    NotACa,
    #[error("the certificate is not valid before {0}")]
    NotYet(Timestamp),
    #[error("the certificate expired at {0}")]
    Expired(Timestamp),
    #[error("the certificate expires soon, at {0}")]
    Ending(Timestamp),
    #[error("the certificate does not cover {}", .0.join(", "))]
    MissingNames(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    #[error("{0:?} cannot be written into a certificate as a name")]
    Name(String),
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    #[error("the private key cannot be read: {0}")]
    Key(String),
    #[error("the key is encrypted with a passphrase; store it decrypted, or have a new CA made")]
    EncryptedKey,
    #[error("a certificate could not be made: {0}")]
    Issue(String),
}

impl From<PkiError> for crate::model::Failure {
    fn from(error: PkiError) -> Self {
        Self::from_error(error)
    }
}
