//! What a cluster's file said of a machine when it was made of it: what a later file is compared with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a roll still has to do with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Due {
    /// Its engine is installed and configured again.
    Provision,
    /// Its host is restarted.
    Restart,
    /// It leaves the swarm and joins it again, with other addresses.
    Rejoin,
    /// It is removed and made anew.
    Replace,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Declared {
    /// What its driver was asked for; secrets are left out.
    pub(crate) options: BTreeMap<String, String>,
    /// The node labels that come from the file. Others are somebody else's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Due>,
}
