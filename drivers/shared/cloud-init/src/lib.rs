//! The user-data of a first boot: who may log in, by which host key the machine is known, what it is called; and the
//! user's own user-data beside that.
//!
//! Pure text in, text out. Values are data: the cloud-config is JSON in ASCII, which is YAML.

mod config;
mod mime;

use rmachine_driver::HostKeyPair;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

/// What a machine is to know when it boots for the first time.
#[derive(Debug, Clone, Copy)]
pub struct FirstBoot<'a> {
    /// The account that the core logs in as; it may become root without a password.
    pub login: &'a str,
    /// One line in OpenSSH's form.
    pub public_key: Option<&'a str>,
    pub host_key: Option<HostKeyPair<'a>>,
    pub host_name: Option<&'a str>,
    /// The user's own user-data, in any form that cloud-init takes.
    pub own: Option<&'a [u8]>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    #[error("the user-data are {bytes} bytes with what rmachine adds, and no more than {limit} are taken")]
    TooLong { bytes: usize, limit: usize },
    #[error("the user-data are no text")]
    NotText,
    #[error(
        "the user-data begin with {0:?}, which is nothing that cloud-init knows: it takes #cloud-config, a script that \
         begins with #!, or a MIME message"
    )]
    Unknown(String),
    #[error("{0:?} cannot be the name of a login")]
    Login(String),
}

/// The whole text. `limit` is the provider's, in bytes.
pub fn user_data(boot: &FirstBoot<'_>, limit: usize) -> Result<SecretString, UserDataError> {
    let text = match boot.own.filter(|own| !own.is_empty()) {
        Some(own) => mime::merged(own, &config::appended(boot)?, &config::ours(boot)?)?,
        None => config::whole(boot)?,
    };
    let bytes = text.expose_secret().len();
    if bytes > limit {
        return Err(UserDataError::TooLong { bytes, limit });
    }
    Ok(text)
}

/// What can be said against the user's own user-data before anything is made.
pub fn check_own(own: &[u8], limit: usize) -> Result<(), UserDataError> {
    if own.len() > limit {
        return Err(UserDataError::TooLong { bytes: own.len(), limit });
    }
    if own.is_empty() { Ok(()) } else { mime::kind(own).map(drop) }
}

#[cfg(test)]
mod tests;
