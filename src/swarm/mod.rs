//! Machines as nodes of a swarm: founded, joined, changed, left, looked at. The engines are asked over their API and
//! nothing else; SSH is for what they do not know (addresses, ports, the state on disk).
//!
//! The record of a machine says to which cluster it belongs; what is true of a node, a manager is asked.

mod backup;
mod change;
mod change_many;
mod create;
mod join;
mod leave;
mod reachability;
mod remove;
mod roll;
pub(crate) mod rules;
mod status;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rmachine_driver::MachineName;
use tokio::time::timeout;

use crate::engine::swarm::{LocalState, Node, NodeInfo};
use crate::engine::{EngineClient, EngineError};
use crate::machines::engine_connection::Reached;
use crate::machines::{Machine, Machines};
use crate::model::{ClusterName, Failure, Membership, Role};
use crate::store::{ClusterLock, MachineLock};
use crate::swarm::rules::Quorum;

pub(crate) use change::{NodeChange, is_disturbed};
pub(crate) use create::Making;
pub(crate) use roll::{Place, Rolling};

/// Patience with one step of asking a manager.
const STEP: Duration = Duration::from_secs(8);
/// How long others may found a cluster or change its managers; each of them takes seconds.
const TURN: Duration = Duration::from_secs(180);

/// Machines as nodes of swarms. Works on machines through [`Machines`], and nothing there knows of it.
#[derive(Clone)]
pub struct Swarm {
    pub machines: Machines,
}

/// A machine that belongs to a cluster, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) machine: MachineName,
    pub(crate) membership: Membership,
}

/// All machines of this store that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) name: ClusterName,
    pub(crate) members: Vec<Member>,
}

impl Cluster {
    pub(crate) fn joined(&self, role: Role) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |m| m.membership.has_joined() && m.membership.role == role)
    }

    pub(crate) fn member(&self, machine: &MachineName) -> Option<&Member> {
        self.members.iter().find(|m| m.machine == *machine)
    }

    /// Its id in the swarm; empty as long as it has none.
    fn node_of(&self, machine: &MachineName) -> &str {
        self.member(machine).and_then(|m| m.membership.node.as_deref()).unwrap_or_default()
    }

    /// The machine that is this node.
    pub(crate) fn machine_of(&self, node: &Node) -> Option<&MachineName> {
        let found = self.members.iter().find(|m| m.membership.node.as_deref() == Some(node.id.as_str()));
        found.map(|m| &m.machine)
    }

    fn without(&self, machine: &MachineName) -> Self {
        let members = self.members.iter().filter(|m| m.machine != *machine).cloned().collect();
        Self { name: self.name.clone(), members }
    }

    /// Managers first; only when none of them is one any more, the others are asked.
    fn to_ask(&self) -> [Vec<MachineName>; 2] {
        let names = |role| self.joined(role).map(|m| m.machine.clone()).collect();
        [names(Role::Manager), names(Role::Worker)]
    }
}

/// A manager that answers, and all managers as it sees them. The other nodes may be hundreds, and are asked for by those
/// alone who look at all of them.
pub(crate) struct Manager {
    pub(crate) machine: MachineName,
    pub(crate) info: NodeInfo,
    pub(crate) managers: Vec<Node>,
    pub(crate) reached: Reached,
    /// When its clock was read.
    asked: Instant,
}

impl Manager {
    pub(crate) fn quorum(&self) -> Quorum {
        let managers = self.managers.iter().filter(|n| n.manager.is_some());
        Quorum::new(managers.clone().count(), managers.filter(|n| n.is_reachable_manager()).count())
    }

    pub(crate) async fn nodes(&mut self) -> Result<Vec<Node>, EngineError> {
        self.reached.client.nodes().await
    }

    /// One that answered as a manager, and does so no longer.
    fn falls_silent(&self, error: &EngineError) -> NoManager {
        NoManager {
            machine: self.machine.clone(),
            reason: error.to_string(),
            lacks_leader: lacks_leader(error),
            locked: false,
            known: self.info.swarm.remote_managers.len(),
        }
    }

    /// Nothing when the swarm does not know it.
    pub(crate) async fn node(&mut self, id: &str) -> Result<Option<Node>, EngineError> {
        if id.is_empty() {
            return Ok(None);
        }
        match self.reached.client.node(id).await {
            Err(e) if e.is_missing() => Ok(None),
            node => node.map(Some),
        }
    }
}

/// An engine that can be asked anything its API knows, and the machine that it is on.
pub(crate) struct Engine {
    pub(crate) machine: MachineName,
    reached: Reached,
}

impl Engine {
    pub(crate) fn client(&mut self) -> &mut EngineClient {
        &mut self.reached.client
    }
}

/// Why somebody that was taken for a manager did not answer as one.
pub(crate) struct NoManager {
    machine: MachineName,
    reason: String,
    /// It answers, and is a manager.
    lacks_leader: bool,
    locked: bool,
    /// How many managers it knows of.
    known: usize,
}

impl Swarm {
    /// All clusters that machines of this store belong to, by name.
    pub(crate) fn clusters(&self) -> Result<Vec<Cluster>, Failure> {
        let mut clusters: Vec<Cluster> = Vec::new();
        for machine in self.machines.store.names()? {
            let Some(membership) = self.membership(&machine)? else { continue };
            let name = membership.cluster.clone();
            let member = Member { machine, membership };
            match clusters.iter_mut().find(|c| c.name == name) {
                Some(cluster) => cluster.members.push(member),
                None => clusters.push(Cluster { name, members: vec![member] }),
            }
        }
        clusters.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(clusters)
    }

    /// A cluster without members is one that does not exist.
    pub(crate) fn cluster(&self, name: &ClusterName) -> Result<Cluster, Failure> {
        let cluster = self.members(name)?;
        if cluster.members.is_empty() {
            let known: Vec<String> = self.clusters()?.iter().map(|c| c.name.to_string()).collect();
            let failure = Failure::new(format!("There is no cluster {:?} in this store", name.as_str()));
            return Err(if known.is_empty() {
                failure.hint(format!("`{} swarm init NODE` makes one of a machine", self.machines.program))
            } else {
                failure.hint(format!("there are: {}", known.join(", ")))
            });
        }
        Ok(cluster)
    }

    pub(crate) fn members(&self, name: &ClusterName) -> Result<Cluster, Failure> {
        let found = self.clusters()?.into_iter().find(|c| c.name == *name);
        Ok(found.unwrap_or_else(|| Cluster { name: name.clone(), members: Vec::new() }))
    }

    /// To which cluster a machine belongs, as the store knows it. A record that cannot be read is an error: a list without
    /// this machine would be taken for the whole cluster.
    pub(crate) fn membership(&self, machine: &MachineName) -> Result<Option<Membership>, Failure> {
        Ok(self.machines.store.load_own(machine)?.swarm)
    }

    /// For what is asked of one machine's engine.
    pub(crate) async fn engine(&self, machine: &MachineName) -> Result<Engine, Failure> {
        let reached = self.engine_of(&self.machines.load(machine)?).await?;
        Ok(Engine { machine: machine.clone(), reached })
    }

    /// For what a manager is asked: services, networks, secrets.
    pub(crate) async fn manager_engine(&self, cluster: &ClusterName) -> Result<Engine, Failure> {
        let Manager { machine, reached, .. } = self.manager(&self.cluster(cluster)?).await?;
        Ok(Engine { machine, reached })
    }

    fn needs_membership(&self, machine: &Machine) -> Result<Membership, Failure> {
        machine.stored.own.swarm.clone().ok_or_else(|| {
            let name = &machine.name;
            Failure::new(format!("Docker machine \"{name}\" belongs to no swarm")).hint(format!(
                "{0} swarm join {name} --cluster C, or {0} swarm init {name}",
                self.machines.program
            ))
        })
    }

    /// The right to change who the managers of a cluster are, or what is deployed on it.
    pub(crate) async fn lock_cluster(&self, cluster: &ClusterName) -> Result<ClusterLock, Failure> {
        self.machines.store.cluster_lock(cluster, TURN).await.map_err(Failure::from)
    }

    /// The first manager that answers for a majority: all are asked at once.
    pub(crate) async fn manager(&self, cluster: &Cluster) -> Result<Manager, Failure> {
        match self.ask_all(cluster).await {
            Ok(manager) if manager.quorum().holds() => Ok(manager),
            Ok(manager) => Err(self.no_majority(&cluster.name, manager.quorum())),
            Err(failed) => Err(self.no_manager(&cluster.name, &failed)),
        }
    }

    /// Managers first; only when none of them is one any more, the others.
    async fn ask_all(&self, cluster: &Cluster) -> Result<Manager, Vec<NoManager>> {
        let mut failed = Vec::new();
        for names in cluster.to_ask() {
            match self.race(names).await {
                Ok(manager) => return Ok(manager),
                Err(reasons) => failed.extend(reasons),
            }
        }
        Err(failed)
    }

    /// The first that answers as a manager, or why each of them did not. One that is cut off from the others may take
    /// itself for their leader for a while: its list counts only where nobody has a better one.
    async fn race(&self, names: Vec<MachineName>) -> Result<Manager, Vec<NoManager>> {
        let mut asked: FuturesUnordered<_> = names.into_iter().map(|name| self.ask_manager(name)).collect();
        let (mut failed, mut cut_off) = (Vec::new(), None);
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(manager) if manager.quorum().holds() => return Ok(manager),
                Ok(manager) => cut_off = Some(manager),
                Err(reason) => failed.push(reason),
            }
        }
        cut_off.ok_or(failed)
    }

    async fn ask_manager(&self, name: MachineName) -> Result<Manager, NoManager> {
        let failed = |reason: String| NoManager {
            machine: name.clone(),
            reason,
            lacks_leader: false,
            locked: false,
            known: 0,
        };
        let machine = self.machines.load(&name).map_err(|e| failed(e.message))?;
        let mut reached = self.engine_of(&machine).await.map_err(|e| failed(e.message))?;
        let info = reached.client.node_info().await.map_err(|e| failed(e.to_string()))?;
        let asked = Instant::now();
        let (state, known) = (info.swarm.state, info.swarm.remote_managers.len());
        if state != LocalState::Active || !info.swarm.manager {
            let reason = match state {
                LocalState::Active => "it is a worker".to_owned(),
                LocalState::Locked => "it is locked".to_owned(),
                LocalState::Inactive => "it is in no swarm".to_owned(),
                LocalState::Pending => "it is still joining".to_owned(),
                LocalState::Error => format!("its swarm is in trouble: {}", info.swarm.error),
            };
            return Err(NoManager { locked: state == LocalState::Locked, known, ..failed(reason) });
        }
        match reached.client.managers().await {
            Ok(managers) => Ok(Manager { machine: name, info, managers, reached, asked }),
            Err(e) => Err(NoManager { lacks_leader: lacks_leader(&e), known, ..failed(e.to_string()) }),
        }
    }

    /// An engine's client, or why there is none, within a few seconds.
    pub(crate) async fn engine_of(&self, machine: &Machine) -> Result<Reached, Failure> {
        let reached = timeout(STEP, self.machines.reach(machine, STEP)).await;
        let reached =
            reached.map_err(|_| Failure::new(format!("no answer within {} s", STEP.as_secs())))??;
        reached.map_err(Failure::from)
    }

    fn no_manager(&self, cluster: &ClusterName, failed: &[NoManager]) -> Failure {
        let program = &self.machines.program;
        let details = |mut failure: Failure| {
            failure.details = failed.iter().map(|f| format!("{}: {}", f.machine, f.reason)).collect();
            failure
        };
        if failed.is_empty() {
            return Failure::new(format!(
                "no manager of the swarm \"{cluster}\" is known: none has joined yet"
            ))
            .hint(format!("`{program} swarm init NODE --cluster {cluster}` makes its first"));
        }
        let alive = failed.iter().filter(|f| f.lacks_leader).count();
        if alive > 0 {
            let known = failed.iter().map(|f| f.known).max().unwrap_or_default();
            let quorum = Quorum::new(known.max(alive), alive);
            return details(self.no_majority(cluster, quorum));
        }
        if failed.iter().any(|f| f.locked) {
            return details(Failure::new(format!("the managers of the swarm \"{cluster}\" are locked")))
                .hint(format!("`{program} swarm unlock {cluster}` opens them"));
        }
        details(Failure::new(format!("no manager of the swarm \"{cluster}\" answers")))
            .hint(format!("`{program} ls` shows which machines are down; `{program} start NODE` starts one"))
    }

    fn no_majority(&self, cluster: &ClusterName, quorum: Quorum) -> Failure {
        let words = match quorum.holds() {
            true => "its managers have no leader at the moment".to_owned(),
            false => quorum.words(),
        };
        Failure::new(format!("the swarm \"{cluster}\" cannot be asked: {words}")).hint(format!(
            "bring back the managers that do not answer; if they are gone for good: `{} swarm recover NODE`",
            self.machines.program
        ))
    }

    fn save_membership(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        membership: Option<Membership>,
    ) -> Result<(), Failure> {
        if machine.stored.own.swarm == membership {
            return Ok(());
        }
        machine.stored.own.swarm = membership;
        self.machines.save(lock, machine)
    }

    /// Brings the record of a machine in line with what was done to its node.
    async fn record(
        &self,
        name: &MachineName,
        change: impl FnOnce(&mut Option<Membership>),
    ) -> Result<(), Failure> {
        let (lock, mut machine) = self.machines.lock_and_load(name).await?;
        let mut membership = machine.stored.own.swarm.clone();
        change(&mut membership);
        self.save_membership(&lock, &mut machine, membership)
    }
}

/// Whether a manager that answered a moment ago waits for a leader. Its engine waits longer for one than rmachine waits for
/// the answer. A manager whose connection is lost does not count: its host may be down.
fn lacks_leader(error: &EngineError) -> bool {
    error.is_lost_leader() || error.is_unanswered()
}
