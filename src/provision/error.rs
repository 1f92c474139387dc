use rmachine_driver::MachineName;

use crate::provision::packages;
use crate::provision::progress::Failure;
use crate::provision::version::EngineVersion;
use crate::ssh::SshError;

/// Why a host is not what it should be. Each says in one sentence what is wrong; [`Self::left_behind`] says in which
/// state the host is, [`Self::log`] what the host's own programs said, [`Self::hints`] what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProvisionError {
    #[error("the host did not say what it is; it answered {0:?}")]
    NoFacts(String),
    #[error(
        "rmachine does not support the package manager of {os} (found on the host: {found}); supported: {}",
        packages::SUPPORTED
    )]
    UnknownPackages { os: String, found: String },
    #[error(
        "rmachine does not support the service manager of {os} (found on the host: {found}); supported: {supported}"
    )]
    UnknownService { os: String, found: String, supported: String },
    #[error("{user} is not root on the host, and sudo says: {says}")]
    SudoRefused { user: String, says: String },
    #[error("{0} is not root on the host, and there is no sudo")]
    NoSudo(String),
    #[error("the host has no Docker engine, and none is to be installed (--engine-install none)")]
    NoEngine,
    #[error("the host's Docker engine is a snap, which keeps its configuration to itself")]
    Snap,
    #[error("the host has {program}, but no {definition} that starts it")]
    NoService { program: String, definition: &'static str },
    #[error("{path} starts the engine with {flags}, which daemon.json is to say")]
    Clash { path: String, flags: String },
    #[error(transparent)]
    Options(#[from] crate::engine::options::OptionError),
    #[error("engine version {wanted} is not to be had; the distribution offers {offered}")]
    VersionNotOffered { wanted: String, offered: String },
    #[error("the installation put engine {found} there, and {wanted} was asked for")]
    WrongVersion { wanted: String, found: String },
    #[error("the engine's installer could not be downloaded from {0}")]
    Download(String),
    #[error("the engine's installer {url} failed")]
    Installer { url: String, log: Vec<String> },
    #[error("the installation ended, but {detail}")]
    NothingInstalled { detail: String, log: Vec<String> },
    #[error("installing {packages} failed")]
    Packages { packages: String, log: Vec<String> },
    #[error("the host cannot reach {0}")]
    Network(String),
    #[error("the disk of the host is full at {0}")]
    DiskFull(String),
    #[error("another program on the host is still installing packages: {0}")]
    PackagesBusy(String),
    #[error("cloud-init did not end within {0} seconds")]
    CloudInit(String),
    #[error("another provisioning of the host did not end within {0} seconds")]
    Busy(String),
    #[error("the configuration of the engine is being changed by somebody else")]
    Stale,
    #[error("the engine refuses this configuration")]
    Rejected { log: Vec<String> },
    #[error("the engine did not come up with the new configuration")]
    RolledBack { log: Vec<String> },
    #[error("the engine came up neither with the new configuration nor with the old one")]
    EngineDown { log: Vec<String> },
    #[error("the engine does not come up")]
    NotUp { log: Vec<String> },
    #[error("the work on the host ended early{}", if .log.is_empty() { "" } else { "; its last words are below" })]
    Interrupted { log: Vec<String> },
    /// The sentence says what runs now.
    #[error("{detail}")]
    Upgrade { detail: String, log: Vec<String> },
    #[error("{detail}")]
    Failed { detail: String, log: Vec<String> },
    #[error("cannot render a script for the host: {0}")]
    Template(#[from] minijinja::Error),
    #[error(transparent)]
    Ssh(Box<SshError>),
}

impl From<SshError> for ProvisionError {
    fn from(error: SshError) -> Self {
        Self::Ssh(Box::new(error))
    }
}

impl ProvisionError {
    pub(super) fn no_facts(answer: &str) -> Self {
        let end: String = answer.trim().chars().rev().take(200).collect();
        Self::NoFacts(end.chars().rev().collect())
    }

    /// From what a script said last.
    pub(super) fn from_script(failure: Failure, version: Option<&EngineVersion>) -> Self {
        let Failure { code, detail, log, said } = failure;
        match code.as_str() {
            "stale" => Self::Stale,
            "busy" => Self::Busy(detail),
            "packages-busy" => Self::PackagesBusy(detail),
            "cloud-init" => Self::CloudInit(detail),
            "disk-full" => Self::DiskFull(detail),
            "network" => Self::Network(detail),
            "download" => Self::Download(detail),
            "installer" => Self::Installer { url: detail, log: said },
            "packages" => Self::Packages { packages: detail, log: said },
            "no-engine" => Self::NothingInstalled { detail, log: said },
            "version" => {
                let wanted = version.map(ToString::to_string).unwrap_or_default();
                Self::VersionNotOffered { wanted, offered: detail }
            }
            "rejected" => Self::Rejected { log },
            "rolled-back" => Self::RolledBack { log },
            "engine-down" => Self::EngineDown { log },
            "not-up" => Self::NotUp { log },
            "upgrade" => Self::Upgrade { detail, log },
            "" => Self::Interrupted { log: said },
            _ => Self::Failed { detail, log: said },
        }
    }

    /// The last lines of what the host's own programs said about it.
    pub(crate) fn log(&self) -> &[String] {
        match self {
            Self::Installer { log, .. }
            | Self::NothingInstalled { log, .. }
            | Self::Packages { log, .. }
            | Self::Rejected { log }
            | Self::RolledBack { log }
            | Self::EngineDown { log }
            | Self::NotUp { log }
            | Self::Interrupted { log }
            | Self::Upgrade { log, .. }
            | Self::Failed { log, .. } => log,
            _ => &[],
        }
    }

    /// The state in which the host is now.
    pub(crate) fn left_behind(&self) -> &'static str {
        match self {
            Self::RolledBack { .. } => "the old configuration is back in force and the engine runs with it",
            Self::EngineDown { .. } => "the old configuration is back in place, but the engine is down",
            Self::NotUp { .. } => "the engine is configured as was wanted, and down",
            Self::Installer { .. } | Self::Packages { .. } | Self::NothingInstalled { .. } => {
                "packages may be partly installed; the engine's configuration was not touched"
            }
            Self::Upgrade { .. } => "",
            Self::WrongVersion { .. } => "the engine is installed with its distribution's configuration",
            Self::Interrupted { .. } | Self::Ssh(_) => {
                "what was begun on the host may go on there; the next provisioning finishes it"
            }
            _ => "the engine and its configuration, if it has any, are as they were",
        }
    }

    /// What helps, beside trying again.
    pub(crate) fn advice(&self, machine: &MachineName) -> Option<String> {
        Some(match self {
            Self::UnknownPackages { .. } | Self::UnknownService { .. } => {
                "use a host that runs Debian or Ubuntu with systemd".to_owned()
            }
            Self::SudoRefused { user, .. } => format!(
                "as root on the host: echo '{user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/90-rmachine; or log in as root"
            ),
            Self::NoSudo(user) => {
                format!("log in as root, or give the host sudo and {user} the right to use it")
            }
            Self::NoEngine => {
                "install Docker on the host, or choose --engine-install script or distro".to_owned()
            }
            Self::Snap => format!("rmachine ssh {machine} sudo snap remove docker"),
            Self::NoService { definition, .. } => {
                format!("remove it, so that rmachine can install a packaged one, or write a {definition}")
            }
            Self::Clash { path, .. } => format!("take the flags out of {path} on the host"),
            Self::VersionNotOffered { .. } => "choose one of these with --engine-version".to_owned(),
            Self::WrongVersion { wanted, .. } => {
                format!("remove the engine from the host and choose an installer of {wanted}")
            }
            Self::Network(url) => {
                format!("see whether the host finds it: rmachine ssh {machine} getent hosts {}", host_of(url))
            }
            Self::Download(_) => "see whether --engine-install-url is right".to_owned(),
            Self::DiskFull(mount) => format!("make room: rmachine ssh {machine} df -h {mount}"),
            Self::EngineDown { .. } => {
                format!("see why: rmachine ssh {machine} sudo journalctl -u docker.service -n 50")
            }
            Self::Rejected { .. } | Self::RolledBack { .. } | Self::NotUp { .. } => {
                "correct the engine options".to_owned()
            }
            _ => return None,
        })
    }
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', ' ']).next().unwrap_or_default()
}
