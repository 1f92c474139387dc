//! One SSH session a host: connect, run, stream, a terminal, forwards.
//!
//! Takes an endpoint and hands back the host key it saw. It writes no files, prints nothing and reads no environment;
//! what it knows of the user comes in an [`SshEnv`]. russh stays behind this door: its API changes every few weeks.

mod agent;
mod auth;
pub(crate) mod config;
mod connect;
mod error;
pub(crate) mod external;
mod hostkey;
mod keyfile;
mod keygen;
mod lines;
mod route;
mod run;
mod session;
mod sftp;
mod terminal;
#[cfg(test)]
#[cfg(feature = "system-tests")]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rmachine_driver::Endpoint;
use rmachine_driver::secrecy::SecretString;

pub(crate) use connect::connect;
pub(crate) use error::SshError;
pub(crate) use hostkey::{HostKeyPolicy, fingerprint, same_key};
pub(crate) use keyfile::check_key;
pub(crate) use keygen::{KeyPair, generate};
pub(crate) use run::{ExitStatus, Output, Stream};
pub(crate) use session::{Forward, Session};
pub(crate) use sftp::{FileInfo, FileKind, RemoteFile, Sftp, SftpError};
pub(crate) use terminal::{Size, Terminal, local_stdin};

/// What SSH may know of the user's surroundings.
#[derive(Debug, Clone, Default)]
pub struct SshEnv {
    pub(crate) home: Option<PathBuf>,
    /// `SSH_AUTH_SOCK`.
    pub(crate) agent_socket: Option<PathBuf>,
    /// Who jump hosts are asked to let in where nothing else says so.
    pub(crate) local_user: Option<String>,
}

/// Asks the user.
pub trait Prompter: Send + Sync {
    /// The passphrase of a key file; `None` when there is nobody to ask.
    fn passphrase(&self, key: &Path) -> Option<SecretString>;
}

/// Nobody is there to be asked.
#[derive(Debug, Clone, Copy)]
#[cfg(test)]
pub(crate) struct Unattended;

#[cfg(test)]
impl Prompter for Unattended {
    fn passphrase(&self, _key: &Path) -> Option<SecretString> {
        None
    }
}

/// What `connect` needs to know.
pub(crate) struct Connect<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// The name to look up in `~/.ssh/config`; the endpoint's host where there is none.
    pub(crate) alias: Option<&'a str>,
    /// Whether `~/.ssh/config` has a say in route and keys: right for hosts that the user named, wrong for a
    /// provider's own addresses.
    pub(crate) use_config: bool,
    pub(crate) policy: HostKeyPolicy,
    /// For each hop: from the first packet to the end of the key exchange.
    pub(crate) connect_timeout: Duration,
    pub(crate) env: &'a SshEnv,
    pub(crate) prompter: &'a dyn Prompter,
}
