//! One node at a time: emptied, worked on, found well, given tasks again. What the work is, and what else is to be
//! remembered of it, is for those who roll.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rmachine_driver::MachineName;

use crate::engine::services::Service;
use crate::engine::swarm::{Node, Task};
use crate::model::{Availability, ClusterName, Due, Failure, Role};
use crate::swarm::change::Meanwhile;
use crate::swarm::rules::roll_order::{self, Move, Standing};
use crate::swarm::rules::settled_services::{self, Before};
use crate::swarm::{Cluster, NodeChange, Swarm};

/// How often a swarm is asked whether it has come round to something.
const PAUSE: Duration = Duration::from_millis(250);

/// How a node is to be when its turn is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) role: Role,
    pub(crate) availability: Availability,
    pub(crate) labels: BTreeMap<String, String>,
}

/// What all turns of a roll have in common.
pub(crate) struct Rolling<'a> {
    pub(crate) swarm: &'a Swarm,
    pub(crate) cluster: &'a ClusterName,
    /// For tasks to move, and for nodes to come back.
    pub(crate) wait: Duration,
    /// Of nodes that are not known there nothing is put back.
    pub(crate) places: BTreeMap<MachineName, Place>,
}

/// A manager's view of everything that a roll looks at.
struct View {
    cluster: Cluster,
    nodes: Vec<Node>,
    services: Vec<Service>,
    tasks: Vec<Task>,
}

impl Rolling<'_> {
    /// Workers first, then managers, the leader last. It may be another one by now, so that it is asked before each turn.
    pub(crate) async fn next(&self, left: &[MachineName]) -> Result<usize, Failure> {
        let view = self.eventual_view().await?;
        let standings = standings(&view);
        let waiting: Vec<Standing> = left
            .iter()
            .map(|name| {
                let known = standings.iter().find(|s| s.name == *name).cloned();
                // One that the swarm does not know disturbs nobody.
                known.unwrap_or_else(|| Standing {
                    name: name.clone(),
                    role: Role::Worker,
                    leader: false,
                    ready: false,
                    active: false,
                })
            })
            .collect();
        Ok(roll_order::next(&waiting).unwrap_or_default())
    }

    pub(crate) async fn lock_cluster(
        &self,
        name: &MachineName,
        due: Due,
        work: impl AsyncFn() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let view = self.eventual_view().await?;
        let moves = roll_order::moves(name, due, &standings(&view)).map_err(|why| {
            Failure::new(why).hint("bring the others back first; `swarm status` shows how they stand")
        })?;
        let id = view.id_of(name).unwrap_or_default();
        let before = settled_services::before(&view.services, &view.tasks, &id);
        for one in &moves {
            let done = match one {
                Move::Do(..) => work().await,
                one => self.make_move(one, &before, &id).await,
            };
            if let Err(failure) = done {
                return Err(self.take_back(one, &moves, failure).await);
            }
        }
        self.await_ready(name).await?;
        self.put_back(&moves).await?;
        self.await_settled(&before, None).await.map(drop)
    }

    /// Before the work itself there is a way back.
    async fn take_back(&self, failed: &Move, moves: &[Move], failure: Failure) -> Failure {
        let name = moved(failed);
        if matches!(failed, Move::Do(..)) {
            return failure.detail(format!("{name} gets no tasks until it is well again"));
        }
        match self.put_back(moves).await {
            Ok(()) => failure.detail("nothing was done to it: role and availability are as they were"),
            Err(e) => failure.detail(format!("role and availability could not be put back: {}", e.message)),
        }
    }

    async fn make_move(&self, one: &Move, before: &Before, id: &str) -> Result<(), Failure> {
        let swarm = self.swarm;
        let change = async |name, what| swarm.change(name, &NodeChange::Meanwhile(what), false).await;
        match one {
            Move::Promote(name) => {
                change(name, Meanwhile::Promoted).await?;
                self.await_office(name).await
            }
            Move::Demote(name) => change(name, Meanwhile::Demoted).await,
            Move::Drain(name) => {
                swarm.machines.reporter.step(name, "Draining the node...");
                change(name, Meanwhile::Drained).await?;
                let left = swarm.await_empty(name, self.wait).await?;
                if left > 0 {
                    let seconds = self.wait.as_secs();
                    return Err(Failure::new(format!(
                        "{left} tasks of {name} have not ended within {seconds} s"
                    )));
                }
                let view = self.await_settled(before, Some(id)).await?;
                for service in settled_services::waiting(&view.services, &view.tasks) {
                    let text = format!("{service} waits for this node, since no other may run it");
                    swarm.machines.reporter.warn(name, &text);
                }
                Ok(())
            }
            Move::Do(..) => Ok(()),
        }
    }

    /// Roles, availability and labels as they are to be, of all that the moves have touched.
    async fn put_back(&self, moves: &[Move]) -> Result<(), Failure> {
        let view = self.eventual_view().await?;
        let mut names: Vec<&MachineName> = moves.iter().map(moved).collect();
        names.sort();
        names.dedup();
        names.retain(|name| view.node(name).is_some());
        let places: Vec<_> = names.into_iter().filter_map(|n| Some((n, self.places.get(n)?))).collect();
        for (role, change) in [(Role::Manager, NodeChange::Promote), (Role::Worker, NodeChange::Demote)] {
            for (name, _) in places.iter().filter(|(_, place)| place.role == role) {
                // The record too: what was cut short leaves the two apart.
                let recorded = view.cluster.member(name).map(|m| m.membership.role);
                let live = view.node(name).map(Node::role);
                if recorded != Some(role) || live != Some(role.as_str()) {
                    self.swarm.change(name, &change, false).await?;
                    if role == Role::Manager {
                        self.await_office(name).await?;
                    }
                }
            }
        }
        let changes = places.iter().flat_map(|(name, place)| {
            let set = place.labels.clone().into_iter().collect();
            [
                ((*name).clone(), NodeChange::Labels { set, unset: Vec::new() }),
                ((*name).clone(), NodeChange::Availability(place.availability)),
            ]
        });
        self.swarm.change_many(&view.cluster, &changes.collect::<Vec<_>>()).await
    }

    async fn await_ready(&self, name: &MachineName) -> Result<(), Failure> {
        let deadline = Instant::now() + self.wait;
        loop {
            // A manager that was just restarted may be the only one.
            let view = self.view().await;
            if view.as_ref().is_ok_and(|v| v.ready(name)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                view?;
                let seconds = self.wait.as_secs();
                return Err(Failure::new(format!("{name} is not ready {seconds} s after it was worked on")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The swarm takes a moment to hear of those who have just joined.
    pub(crate) async fn await_all(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.wait;
        loop {
            // Managers that were just started may have no leader yet.
            let view = self.view().await;
            let late = |view: &View| -> Vec<String> {
                self.places.keys().filter(|n| !view.ready(n)).map(ToString::to_string).collect()
            };
            match view {
                Ok(view) if late(&view).is_empty() => return Ok(()),
                Ok(view) if Instant::now() > deadline => {
                    return Err(Failure::new(format!("not ready in the swarm: {}", late(&view).join(", ")))
                        .hint(format!("{} swarm status {}", self.swarm.machines.program, self.cluster)));
                }
                Err(failure) if Instant::now() > deadline => return Err(failure),
                _ => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn await_settled(&self, before: &Before, away: Option<&str>) -> Result<View, Failure> {
        let deadline = Instant::now() + self.wait;
        loop {
            let view = self.eventual_view().await?;
            let missing = settled_services::missing(before, &view.services, &view.tasks, away);
            if missing.is_empty() {
                return Ok(view);
            }
            if Instant::now() > deadline {
                let seconds = self.wait.as_secs();
                let mut failure =
                    Failure::new(format!("after {seconds} s services do not run what they ran before"));
                failure.details = missing;
                return Err(
                    failure.hint("--wait gives them more time; `docker service ps` says what keeps them")
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The others know of a new manager before its own engine takes requests as one.
    async fn await_office(&self, name: &MachineName) -> Result<(), Failure> {
        let deadline = Instant::now() + self.wait;
        loop {
            let mut engine = self.swarm.engine(name).await?;
            match engine.client().managers().await {
                Ok(_) => return Ok(()),
                Err(e) if Instant::now() > deadline => return Err(e.into()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Managers that come and go have no leader for a moment, and nobody answers.
    async fn eventual_view(&self) -> Result<View, Failure> {
        let deadline = Instant::now() + self.wait;
        loop {
            match self.view().await {
                Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                view => return view,
            }
        }
    }

    async fn view(&self) -> Result<View, Failure> {
        let cluster = self.swarm.cluster(self.cluster)?;
        let mut engine = self.swarm.manager_engine(self.cluster).await?;
        let client = engine.client();
        let (nodes, services) = (client.nodes().await?, client.services().await?);
        let tasks = if services.is_empty() { Vec::new() } else { client.tasks(None).await? };
        Ok(View { cluster, nodes, services, tasks })
    }
}

impl View {
    fn id_of(&self, name: &MachineName) -> Option<String> {
        self.cluster.member(name)?.membership.node.clone()
    }

    fn node(&self, name: &MachineName) -> Option<&Node> {
        let id = self.id_of(name)?;
        self.nodes.iter().find(|n| n.id == id)
    }

    /// It answers, and as what it is meant to be.
    fn ready(&self, name: &MachineName) -> bool {
        self.node(name).is_some_and(|n| {
            n.state() == "ready" && (n.role() != Role::Manager.as_str() || n.is_reachable_manager())
        })
    }
}

fn standings(view: &View) -> Vec<Standing> {
    let standing = |node: &Node| {
        Some(Standing {
            name: view.cluster.machine_of(node)?.clone(),
            role: if node.manager.is_some() { Role::Manager } else { Role::Worker },
            leader: node.is_leader(),
            ready: node.state() == "ready" && (node.manager.is_none() || node.is_reachable_manager()),
            active: node.availability() == "active",
        })
    };
    view.nodes.iter().filter_map(standing).collect()
}

fn moved(one: &Move) -> &MachineName {
    match one {
        Move::Promote(name) | Move::Demote(name) | Move::Drain(name) | Move::Do(name, _) => name,
    }
}
