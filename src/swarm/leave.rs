//! How a node gets out of its swarm: emptied, demoted, left, removed; and what is done when the swarm or the node cannot
//! be asked.

use std::time::Duration;

use rmachine_driver::MachineName;
use tokio::time::timeout;

use crate::engine::swarm::{LocalState, Node};
use crate::machines::Machine;
use crate::model::{Availability, Failure, Membership, Role, SwarmSettings};
use crate::store::MachineLock;
use crate::swarm::change::{BEFORE, NodeChange, await_empty};
use crate::swarm::{Cluster, Manager, Swarm};

/// How long a service may take to move its tasks before their node goes.
const MOVING: Duration = Duration::from_secs(15);
/// Removing a machine waits no longer than this for its swarm.
const PARTING: Duration = Duration::from_secs(90);

impl Swarm {
    /// Takes a machine out of its swarm. With `force` also where that breaks the quorum, and when no manager answers.
    pub(crate) async fn leave(&self, name: &MachineName, force: bool) -> Result<(), Failure> {
        let (lock, mut machine) = self.machines.lock_and_load(name).await?;
        self.machines.step(name, "Leaving the swarm...");
        let done = self.leave_locked(&lock, &mut machine, None, force).await;
        self.machines.reporter.finish(name, done.is_ok());
        done
    }

    /// Out of its swarm, where it is still in it, and in again by what it is told now; what it was labelled with goes along.
    /// Cut short in between, it is a machine that has not joined yet, and keeps its place.
    pub(crate) async fn rejoin(
        &self,
        name: &MachineName,
        role: Role,
        settings: &SwarmSettings,
    ) -> Result<(), Failure> {
        let set = self.labels_of(name).await?;
        let left = {
            let (lock, mut machine) = self.machines.lock_and_load(name).await?;
            let cluster = self.needs_membership(&machine)?.cluster;
            self.machines.step(name, "Leaving the swarm, to join it anew...");
            let wish = Membership::new(cluster, role, settings.clone());
            self.leave_locked(&lock, &mut machine, Some(wish), false).await
        };
        if left.is_err() {
            self.machines.reporter.finish(name, false);
            return left;
        }
        self.enter(name).await?;
        if set.is_empty() {
            return Ok(());
        }
        self.change(name, &NodeChange::Labels { set, unset: Vec::new() }, false).await
    }

    /// Without those that a roll notes for itself.
    async fn labels_of(&self, name: &MachineName) -> Result<Vec<(String, String)>, Failure> {
        let cluster = self.cluster_of(name)?;
        let node = self.manager(&cluster).await?.node(cluster.node_of(name)).await?;
        let labels = node.iter().flat_map(Node::labels).filter(|(key, _)| *key != BEFORE);
        Ok(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    async fn leave_locked(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        then: Option<Membership>,
        force: bool,
    ) -> Result<(), Failure> {
        let name = machine.name.clone();
        let departed = match machine.stored.own.swarm.clone() {
            Some(Membership { cluster, role, node: Some(id), .. }) => {
                let cluster = self.cluster(&cluster)?;
                self.depart(machine, &cluster, &id, role, force).await
            }
            _ => Ok(()),
        };
        match departed {
            Err(failure) if !force => return Err(failure),
            Err(failure) => {
                self.machines
                    .reporter
                    .warn(&name, &format!("its swarm still counts it in: {}", failure.message));
            }
            Ok(()) => {}
        }
        // Whatever the managers said, the engine itself is to be out.
        let mut reached = self.engine_of(machine).await?;
        if reached.client.node_info().await?.swarm.state != LocalState::Inactive {
            let recorded = machine.stored.own.swarm.as_ref().is_some_and(Membership::has_joined);
            reached.client.swarm_leave(force || recorded).await?;
        }
        self.save_membership(lock, machine, then)
    }

    /// Before a machine is removed. Says what keeps it from going; a swarm that cannot be asked does not.
    pub(crate) async fn leave_before_removal(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        going: &[MachineName],
        force: bool,
    ) -> Result<(), Failure> {
        let Some(membership) = machine.stored.own.swarm.clone() else { return Ok(()) };
        let id = match &membership.node {
            Some(id) => id.clone(),
            // A join that was cut short may have got through.
            None => self.node_by_itself(machine).await,
        };
        if id.is_empty() {
            return Ok(());
        }
        let cluster = self.members(&membership.cluster)?;
        let joined = cluster.members.iter().filter(|m| m.membership.has_joined());
        if joined.clone().all(|m| m.machine == machine.name || going.contains(&m.machine)) {
            return Ok(());
        }
        self.machines.step(&machine.name, &format!("Leaving the swarm {}...", cluster.name));
        match timeout(PARTING, self.depart(machine, &cluster, &id, membership.role, force)).await {
            Ok(Ok(())) => self.save_membership(lock, machine, None),
            Ok(Err(failure)) if failure.is_refusal && !force => Err(failure),
            Ok(Err(failure)) => {
                self.tell_left(machine, &cluster, &failure.message);
                Ok(())
            }
            Err(_) => {
                self.tell_left(machine, &cluster, &format!("no end after {} s", PARTING.as_secs()));
                Ok(())
            }
        }
    }

    /// Its id in whatever swarm it is; empty when it is in none, or does not answer.
    async fn node_by_itself(&self, machine: &Machine) -> String {
        let Ok(mut reached) = self.engine_of(machine).await else { return String::new() };
        reached.client.node_info().await.map(|info| info.swarm.id).unwrap_or_default()
    }

    fn tell_left(&self, machine: &Machine, cluster: &Cluster, why: &str) {
        let (name, cluster, program) = (&machine.name, &cluster.name, &self.machines.program);
        self.machines.reporter.warn(name, &format!("the swarm {cluster} could not be told: {why}"));
        self.machines.reporter.warn(
            name,
            &format!(
                "left behind: its node in the list of {cluster}; `{program} swarm rm-node --cluster {cluster} {name}` \
                 removes it once a manager answers"
            ),
        );
    }

    /// Empties a node, demotes it, has it leave, and strikes it off the list.
    async fn depart(
        &self,
        machine: &Machine,
        cluster: &Cluster,
        id: &str,
        role: Role,
        force: bool,
    ) -> Result<(), Failure> {
        let name = &machine.name;
        // Managers come and go one at a time.
        let _turn = if role == Role::Manager { Some(self.lock_cluster(&cluster.name).await?) } else { None };
        let mut manager = self.manager_beside(cluster, name).await?;
        let Some(node) = manager.node(id).await? else { return Ok(()) };
        if node.manager.is_some() {
            self.may_demote(name, id, &mut manager, force).await?;
        }
        if manager.info.swarm.id == id {
            // It is the only manager that answers: nobody else could strike it off.
            return Ok(manager.reached.client.swarm_leave(true).await?);
        }
        self.empty(name, &mut manager, &node).await?;
        // One that was a manager of a swarm before it was recovered is none any more, whatever its role says.
        if node.manager.is_some() {
            self.change_node(&mut manager, id, &NodeChange::Demote).await?;
        }
        // One that does not answer never lays it down itself.
        let answers = node.state() == "ready";
        if answers && node.manager.is_some() {
            self.await_role(&mut manager, id, Role::Worker).await?;
        }
        if answers {
            self.leave_engine(machine).await;
        }
        strike(&mut manager, id).await
    }

    /// The node may be gone in the middle of it, which is as good.
    async fn leave_engine(&self, machine: &Machine) {
        let left = async {
            let mut reached = self.engine_of(machine).await?;
            reached.client.swarm_leave(true).await.map_err(Failure::from)
        };
        if let Err(e) = left.await {
            tracing::debug!(machine = %machine.name, "did not leave: {}", e.message);
        }
    }

    /// Moves tasks elsewhere, where there is an elsewhere.
    async fn empty(&self, name: &MachineName, manager: &mut Manager, node: &Node) -> Result<(), Failure> {
        let id = &node.id;
        let drain = NodeChange::Availability(Availability::Drain);
        self.change_node(manager, id, &drain).await?;
        if node.state() != "ready" || manager.reached.client.tasks_left(id).await? == 0 {
            return Ok(());
        }
        let open = |n: &Node| n.id != *id && n.state() == "ready" && n.availability() == "active";
        if !manager.nodes().await?.iter().any(open) {
            return Ok(());
        }
        let left = await_empty(manager, id, MOVING).await?;
        if left > 0 {
            let seconds = MOVING.as_secs();
            self.machines.reporter.warn(
                name,
                &format!("{left} of its tasks have not ended within {seconds} s: they end with it"),
            );
        }
        Ok(())
    }

    /// Strikes a node that is gone off the list. `node` is a machine, a host's name or the beginning of an id.
    pub(crate) async fn remove_dead_node(
        &self,
        cluster: &Cluster,
        node: &str,
        force: bool,
    ) -> Result<(), Failure> {
        let mut manager = self.manager(cluster).await?;
        let found = self.find_node(cluster, &manager.nodes().await?, node)?;
        let name = MachineName::existing(node).map_err(Failure::from_error)?;
        let machine =
            cluster.members.iter().find(|m| m.membership.node.as_deref() == Some(found.id.as_str()));
        if found.state() == "ready" && !force {
            let leave = machine.map_or_else(
                || "its engine has to leave first".to_owned(),
                |m| format!("{} swarm leave {}", self.machines.program, m.machine),
            );
            return Err(Failure::new(format!("the node {node} answers: it would not know that it is out"))
                .hint(leave));
        }
        if found.manager.is_some() {
            self.may_demote(&name, &found.id, &mut manager, force).await?;
            self.change_node(&mut manager, &found.id, &NodeChange::Demote).await?;
        }
        strike(&mut manager, &found.id).await?;
        match machine {
            Some(member) => self.record(&member.machine, |m| *m = None).await,
            None => Ok(()),
        }
    }

    fn find_node(&self, cluster: &Cluster, nodes: &[Node], wanted: &str) -> Result<Node, Failure> {
        let recorded = cluster
            .members
            .iter()
            .find(|m| m.machine.as_str() == wanted)
            .and_then(|m| m.membership.node.clone());
        let by_id = nodes.iter().filter(|n| {
            recorded.as_deref() == Some(n.id.as_str()) || (wanted.len() >= 4 && n.id.starts_with(wanted))
        });
        let by_name = nodes.iter().filter(|n| n.host_name() == wanted);
        let mut found: Vec<_> = by_id.collect();
        if found.is_empty() {
            found = by_name.collect();
        }
        match found[..] {
            [node] => Ok(node.clone()),
            [] => Err(Failure::new(format!("the swarm \"{}\" has no node {wanted:?}", cluster.name))
                .hint(format!("{} swarm status {}", self.machines.program, cluster.name))),
            _ => Err(Failure::new(format!(
                "{wanted:?} is more than one node of the swarm \"{}\"",
                cluster.name
            ))
            .detail(found.iter().map(|n| format!("{} ({})", n.id, n.state())).collect::<Vec<_>>().join(", "))
            .hint("name one by its id")),
        }
    }
}

/// A node that has just been demoted counts as a manager for a moment longer.
async fn strike(manager: &mut Manager, id: &str) -> Result<(), Failure> {
    const TRIES: usize = 40;
    const PAUSE: Duration = Duration::from_millis(150);
    let mut last = None;
    for _ in 0..TRIES {
        match manager.reached.client.remove_node(id, true).await {
            Err(e) if e.is_missing() => return Ok(()),
            Err(e) if e.is_raft_member() => last = Some(e),
            done => return Ok(done?),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last.map_or_else(|| Failure::new("the node stays in the list"), Failure::from))
}
