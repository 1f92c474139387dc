//! The service managers that rmachine uses on hosts. Each has a folder in `templates/provision/service` with the same files,
//! which define the same shell functions; `detect.sh` there says which of them a host has.

mod file;
mod systemd;

pub(crate) use file::ServiceFile;

use serde_json::{Map, Value};

use crate::provision::answer::Answer;
use crate::provision::error::ProvisionError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Systemd,
}

/// The engine as the service manager sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceState {
    pub(crate) active: bool,
    /// On its way up.
    pub(crate) starting: bool,
    /// Starts when the host boots.
    pub(crate) enabled: bool,
    /// In the order in which the service manager reads them, ours among them.
    pub(crate) files: Vec<ServiceFile>,
}

/// What a file of start options is made from.
pub(super) struct StartOptions<'a> {
    pub(super) files: &'a [ServiceFile],
    /// /etc/default/docker
    pub(super) defaults: &'a str,
    /// What daemon.json says, no flag may say too: dockerd would refuse to start.
    pub(super) daemon_json: &'a Map<String, Value>,
    pub(super) env: &'a [(String, String)],
}

impl Service {
    pub(super) const ALL: [Self; 1] = [Self::Systemd];

    /// By the word of `detect.sh`, which is the name of its folder too.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
        }
    }

    /// What an error says is supported.
    pub(super) fn supported() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// What an engine without a service lacks.
    pub(super) fn definition(self) -> &'static str {
        match self {
            Self::Systemd => "systemd unit docker.service",
        }
    }

    /// The file of ours that says how the engine is started.
    pub(super) fn start_options_path(self) -> &'static str {
        match self {
            Self::Systemd => systemd::DROP_IN,
        }
    }

    pub(super) fn start_options_name(self) -> &'static str {
        let path = self.start_options_path();
        path.rsplit_once('/').map_or(path, |(_, name)| name)
    }

    /// Nothing where the host has no such service.
    pub(super) fn state(self, answer: &Answer<'_>) -> Option<ServiceState> {
        match self {
            Self::Systemd => systemd::state(answer),
        }
    }

    /// What starts the engine where the file of ours is not there.
    pub(super) fn start_command(self, files: &[ServiceFile]) -> Result<String, ProvisionError> {
        let command = match self {
            Self::Systemd => systemd::start_command(files),
        };
        command.ok_or_else(|| ProvisionError::NoService {
            program: files.first().map(|file| file.path.clone()).unwrap_or_default(),
            definition: self.definition(),
        })
    }

    /// The text of the file of ours.
    pub(super) fn start_options(self, from: &StartOptions<'_>) -> Result<String, ProvisionError> {
        let command = self.start_command(from.files)?;
        match self {
            Self::Systemd => systemd::drop_in(&command, from),
        }
    }

    /// Its templates by their paths below `templates/provision`.
    pub(super) fn templates(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Systemd => systemd::TEMPLATES,
        }
    }
}
