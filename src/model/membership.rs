//! To which cluster a machine belongs, and what it was told for it. What is true of the node, the swarm is asked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a cluster is called here: part of file names, never empty, hidden or path-like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a cluster: letters, digits, and inside also . - and _ make one")]
pub struct ClusterNameError(String);

const LONGEST: usize = 100;

impl ClusterName {
    pub fn parse(text: &str) -> Result<Self, ClusterNameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if first && text.len() <= LONGEST && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ClusterNameError(text.to_owned()))
        }
    }

    /// The cluster that a classic discovery URL stands for; what cannot be in a name becomes a dash.
    pub(crate) fn of_discovery(url: &str) -> Option<Self> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
        let name: String = rest.chars().map(letter).take(LONGEST).collect();
        Self::parse(name.trim_matches(['-', '.', '_'])).ok()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for ClusterName {
    type Error = ClusterNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Manager,
    Worker,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Worker => "worker",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a node is given tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    #[default]
    Active,
    Pause,
    Drain,
}

impl Availability {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pause => "pause",
            Self::Drain => "drain",
        }
    }

    /// As a swarm says it.
    pub(crate) fn read(word: &str) -> Self {
        match word {
            "drain" => Self::Drain,
            "pause" => Self::Pause,
            _ => Self::Active,
        }
    }
}

/// What a node is told when it founds a swarm or joins one. Kept, so that a join which was cut short goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SwarmSettings {
    /// An address or an interface; chosen where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<String>,
    /// For the overlay networks; of the founder alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) address_pools: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) availability: Availability,
    /// Of the founder alone.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) autolock: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Membership {
    pub(crate) cluster: ClusterName,
    pub(crate) role: Role,
    /// Its id in the swarm; none as long as it has not joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<String>,
    /// Where the swarm knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) settings: SwarmSettings,
}

impl Membership {
    /// Of a machine that has not joined yet.
    pub(crate) fn new(cluster: ClusterName, role: Role, settings: SwarmSettings) -> Self {
        Self { cluster, role, node: None, address: None, settings }
    }

    pub(crate) fn has_joined(&self) -> bool {
        self.node.is_some()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_names_are_safe_in_paths() {
        for good in ["lab", "a", "Lab_1.x-y", "1234"] {
            assert_eq!(ClusterName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ".lab", "-lab", "a/b", "a b", "ä", &"a".repeat(101)] {
            assert!(ClusterName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn discovery_urls_are_clusters() {
        let named = |url| ClusterName::of_discovery(url).map(String::from);
        assert_eq!(named("token://0ac1fe").as_deref(), Some("0ac1fe"));
        assert_eq!(named("consul://10.0.0.5:8500/kv").as_deref(), Some("10.0.0.5-8500-kv"));
        assert_eq!(named("token://"), None);
        assert_eq!(named("nodes://../../etc").as_deref(), Some("etc"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let settings = SwarmSettings { autolock: true, ..SwarmSettings::default() };
        let member = Membership::new(ClusterName::parse("lab").unwrap(), Role::Manager, settings);
        let text = serde_json::to_string(&member).unwrap();
        assert_eq!(text, r#"{"Cluster":"lab","Role":"manager","Settings":{"Autolock":true}}"#);
        assert_eq!(serde_json::from_str::<Membership>(&text).unwrap(), member);
        assert!(serde_json::from_str::<Membership>(r#"{"Cluster":"../x","Role":"worker"}"#).is_err());
    }
}
