//! One node at a time: emptied, worked on, found well, given tasks again. Stops at the first that is not, and whatever is
//! still due stays written in the machines, so that the next roll or `up` goes on with it.

use std::time::{Duration, Instant};

use rmachine_driver::MachineName;

use super::model::Wanted;
use super::order::{self, Move, Standing};
use super::settle::{self, Before};
use super::{Kit, Limits};
use crate::engine::services::Service;
use crate::engine::swarm::{Node as SwarmNode, Task};
use crate::lifecycle::{Cluster, Failure, Making, NodeChange};
use crate::store::{Availability, Due, Role};

/// How often a swarm is asked whether it has come round to something.
const PAUSE: Duration = Duration::from_millis(250);

/// A manager's view of everything that a roll looks at.
struct View {
    cluster: Cluster,
    nodes: Vec<SwarmNode>,
    services: Vec<Service>,
    tasks: Vec<Task>,
}

impl Kit<'_> {
    pub async fn roll(
        &self,
        wanted: &Wanted,
        due: &[(MachineName, Due)],
        limits: &Limits,
    ) -> Result<(), Failure> {
        for (name, what) in due {
            self.note_due(wanted.node(name), name, Some(*what)).await?;
        }
        let mut left = due.to_vec();
        while !left.is_empty() {
            let view = self.eventual_view(wanted, limits).await?;
            let at = next(&view, &left);
            let (name, what) = left.remove(at);
            let number = due.len() - left.len();
            (self.tell)(&format!("[{number}/{}] {}", due.len(), announced(&name, what)));
            self.turn(wanted, &name, what, &view, limits)
                .await
                .map_err(|e| self.stopped(e, &name, left.len()))?;
        }
        Ok(())
    }

    fn stopped(&self, failure: Failure, name: &MachineName, left: usize) -> Failure {
        let known = failure.message.contains(name.as_str());
        let failure = if known { failure } else { failure.prefix(&format!("{name}: ")) };
        failure.detail(format!("the roll stopped here, with {left} more nodes to go")).hint(format!(
            "`{0} cluster plan` shows what is left, `{0} cluster up` goes on",
            self.lifecycle.program
        ))
    }

    async fn turn(
        &self,
        wanted: &Wanted,
        name: &MachineName,
        due: Due,
        view: &View,
        limits: &Limits,
    ) -> Result<(), Failure> {
        let moves = order::moves(name, due, &standings(view)).map_err(|why| {
            Failure::new(why).hint("bring the others back first; `swarm status` shows how they stand")
        })?;
        let id = view.id_of(name).unwrap_or_default();
        let before = settle::before(&view.services, &view.tasks, &id);
        for one in &moves {
            let done = self.make_move(wanted, one, &before, &id, limits).await;
            if let Err(failure) = done {
                return Err(self.take_back(wanted, one, &moves, failure, limits).await);
            }
        }
        self.await_ready(wanted, name, limits).await?;
        self.put_back(wanted, &moves, limits).await?;
        self.await_settled(wanted, &before, None, limits).await?;
        self.note_due(wanted.node(name), name, None).await
    }

    /// Before the work itself there is a way back.
    async fn take_back(
        &self,
        wanted: &Wanted,
        failed: &Move,
        moves: &[Move],
        failure: Failure,
        limits: &Limits,
    ) -> Failure {
        let name = moved(failed);
        if matches!(failed, Move::Do(..)) {
            return failure.detail(format!("{name} gets no tasks until it is well again"));
        }
        match self.put_back(wanted, moves, limits).await {
            Ok(()) => failure.detail("nothing was done to it: role and availability are as they were"),
            Err(e) => failure.detail(format!("role and availability could not be put back: {}", e.message)),
        }
    }

    async fn make_move(
        &self,
        wanted: &Wanted,
        one: &Move,
        before: &Before,
        id: &str,
        limits: &Limits,
    ) -> Result<(), Failure> {
        let lifecycle = &self.lifecycle;
        match one {
            Move::Promote(name) => {
                lifecycle.swarm_change(name, &NodeChange::Promote, false).await?;
                self.await_office(name, limits).await
            }
            Move::Demote(name) => lifecycle.swarm_change(name, &NodeChange::Demote, false).await,
            Move::Drain(name) => {
                let drain = NodeChange::Availability(Availability::Drain);
                lifecycle.swarm_change(name, &drain, false).await?;
                let left = lifecycle.swarm_await_empty(name, limits.wait).await?;
                if left > 0 {
                    let seconds = limits.wait.as_secs();
                    return Err(Failure::new(format!(
                        "{left} tasks of {name} have not ended within {seconds} s"
                    )));
                }
                self.await_settled(wanted, before, Some(id), limits).await
            }
            Move::Do(name, due) => self.work_on(wanted, name, *due).await,
        }
    }

    async fn work_on(&self, wanted: &Wanted, name: &MachineName, due: Due) -> Result<(), Failure> {
        let lifecycle = &self.lifecycle;
        match (due, wanted.node(name)) {
            (Due::Restart, _) => lifecycle.restart(lifecycle.load(name)?).await,
            (_, None) => Ok(()),
            (Due::Provision, Some(node)) => {
                let amend = |machine: &mut _| (self.amend)(node, machine);
                lifecycle.provision(lifecycle.load(name)?, None, &amend).await
            }
            (Due::Replace, Some(node)) => {
                // What cannot be made is found out before anything is taken away.
                let plan = self.making(wanted, node)?;
                lifecycle.remove_among(name, false, &[]).await?;
                let made = lifecycle.swarm_make(vec![Making::Create(Box::new(plan))]).await;
                made.into_iter().collect()
            }
        }
    }

    /// Roles, availability and labels as the file has them, of all that the moves have touched.
    async fn put_back(&self, wanted: &Wanted, moves: &[Move], limits: &Limits) -> Result<(), Failure> {
        let view = self.eventual_view(wanted, limits).await?;
        let mut names: Vec<&MachineName> = moves.iter().map(moved).collect();
        names.sort();
        names.dedup();
        let known = |n: &&MachineName| view.node(n).is_some();
        let nodes: Vec<_> = names.into_iter().filter(known).filter_map(|n| wanted.node(n)).collect();
        for (role, change) in [(Role::Manager, NodeChange::Promote), (Role::Worker, NodeChange::Demote)] {
            for node in nodes.iter().filter(|n| n.role == role) {
                // The record too: what was cut short leaves the two apart.
                let recorded = view.cluster.member(&node.name).map(|m| m.membership.role);
                let live = view.node(&node.name).map(SwarmNode::role);
                if recorded != Some(role) || live != Some(role.as_str()) {
                    self.lifecycle.swarm_change(&node.name, &change, false).await?;
                }
            }
        }
        let changes = nodes.iter().flat_map(|node| {
            let set = node.labels.clone().into_iter().collect();
            [
                (node.name.clone(), NodeChange::Labels { set, unset: Vec::new() }),
                (node.name.clone(), NodeChange::Availability(node.availability)),
            ]
        });
        self.lifecycle.swarm_change_many(&view.cluster, &changes.collect::<Vec<_>>()).await
    }

    async fn await_ready(&self, wanted: &Wanted, name: &MachineName, limits: &Limits) -> Result<(), Failure> {
        let deadline = Instant::now() + limits.wait;
        loop {
            // A manager that was just restarted may be the only one.
            let view = self.view(wanted).await;
            let ready = view.as_ref().is_ok_and(|v| v.ready(name));
            if ready {
                return Ok(());
            }
            if Instant::now() > deadline {
                view?;
                let seconds = limits.wait.as_secs();
                return Err(Failure::new(format!("{name} is not ready {seconds} s after it was worked on")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The swarm takes a moment to hear of those who have just joined.
    pub(super) async fn await_all(&self, wanted: &Wanted, limits: &Limits) -> Result<(), Failure> {
        let deadline = Instant::now() + limits.wait;
        loop {
            // Managers that were just started may have no leader yet.
            let view = self.view(wanted).await;
            let late = |view: &View| -> Vec<String> {
                wanted.nodes.iter().filter(|n| !view.ready(&n.name)).map(|n| n.name.to_string()).collect()
            };
            match view {
                Ok(view) if late(&view).is_empty() => return Ok(()),
                Ok(view) if Instant::now() > deadline => {
                    return Err(Failure::new(format!("not ready in the swarm: {}", late(&view).join(", ")))
                        .hint(format!("{} swarm status {}", self.lifecycle.program, wanted.name)));
                }
                Err(failure) if Instant::now() > deadline => return Err(failure),
                _ => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn await_settled(
        &self,
        wanted: &Wanted,
        before: &Before,
        away: Option<&str>,
        limits: &Limits,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + limits.wait;
        loop {
            let view = self.eventual_view(wanted, limits).await?;
            let missing = settle::missing(before, &view.services, &view.tasks, away);
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seconds = limits.wait.as_secs();
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
    async fn await_office(&self, name: &MachineName, limits: &Limits) -> Result<(), Failure> {
        let deadline = Instant::now() + limits.wait;
        loop {
            let mut engine = self.lifecycle.engine(name).await?;
            match engine.client().nodes().await {
                Ok(_) => return Ok(()),
                Err(e) if Instant::now() > deadline => return Err(e.into()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Managers that come and go have no leader for a moment, and nobody answers.
    async fn eventual_view(&self, wanted: &Wanted, limits: &Limits) -> Result<View, Failure> {
        let deadline = Instant::now() + limits.wait;
        loop {
            match self.view(wanted).await {
                Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                view => return view,
            }
        }
    }

    async fn view(&self, wanted: &Wanted) -> Result<View, Failure> {
        let cluster = self.lifecycle.cluster(&wanted.name)?;
        let mut engine = self.lifecycle.manager_engine(&wanted.name).await?;
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

    fn node(&self, name: &MachineName) -> Option<&SwarmNode> {
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
    let standing = |node: &SwarmNode| {
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

/// The leader may be another one by now, so that it is asked before each turn.
fn next(view: &View, left: &[(MachineName, Due)]) -> usize {
    let standings = standings(view);
    let waiting: Vec<Standing> = left
        .iter()
        .map(|(name, _)| {
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
    order::next(&waiting).unwrap_or_default()
}

fn moved(one: &Move) -> &MachineName {
    match one {
        Move::Promote(name) | Move::Demote(name) | Move::Drain(name) | Move::Do(name, _) => name,
    }
}

fn announced(name: &MachineName, due: Due) -> String {
    match due {
        Due::Provision => format!("Provisioning {name}"),
        Due::Restart => format!("Restarting {name}"),
        Due::Replace => format!("Replacing {name}"),
    }
}
