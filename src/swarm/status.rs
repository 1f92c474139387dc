//! How a swarm stands: from the first manager that answers; where none can speak for all, from what each says of itself.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use rmachine_driver::MachineName;

use crate::engine::swarm::{Node, Task};
use crate::model::{ClusterName, Failure, Role};
use crate::swarm::rules::status::Absent;
use crate::swarm::rules::{NodeRow, Quorum, SwarmStatus};
use crate::swarm::{Cluster, Manager, NoManager, Swarm};

/// Managers that have just lost their leader elect another within seconds.
const ELECTION: Duration = Duration::from_millis(300);

impl Swarm {
    /// Asks every manager at once and waits no longer than this.
    pub(crate) async fn status(&self, name: &ClusterName, limit: Duration) -> Result<SwarmStatus, Failure> {
        let cluster = self.cluster(name)?;
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = tokio::time::timeout(left, self.ask_of_all(&cluster)).await;
            match asked {
                Ok(Ok((manager, nodes))) => return Ok(self.status_by(&cluster, manager, &nodes).await),
                Ok(Err(failed)) if electing(&failed) && Instant::now() + ELECTION < deadline => {
                    tokio::time::sleep(ELECTION).await;
                }
                Ok(Err(failed)) => return Ok(unanswered(&cluster, &failed)),
                Err(_) => return Ok(self.late(&cluster, limit)),
            }
        }
    }

    /// The machines whose nodes bear this label.
    pub(crate) async fn labelled_status(
        &self,
        cluster: &Cluster,
        key: &str,
        value: &str,
    ) -> Result<Vec<MachineName>, Failure> {
        let nodes = self.manager(cluster).await?.nodes().await?;
        let labelled = nodes.iter().filter(|n| n.labels().any(|l| l == (key, value)));
        Ok(labelled.filter_map(|n| cluster.machine_of(n)).cloned().collect())
    }

    async fn ask_of_all(&self, cluster: &Cluster) -> Result<(Manager, Vec<Node>), Vec<NoManager>> {
        let mut manager = self.ask_all(cluster).await?;
        match manager.nodes().await {
            Ok(nodes) => Ok((manager, nodes)),
            Err(e) => Err(vec![manager.falls_silent(&e)]),
        }
    }

    async fn status_by(&self, cluster: &Cluster, mut manager: Manager, nodes: &[Node]) -> SwarmStatus {
        // Without them it is still a status.
        let tasks = manager.reached.client.tasks(None).await.unwrap_or_default();
        let mut status =
            SwarmStatus::new(cluster.name.as_str(), Some(manager.machine.to_string()), manager.quorum());
        status.nodes = nodes.iter().map(|n| row(cluster, n, &tasks)).collect();
        status.nodes.sort_by(|a, b| (&a.role, &a.name).cmp(&(&b.role, &b.name)));
        let known: HashSet<&str> = nodes.iter().map(|n| n.id.as_str()).collect();
        let absent = cluster.members.iter().filter_map(|m| {
            let member = &m.membership;
            let reason = match &member.node {
                Some(id) if known.contains(id.as_str()) => return None,
                Some(_) => "the swarm does not know it any more".to_owned(),
                None => "it has not joined yet".to_owned(),
            };
            Some(Absent { name: m.machine.to_string(), role: member.role.to_string(), reason })
        });
        status.absent = absent.collect();
        status.advice.extend(self.node_advice(&status));
        status
    }

    fn node_advice(&self, status: &SwarmStatus) -> Vec<String> {
        let program = &self.machines.program;
        let down = status.nodes.iter().filter(|n| n.state != "ready").map(|n| {
            let name = &n.name;
            format!("{name} is {}: `{program} start {name}` if it is only stopped, `{program} swarm rm-node {name}` if it is gone", n.state)
        });
        let absent = status.absent.iter().map(|a| {
            let (name, cluster) = (&a.name, &status.cluster);
            format!("{name}: `{program} swarm join {name} --cluster {cluster}` brings it in")
        });
        down.chain(absent).collect()
    }

    fn late(&self, cluster: &Cluster, limit: Duration) -> SwarmStatus {
        let mut status = unanswered(cluster, &[]);
        let reason = format!("no answer within {} s", limit.as_secs_f32());
        status
            .absent
            .iter_mut()
            .filter(|a| a.role == Role::Manager.as_str())
            .for_each(|a| a.reason.clone_from(&reason));
        status
    }
}

/// Enough managers answer, and have not agreed on a leader yet.
fn electing(failed: &[NoManager]) -> bool {
    let alive = failed.iter().filter(|f| f.lacks_leader).count();
    let known = failed.iter().map(|f| f.known).max().unwrap_or_default();
    Quorum::new(known.max(1), alive).holds()
}

fn row(cluster: &Cluster, node: &Node, tasks: &[Task]) -> NodeRow {
    let machine = cluster.machine_of(node);
    let labels: BTreeMap<String, String> = node.labels().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    NodeRow {
        name: machine.map_or(node.host_name().to_owned(), ToString::to_string),
        machine: machine.is_some(),
        id: node.id.clone(),
        role: node.role().to_owned(),
        leader: node.is_leader(),
        reachability: node.manager.as_ref().map(|m| m.reachability.clone()),
        state: node.state().to_owned(),
        availability: node.availability().to_owned(),
        engine: node.engine().to_owned(),
        address: node.address().to_owned(),
        tasks: tasks.iter().filter(|t| t.node == node.id && t.state() == "running").count(),
        labels,
    }
}

/// What the store knows, and what each manager said of itself.
fn unanswered(cluster: &Cluster, failed: &[NoManager]) -> SwarmStatus {
    let recorded = cluster.joined(Role::Manager).count();
    let known = failed.iter().map(|f| f.known).max().unwrap_or_default();
    let alive = failed.iter().filter(|f| f.lacks_leader).count();
    let mut status = SwarmStatus::new(cluster.name.as_str(), None, Quorum::new(known.max(recorded), alive));
    if failed.iter().any(|f| f.locked) {
        status.advice.insert(0, format!("managers are locked: `swarm unlock {}` opens them", cluster.name));
    }
    status.absent = cluster
        .members
        .iter()
        .map(|m| {
            let said = failed.iter().find(|f| f.machine == m.machine).map(|f| f.reason.clone());
            let unknown = if m.membership.has_joined() {
                "not known while no manager decides"
            } else {
                "it has not joined yet"
            };
            Absent {
                name: m.machine.to_string(),
                role: m.membership.role.to_string(),
                reason: said.unwrap_or_else(|| unknown.to_owned()),
            }
        })
        .collect();
    status
}
