//! Roles, availability and labels of nodes; tokens, locks and keys of a swarm.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rmachine_driver::MachineName;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::engine::EngineError;
use crate::engine::swarm::{LocalState, Node, Rotate};
use crate::model::{Availability, ClusterName, Failure, Role};
use crate::swarm::{Cluster, Manager, Place, Swarm, lacks_leader};

/// A role is taken on and laid down within seconds; by a node that has just lost sight of its managers, since they changed,
/// when it has found them again, which was seen to take longer than half a minute.
const ROLE_WAIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(150);
/// Somebody else may change the same thing at the same time.
const TRIES: usize = 8;

/// What is to change of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NodeChange {
    Promote,
    Demote,
    Availability(Availability),
    Labels {
        set: Vec<(String, String)>,
        unset: Vec<String>,
    },
    /// For the time of a roll: how the node was is written beside it, for whoever comes after one that was killed.
    Meanwhile(Meanwhile),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    Promoted,
    Demoted,
    Drained,
}

/// A label of nodes that a roll has changed for a while: what they were.
pub(crate) const BEFORE: &str = "rmachine.before";

impl Place {
    /// How a node is when no roll is at work on it, and was before one that was cut short.
    pub(crate) fn of(node: &Node) -> Self {
        let noted =
            node.labels().find(|(key, _)| *key == BEFORE).and_then(|(_, words)| words.split_once(' '));
        let (role, availability) = noted.unwrap_or((node.role(), node.availability()));
        Self {
            role: if role == Role::Manager.as_str() { Role::Manager } else { Role::Worker },
            availability: Availability::read(availability),
            labels: BTreeMap::new(),
        }
    }
}

/// A roll has changed the node, and did not change it back.
pub(crate) fn is_disturbed(node: &Node) -> bool {
    node.labels().any(|(key, _)| key == BEFORE)
}

impl NodeChange {
    fn role(&self) -> Option<Role> {
        match self {
            Self::Promote | Self::Meanwhile(Meanwhile::Promoted) => Some(Role::Manager),
            Self::Demote | Self::Meanwhile(Meanwhile::Demoted) => Some(Role::Worker),
            _ => None,
        }
    }
}

/// What lets a node in, and where it is taken in.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) managers: Vec<String>,
}

impl Swarm {
    /// Changes a node. One that is so already is left alone. With `force` a manager is demoted even where that breaks the
    /// quorum.
    pub(crate) async fn change(
        &self,
        name: &MachineName,
        change: &NodeChange,
        force: bool,
    ) -> Result<(), Failure> {
        let cluster = self.cluster_of(name)?;
        // One after the other: raft bears one change of its members at a time.
        let role = change.role();
        let _turn = match role {
            Some(_) => Some(self.lock_cluster(&cluster.name).await?),
            None => None,
        };
        let mut manager = self.manager_beside(&cluster, name).await?;
        let id = self.node_id(&cluster, name, &mut manager).await?;
        if role == Some(Role::Worker) {
            self.may_demote(name, &id, &mut manager, force).await?;
        }
        self.change_node(&mut manager, &id, change).await?;
        let Some(role) = role else { return Ok(()) };
        self.await_role(&mut manager, &id, role).await?;
        self.record(name, |m| {
            if let Some(m) = m {
                m.role = role;
            }
        })
        .await
    }

    /// Waits until nothing runs on a node any more; the number of tasks that are left, if it takes longer.
    pub(crate) async fn await_empty(&self, name: &MachineName, limit: Duration) -> Result<usize, Failure> {
        let cluster = self.cluster_of(name)?;
        let mut manager = self.manager_beside(&cluster, name).await?;
        let id = self.node_id(&cluster, name, &mut manager).await?;
        Ok(await_empty(&mut manager, &id, limit).await?)
    }

    pub(crate) async fn token(&self, cluster: &Cluster, role: Role, rotate: bool) -> Result<Token, Failure> {
        let mut manager = self.manager(cluster).await?;
        let client = &mut manager.reached.client;
        let mut swarm = client.swarm().await?;
        if rotate {
            let what = match role {
                Role::Manager => Rotate::ManagerToken,
                Role::Worker => Rotate::WorkerToken,
            };
            client.swarm_rotate(&swarm, what).await?;
            swarm = client.swarm().await?;
        }
        let secret = match role {
            Role::Manager => swarm.manager_token,
            Role::Worker => swarm.worker_token,
        };
        let addresses = manager.managers.iter().filter_map(|n| n.manager.as_ref()).map(|m| m.addr.clone());
        Ok(Token { secret, managers: addresses.collect() })
    }

    /// From then on a manager that starts is locked until somebody brings the key, or no longer.
    pub(crate) async fn autolock(&self, cluster: &Cluster, on: bool) -> Result<(), Failure> {
        let mut manager = self.manager(cluster).await?;
        let swarm = manager.reached.client.swarm().await?;
        if swarm.autolock != on {
            manager.reached.client.swarm_autolock(&swarm, on).await?;
        }
        Ok(())
    }

    pub(crate) async fn unlock_key(&self, cluster: &Cluster, rotate: bool) -> Result<SecretString, Failure> {
        let mut manager = self.manager(cluster).await?;
        let client = &mut manager.reached.client;
        let swarm = client.swarm().await?;
        if !swarm.autolock {
            let message =
                format!("the swarm \"{}\" does not lock itself, so that it has no key", cluster.name);
            return Err(
                Failure::new(message).hint(format!("{} swarm lock {}", self.machines.program, cluster.name))
            );
        }
        if rotate {
            client.swarm_rotate(&swarm, Rotate::UnlockKey).await?;
        }
        Ok(client.swarm_unlock_key().await?)
    }

    /// The managers of a cluster that wait for their key.
    pub(crate) async fn locked_managers(&self, cluster: &Cluster) -> Vec<MachineName> {
        let asked = cluster.members.iter().map(async |member| {
            let machine = self.machines.load(&member.machine).ok()?;
            let info = self.engine_of(&machine).await.ok()?.client.node_info().await.ok()?;
            (info.swarm.state == LocalState::Locked).then(|| member.machine.clone())
        });
        futures_util::future::join_all(asked).await.into_iter().flatten().collect()
    }

    /// The key from a manager that is open, if there is one.
    pub(crate) async fn unlock_key_if_reachable(&self, cluster: &Cluster) -> Option<SecretString> {
        let key = self.manager(cluster).await.ok()?.reached.client.swarm_unlock_key().await.ok()?;
        (!key.expose_secret().is_empty()).then_some(key)
    }

    pub(crate) async fn unlock(&self, name: &MachineName, key: &SecretString) -> Result<(), Failure> {
        let machine = self.machines.load(name)?;
        let mut reached = self.engine_of(&machine).await?;
        let unlocked = reached.client.swarm_unlock(key).await;
        unlocked.map_err(|e| Failure::from(e).prefix(&format!("{name} cannot be unlocked: ")))
    }

    /// What a stack that is gone wanted of engines is not wanted any more; where they were told of it, and what.
    pub(crate) async fn forget_stack(
        &self,
        cluster: &ClusterName,
        stack: &str,
    ) -> Result<Vec<(MachineName, Vec<String>)>, Failure> {
        let mut told = Vec::new();
        for member in self.cluster(cluster)?.members {
            if !self.machines.load(&member.machine)?.stored.own.stacks.contains_key(stack) {
                continue;
            }
            let (lock, mut machine) = self.machines.lock_and_load(&member.machine).await?;
            let options = machine.stored.own.stacks.remove(stack).unwrap_or_default();
            self.machines.save(&lock, &machine)?;
            told.push((member.machine, options));
        }
        Ok(told)
    }

    pub(crate) fn cluster_of(&self, name: &MachineName) -> Result<Cluster, Failure> {
        let machine = self.machines.load(name)?;
        let membership = self.needs_membership(&machine)?;
        if !membership.has_joined() {
            let cluster = &membership.cluster;
            return Err(Failure::new(format!(
                "Docker machine \"{name}\" has not joined the swarm \"{cluster}\" yet"
            ))
            .hint(format!("{} swarm join {name} --cluster {cluster}", self.machines.program)));
        }
        self.cluster(&membership.cluster)
    }

    /// Another manager, if there is one: what is asked may take from a node the power to answer.
    pub(crate) async fn manager_beside(
        &self,
        cluster: &Cluster,
        name: &MachineName,
    ) -> Result<Manager, Failure> {
        let others = cluster.without(name);
        if others.joined(Role::Manager).next().is_some()
            && let Ok(manager) = self.manager(&others).await
        {
            return Ok(manager);
        }
        self.manager(cluster).await
    }

    async fn node_id(
        &self,
        cluster: &Cluster,
        name: &MachineName,
        manager: &mut Manager,
    ) -> Result<String, Failure> {
        let id = cluster.node_of(name);
        match manager.node(id).await? {
            Some(_) => Ok(id.to_owned()),
            None => Err(self.forgotten(name, &cluster.name)),
        }
    }

    pub(crate) fn forgotten(&self, name: &MachineName, cluster: &ClusterName) -> Failure {
        Failure::new(format!("the swarm \"{cluster}\" does not know the node {name} any more")).hint(
            format!(
                "`{0} swarm leave --force {name}` forgets it, then `{0} swarm join {name} --cluster {cluster}` brings it in",
                self.machines.program
            ),
        )
    }

    pub(crate) async fn may_demote(
        &self,
        name: &MachineName,
        id: &str,
        manager: &mut Manager,
        force: bool,
    ) -> Result<(), Failure> {
        let found = manager.managers.iter().find(|n| n.id == id && n.manager.is_some());
        let Some(reachable) = found.map(Node::is_reachable_manager) else { return Ok(()) };
        let quorum = manager.quorum();
        // Only the last one leaves others without a swarm.
        let nodes = if quorum.managers <= 1 { manager.nodes().await?.len() } else { quorum.managers };
        let refusal = quorum.refuses_to_lose(reachable, nodes);
        match refusal.filter(|_| !force) {
            None => Ok(()),
            Some(why) => {
                let failure = Failure::new(format!("{name} stays a manager: {why}"))
                    .hint("promote another node first; --force does it all the same");
                Err(Failure { is_refusal: true, ..failure })
            }
        }
    }

    pub(crate) async fn change_node(
        &self,
        manager: &mut Manager,
        id: &str,
        change: &NodeChange,
    ) -> Result<(), Failure> {
        for _ in 1..TRIES {
            let node = manager.reached.client.node(id).await?;
            let spec = changed(&node, change);
            if spec == node.spec {
                return Ok(());
            }
            match manager.reached.client.update_node(&node, &spec).await {
                Err(e) if e.is_out_of_sequence() => {}
                done => return Ok(done?),
            }
        }
        Err(Failure::new("somebody else keeps changing the same node").hint("try again"))
    }

    pub(crate) async fn await_role(
        &self,
        manager: &mut Manager,
        id: &str,
        role: Role,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + ROLE_WAIT;
        loop {
            let node = match manager.reached.client.node(id).await {
                // Who lays down the leader's office leaves the others to elect another one.
                Err(e) if lacks_leader(&e) && Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                node => node?,
            };
            let there = match role {
                Role::Manager => node.is_reachable_manager(),
                Role::Worker => node.manager.is_none(),
            };
            if there {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seconds = ROLE_WAIT.as_secs();
                return Err(Failure::new(format!(
                    "{} is not a {role} after {seconds} s, though the swarm was told so",
                    node.host_name()
                ))
                .hint("`swarm status` shows whether it comes round to it"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

pub(crate) async fn await_empty(
    manager: &mut Manager,
    id: &str,
    limit: Duration,
) -> Result<usize, EngineError> {
    let deadline = Instant::now() + limit;
    loop {
        let left = manager.reached.client.tasks_left(id).await?;
        if left == 0 || Instant::now() > deadline {
            return Ok(left);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn changed(node: &Node, change: &NodeChange) -> Map<String, Value> {
    let mut spec = node.spec.clone();
    let mut put = |key: &str, value: &str| drop(spec.insert(key.to_owned(), Value::from(value)));
    if let Some(role) = change.role() {
        put("Role", role.as_str());
    }
    match change {
        NodeChange::Promote | NodeChange::Demote => {}
        NodeChange::Availability(availability) => {
            put("Availability", availability.as_str());
            if is_disturbed(node) {
                label(&mut spec, &[], &[BEFORE.to_owned()]);
            }
        }
        NodeChange::Labels { set, unset } => label(&mut spec, set, unset),
        NodeChange::Meanwhile(what) => {
            if *what == Meanwhile::Drained {
                put("Availability", Availability::Drain.as_str());
            }
            let Place { role, availability, .. } = Place::of(node);
            let before = format!("{role} {}", availability.as_str());
            label(&mut spec, &[(BEFORE.to_owned(), before)], &[]);
        }
    }
    spec
}

fn label(spec: &mut Map<String, Value>, set: &[(String, String)], unset: &[String]) {
    if let Value::Object(labels) = spec.entry("Labels").or_insert_with(|| json!({})) {
        labels.retain(|key, _| !unset.contains(key));
        labels.extend(set.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_the_rest() {
        let node: Node = serde_json::from_value(json!({
            "ID": "n", "Spec": {"Name": "x", "Role": "worker", "Availability": "active", "Labels": {"a": "1", "b": "2"}},
        }))
        .unwrap();
        let after = |change| Value::Object(changed(&node, &change));
        assert_eq!(after(NodeChange::Promote)["Role"], "manager");
        assert_eq!(after(NodeChange::Promote)["Name"], "x");
        assert_eq!(after(NodeChange::Availability(Availability::Drain))["Availability"], "drain");
        let labels = NodeChange::Labels {
            set: vec![("c".into(), "3".into()), ("a".into(), "9".into())],
            unset: vec!["b".into()],
        };
        assert_eq!(after(labels)["Labels"], json!({"a": "9", "c": "3"}));
        assert_eq!(changed(&node, &NodeChange::Demote), node.spec, "nothing to change");
    }
    #[test]
    fn what_a_roll_has_changed_is_known_until_it_is_changed_back() {
        let read = |spec: Map<String, Value>| -> Node {
            serde_json::from_value(json!({"ID": "n", "Spec": spec})).unwrap()
        };
        let spec = json!({"Role": "manager", "Availability": "pause", "Labels": {"a": "1"}});
        let node: Node = serde_json::from_value(json!({"ID": "n", "Spec": spec})).unwrap();
        let before =
            Place { role: Role::Manager, availability: Availability::Pause, labels: BTreeMap::new() };
        let drained = read(changed(&node, &NodeChange::Meanwhile(Meanwhile::Drained)));
        assert_eq!((drained.availability(), Place::of(&drained)), ("drain", before.clone()));
        let demoted = read(changed(&drained, &NodeChange::Meanwhile(Meanwhile::Demoted)));
        assert_eq!((demoted.role(), Place::of(&demoted)), ("worker", before.clone()));
        let promoted = read(changed(&demoted, &NodeChange::Promote));
        assert!(is_disturbed(&promoted), "it still takes no tasks");
        let whole = read(changed(&promoted, &NodeChange::Availability(before.availability)));
        assert_eq!((whole.spec.clone(), Place::of(&whole)), (node.spec, before));
    }
}
