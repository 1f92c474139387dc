//! How the Docker engine gets onto a host.

use serde::{Deserialize, Serialize};

/// How to install Docker if the host has no engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InstallMethod {
    #[default]
    Script,
    Distro,
    None,
}
