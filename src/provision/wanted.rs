//! What a host is to become, as its caller asks for it.

use rmachine_driver::MachineName;
use rmachine_driver::secrecy::SecretString;

use crate::engine::options::EngineSettings;
use crate::provision::version::EngineVersion;

/// What a host shall be.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) machine: MachineName,
    pub(crate) engine: EngineSettings,
    /// What the engine may have been told before: it is taken back where it is not wanted any more.
    pub(crate) told: Vec<EngineSettings>,
    pub(crate) engine_port: u16,
    pub(crate) install: InstallMethod,
    pub(crate) engine_version: Option<EngineVersion>,
    /// Whether the host is to bear the machine's name.
    pub(crate) set_hostname: bool,
    pub(crate) tls: Tls,
}

/// The PEM files of a host.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) ca: String,
    pub(crate) cert: String,
    pub(crate) key: SecretString,
}

/// Where an engine comes from if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InstallMethod {
    Script { url: String },
    Distro,
    None,
}

impl Wanted {
    /// Whether the version of an engine that is there makes a difference.
    pub(crate) fn asks_version(&self) -> bool {
        self.engine_version.is_some() || self.engine.wants_some_version()
    }
}
