//! A cluster as its file wants it: every name, number and option understood.

use std::collections::BTreeMap;
use std::fmt;

use rmachine_driver::{MachineName, Value};

use crate::cluster::read::Place;
use crate::model::{Availability, ClusterName, Role, SwarmSettings};

/// An option that the file gives, and where.
#[derive(Debug, Clone)]
pub struct Given {
    pub(crate) value: Value,
    pub(crate) at: Place,
}

/// Options by the names that `create` has for them.
pub type Options = BTreeMap<String, Given>;

#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: ClusterName,
    pub settings: SwarmSettings,
    pub nodes: Vec<Node>,
    pub networks: Vec<Network>,
    pub stacks: Vec<Stack>,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub name: MachineName,
    pub group: String,
    pub role: Role,
    pub availability: Availability,
    pub labels: BTreeMap<String, String>,
    pub driver: String,
    /// The driver's own options.
    pub options: Options,
    /// Those that every driver has: the engine's, `ttl`, `tls-san`, `ssh-timeout`.
    pub shared: Options,
    /// Its group in the file.
    pub at: Place,
}

/// An overlay network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    pub(crate) name: String,
    pub(crate) attachable: bool,
    pub(crate) internal: bool,
    pub(crate) encrypted: bool,
    pub(crate) subnets: Vec<String>,
    pub(crate) options: BTreeMap<String, String>,
}

/// A stack of `templates/stacks/` or a folder, and what it is told; `cluster up` deploys it once the nodes are there.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// What it is called on the cluster.
    pub(crate) name: String,
    /// A stack of ours or a folder, where the name does not say it.
    pub(crate) from: Option<String>,
    pub(crate) publish: bool,
    pub(crate) parameters: BTreeMap<String, StackParameter>,
    pub(crate) at: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackParameter {
    /// As `stack deploy --set` takes it.
    pub(crate) value: String,
    pub(crate) at: Place,
}

impl Wanted {
    #[cfg(test)]
    pub(crate) fn managers(&self) -> usize {
        self.nodes.iter().filter(|n| n.role == Role::Manager).count()
    }

    pub(crate) fn node(&self, name: &MachineName) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == *name)
    }
}

impl Node {
    /// What its driver was asked for, for the record: a secret's value is nobody's business.
    pub(crate) fn asked(&self) -> BTreeMap<String, String> {
        let shown = self.options.iter().filter_map(|(k, g)| Some((k.clone(), shown(&g.value)?)));
        shown.collect()
    }

    /// What swarm says to a node that joins.
    pub(crate) fn settings(&self, of_all: &SwarmSettings) -> SwarmSettings {
        SwarmSettings { availability: self.availability, ..of_all.clone() }
    }
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::List(list) => Some(list.join(" ")),
        Value::Secret(_) => None,
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
