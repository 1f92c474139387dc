//! A swarm as it is shown: to people as a table with advice, to programs as JSON.

use serde::Serialize;

use crate::swarm::rules::Quorum;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NodeRow {
    /// The machine here, or the host's name where it is none of ours.
    pub(crate) name: String,
    /// Whether it is a machine of this store.
    pub(crate) machine: bool,
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) leader: bool,
    /// Of a manager: `reachable`, `unreachable` or `unknown`.
    pub(crate) reachability: Option<String>,
    pub(crate) state: String,
    pub(crate) availability: String,
    pub(crate) engine: String,
    pub(crate) address: String,
    pub(crate) tasks: usize,
    pub(crate) labels: std::collections::BTreeMap<String, String>,
}

/// A machine of the cluster that could not be asked, or is not in the swarm, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Absent {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SwarmStatus {
    pub(crate) cluster: String,
    /// The manager that answered for all; nothing when none can.
    pub(crate) asked: Option<String>,
    pub(crate) managers: usize,
    pub(crate) managers_reachable: usize,
    pub(crate) quorum: bool,
    pub(crate) words: String,
    pub(crate) advice: Vec<String>,
    pub(crate) nodes: Vec<NodeRow>,
    pub(crate) absent: Vec<Absent>,
}

impl SwarmStatus {
    pub(crate) fn new(cluster: &str, asked: Option<String>, quorum: Quorum) -> Self {
        Self {
            cluster: cluster.to_owned(),
            asked,
            managers: quorum.managers,
            managers_reachable: quorum.reachable,
            quorum: quorum.holds(),
            words: quorum.words(),
            advice: quorum.advice().into_iter().collect(),
            nodes: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// Every node is there and takes part.
    #[cfg(test)]
    pub(crate) fn is_whole(&self) -> bool {
        let ready =
            |n: &NodeRow| n.state == "ready" && n.reachability.as_deref().is_none_or(|r| r == "reachable");
        self.quorum && self.absent.is_empty() && self.nodes.iter().all(ready)
    }

    /// Tab-separated, header first.
    pub(crate) fn table(&self) -> String {
        let mut text = "NODE\tROLE\tSTATE\tAVAILABILITY\tENGINE\tADDRESS\tTASKS\tLABELS\n".to_owned();
        for n in &self.nodes {
            let role = match n.reachability.as_deref() {
                _ if n.leader => "leader".to_owned(),
                None | Some("reachable") => n.role.clone(),
                Some(other) => format!("{} ({other})", n.role),
            };
            let labels: Vec<_> = n.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            text.push_str(&format!(
                "{}\t{role}\t{}\t{}\t{}\t{}\t{}\t{}\n",
                n.name,
                n.state,
                n.availability,
                n.engine,
                n.address,
                n.tasks,
                labels.join(",")
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, leader: bool, reachability: Option<&str>) -> NodeRow {
        NodeRow {
            name: name.to_owned(),
            machine: true,
            id: "i".into(),
            role: if reachability.is_some() { "manager" } else { "worker" }.into(),
            leader,
            reachability: reachability.map(str::to_owned),
            state: "ready".into(),
            availability: "active".into(),
            engine: "26.1.5".into(),
            address: "10.0.0.1".into(),
            tasks: 2,
            labels: [("disk".to_owned(), "ssd".to_owned())].into(),
        }
    }

    #[test]
    fn roles_in_the_table() {
        let mut status = SwarmStatus::new("lab", Some("a".into()), Quorum::new(3, 2));
        status.nodes = vec![
            row("a", true, Some("reachable")),
            row("b", false, Some("unreachable")),
            row("c", false, None),
        ];
        assert_eq!(
            status.table(),
            "NODE\tROLE\tSTATE\tAVAILABILITY\tENGINE\tADDRESS\tTASKS\tLABELS\n\
             a\tleader\tready\tactive\t26.1.5\t10.0.0.1\t2\tdisk=ssd\n\
             b\tmanager (unreachable)\tready\tactive\t26.1.5\t10.0.0.1\t2\tdisk=ssd\n\
             c\tworker\tready\tactive\t26.1.5\t10.0.0.1\t2\tdisk=ssd\n"
        );
        assert!(!status.is_whole());
        status.nodes.remove(1);
        assert!(status.is_whole());
    }
}
