//! What can go wrong between here and a host, told in one sentence each.

use std::io;
use std::path::PathBuf;

use rmachine_driver::{Cause, describe_error};

use crate::model::Failure;

/// `at` is `host:port` throughout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SshError {
    #[error("no key could be made: {}", describe_error(source.as_ref()))]
    NoKeyMade { source: Cause },
    #[error("cannot find the address of {host}: {}", describe_error(source))]
    Resolve { host: String, source: io::Error },
    #[error("{at} refused the connection")]
    Refused { at: String },
    #[error("no answer from {at} within {seconds} s")]
    NoAnswer { at: String, seconds: u64 },
    #[error("{at} took the connection, but did not finish the SSH handshake within {seconds} s")]
    Silent { at: String, seconds: u64 },
    #[error("cannot reach {at}: {}", describe_error(source))]
    Unreachable { at: String, source: io::Error },
    #[error("{at} closed the connection before the SSH handshake was done")]
    Closed { at: String },
    #[error("{at} takes no connections at the moment: {said:?}")]
    Busy { at: String, said: String },
    #[error("something answered on {at}, but it does not speak SSH (it said {said:?})")]
    NotSsh { at: String, said: String },
    #[error("the SSH handshake with {at} failed: {}", describe_error(source.as_ref()))]
    Handshake { at: String, source: Cause },

    #[error("the host key of {at} has changed: expected {expected}, but it showed {seen}")]
    HostKeyChanged { at: String, expected: String, seen: String },
    #[error("the host key of the jump host {at} is not in known_hosts: it showed {seen}")]
    JumpHostUnknown { at: String, user: String, seen: String },
    #[error("the host key of {at}, {seen}, is marked as revoked in {path}")]
    HostKeyRevoked { at: String, seen: String, path: PathBuf },
    #[error("{text:?} is not a usable host key: {}", describe_error(source.as_ref()))]
    BadHostKey { text: String, source: Cause },
    #[error("cannot use {path}: {}", describe_error(source.as_ref()))]
    KnownHosts { path: PathBuf, source: Cause },

    #[error("the SSH key {path} does not exist")]
    KeyMissing { path: PathBuf },
    #[error("the SSH key {path} cannot be read: {}", describe_error(source))]
    KeyUnreadable { path: PathBuf, source: io::Error },
    #[error("permissions {mode:04o} for '{path}' are too open")]
    KeyTooOpen { path: PathBuf, mode: u32 },
    #[error("{path} is not a usable SSH private key: {}", describe_error(source.as_ref()))]
    KeyMalformed { path: PathBuf, source: Cause },
    #[error("the SSH key {path} needs a passphrase, and there is nobody to ask for it")]
    PassphraseNeeded { path: PathBuf },
    #[error("wrong passphrase for the SSH key {path}")]
    WrongPassphrase { path: PathBuf },
    #[error("{path} is only a public key, and the SSH agent does not hold its private half{agent}")]
    NotInAgent { path: PathBuf, agent: String },
    #[error("the SSH agent at {path} cannot be reached: {}", describe_error(source.as_ref()))]
    AgentUnreachable { path: PathBuf, source: Cause },
    #[error("there is no SSH key to log in to {at} as {user}{skipped}")]
    NoKey { at: String, user: String, skipped: String },
    #[error("{at} did not let {user} in with {offered}{skipped}{said}")]
    AuthRefused { at: String, user: String, offered: String, skipped: String, said: String, booting: bool },
    #[error("{at} took the key of {user}, but also wants {methods}, which rmachine does not do")]
    MoreAuth { at: String, user: String, methods: String },
    #[error("{at} did not answer the login of {user} within {seconds} s")]
    AuthSilent { at: String, user: String, seconds: u64 },

    #[error("{path}:{line}: {reason}")]
    Config { path: PathBuf, line: usize, reason: String },
    #[error("cannot read {path}: {}", describe_error(source))]
    ConfigUnreadable { path: PathBuf, source: io::Error },
    #[error("~/.ssh/config reaches {host} by ProxyCommand, which rmachine does not run")]
    ProxyCommand { host: String },
    #[error("the jump hosts of {host} lead in a circle or are too many")]
    JumpLoop { host: String },
    #[error("on the way through the jump host {via}: {source}")]
    Jump { via: String, source: Box<SshError> },
    #[error("the jump host {via} cannot reach {at}: {}", describe_error(source.as_ref()))]
    JumpRefused { via: String, at: String, source: Cause, forbidden: bool },

    #[error("the connection to {at} was lost: {reason}")]
    Lost { at: String, reason: String, source: Option<Cause> },
    #[error("{at} refused to {what}: {}", describe_error(source.as_ref()))]
    ChannelRefused { at: String, what: String, source: Cause },
    #[error("{at} ended the command without an exit status")]
    NoExitStatus { at: String },
    #[error("cannot use the local {what}: {}", describe_error(source))]
    Local { what: &'static str, source: io::Error },
    #[error("interrupted by {signal}")]
    Interrupted { signal: &'static str, number: i32 },
}

impl SshError {
    /// Whether trying again later makes sense: the host may still be booting. What was decided (a key refused, a host
    /// key changed, a file missing) stays decided.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::NoAnswer { .. }
            | Self::Silent { .. }
            | Self::Closed { .. }
            | Self::Busy { .. }
            | Self::AuthSilent { .. }
            | Self::Lost { .. } => true,
            Self::Unreachable { source, .. } => source.kind() != io::ErrorKind::NetworkUnreachable,
            Self::AuthRefused { booting, .. } => *booting,
            Self::JumpRefused { forbidden, .. } => !forbidden,
            Self::Jump { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// What helps, as a line to follow or paste.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::JumpHostUnknown { at, user, .. } => {
                let (host, port) = at.rsplit_once(':').unwrap_or((at, "22"));
                format!("ssh -p {port} {user}@{}", host.trim_matches(['[', ']']))
            }
            Self::KeyTooOpen { path, .. } => format!("chmod 600 '{}'", path.display()),
            Self::PassphraseNeeded { path } => format!("ssh-add '{}'", path.display()),
            Self::NoKey { .. } => "make a key with ssh-keygen, name one, or load one with ssh-add".to_owned(),
            Self::AuthRefused { user, .. } => {
                format!(
                    "one of these keys must be in ~{user}/.ssh/authorized_keys on the host; is {user} the right user?"
                )
            }
            Self::ProxyCommand { .. } => "use ProxyJump for this host".to_owned(),
            Self::Jump { source, .. } => return source.hint(),
            _ => return None,
        })
    }
}

impl From<SshError> for Failure {
    fn from(error: SshError) -> Self {
        let hints = error.hint().into_iter().collect();
        Self { hints, ..Self::from_error(error) }
    }
}
