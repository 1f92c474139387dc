//! Bringing a cluster about: whatever the plan says, in an order in which nothing that runs is lost.

use futures_util::future::join_all;
use rmachine_driver::MachineName;

use crate::cluster::model::Wanted;
use crate::cluster::plan::{Found, Plan, Present, Work};
use crate::cluster::{Kit, Limits, network};
use crate::model::{Due, Exit, Failure, Role};
use crate::swarm::{Making, NodeChange};

/// What went wrong, each with its machine where it has one.
pub(crate) type Failures = Vec<Failure>;

impl Kit<'_> {
    /// Does what the plan says. What fails of one machine does not keep the others from being made; what would take
    /// something away waits until everything else is well.
    pub async fn up(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        present: &Present,
        limits: &Limits,
    ) -> Result<(), Failures> {
        self.start(plan).await?;
        self.make(wanted, plan, limits).await?;
        self.arrange(wanted, plan).await.map_err(|e| vec![e])?;
        let due = dues(plan);
        if !due.is_empty() {
            self.roll(wanted, &due, limits).await.map_err(|e| vec![e])?;
        }
        self.take_away(wanted, plan, present).await?;
        self.rolling(wanted, limits).await_all().await.map_err(|e| vec![e])?;
        Ok(())
    }

    async fn start(&self, plan: &Plan) -> Result<(), Failures> {
        let stopped = plan.machines(|w| *w == Work::Start);
        let done = join_all(stopped.iter().map(async |name| {
            let machine = self.swarm.machines.load(name)?;
            self.swarm.machines.start(machine).await
        }));
        all_well(&stopped, done.await)
    }

    /// All at once; the first manager that is ready founds the swarm, the others join as they come.
    async fn make(&self, wanted: &Wanted, plan: &Plan, limits: &Limits) -> Result<(), Failures> {
        let half_gone = plan.machines(|w| *w == Work::CreateAgain);
        let removed = join_all(half_gone.iter().map(|n| self.swarm.remove_among(n, false, &[]))).await;
        all_well(&half_gone, removed)?;
        let to_make = |w: &Work| matches!(w, Work::Create | Work::CreateAgain | Work::Finish);
        let mut names = plan.machines(to_make);
        let role = |n: &MachineName| wanted.node(n).map(|n| n.role);
        // Where not all are made at once, those that the others wait for are made first.
        names.sort_by_key(|n| role(n) != Some(Role::Manager));
        for node in names.iter().filter_map(|n| wanted.node(n)) {
            self.note_wish(wanted, node).await.map_err(|e| vec![e])?;
        }
        let makings = names.iter().map(|name| self.making_of(wanted, name)).collect::<Result<Vec<_>, _>>();
        let makings = makings.map_err(|e| vec![e])?;
        let results = self.swarm.create_some_nodes(makings, limits.at_once).await;
        all_well(&names, results)?;
        let outcasts = plan.machines(|w| *w == Work::Rejoin);
        let joined = join_all(outcasts.iter().map(async |name| match wanted.node(name) {
            Some(node) => self.rejoin(wanted, node).await,
            None => Ok(()),
        }));
        let joined = joined.await;
        all_well(&outcasts, joined)
    }

    fn making_of(&self, wanted: &Wanted, name: &MachineName) -> Result<Making, Failure> {
        match wanted.node(name).filter(|_| !self.swarm.machines.store.exists(name)) {
            Some(node) => Ok(Making::Create(Box::new(self.making(wanted, node)?))),
            None => Ok(Making::Finish(name.clone())),
        }
    }

    /// What restarts nothing: the swarm's own settings, networks, roles that are added, availability, labels.
    async fn arrange(&self, wanted: &Wanted, plan: &Plan) -> Result<(), Failure> {
        let cluster = self.swarm.cluster(&wanted.name)?;
        for (name, work) in plan.work() {
            match (name, work) {
                (_, Work::Autolock(on)) => self.swarm.autolock(&cluster, *on).await?,
                (_, Work::Network(network)) => {
                    let mut engine = self.swarm.manager_engine(&wanted.name).await?;
                    engine.client().create_network(&network::spec(&wanted.name, network)).await?;
                    (self.tell)(&format!("Network {network} made"));
                }
                (_, Work::ReplaceNetwork(network)) => {
                    self.remove_network(wanted, &network.name).await?;
                    let mut engine = self.swarm.manager_engine(&wanted.name).await?;
                    engine.client().create_network(&network::spec(&wanted.name, network)).await?;
                    (self.tell)(&format!("Network {network} made anew"));
                }
                (Some(name), Work::Promote) => {
                    self.swarm.change(name, &NodeChange::Promote, false).await?;
                }
                _ => {}
            }
        }
        self.dress(wanted, plan).await
    }

    /// Labels and availability, over one connection; of new nodes too, which joined without labels.
    async fn dress(&self, wanted: &Wanted, plan: &Plan) -> Result<(), Failure> {
        let mut changes = Vec::new();
        let mut labelled = Vec::new();
        for (name, work) in plan.work() {
            let Some(node) = name.and_then(|n| wanted.node(n)) else { continue };
            match work {
                Work::Availability(availability) => {
                    changes.push((node.name.clone(), NodeChange::Availability(*availability)));
                }
                Work::Labels { set, unset } => {
                    let change = NodeChange::Labels { set: set.clone(), unset: unset.clone() };
                    changes.push((node.name.clone(), change));
                    labelled.push(node);
                }
                Work::Create | Work::CreateAgain | Work::Finish | Work::Rejoin if !node.labels.is_empty() => {
                    let set = node.labels.clone().into_iter().collect();
                    changes.push((node.name.clone(), NodeChange::Labels { set, unset: Vec::new() }));
                    labelled.push(node);
                }
                _ => {}
            }
        }
        let cluster = self.swarm.cluster(&wanted.name)?;
        self.swarm.change_many(&cluster, &changes).await?;
        for node in labelled {
            self.note_labels(node).await?;
        }
        Ok(())
    }

    /// Managers one at a time, each only where the rest keeps its majority; workers together.
    async fn take_away(&self, wanted: &Wanted, plan: &Plan, present: &Present) -> Result<(), Failures> {
        for name in plan.machines(|w| *w == Work::Demote) {
            let demoted = self.swarm.change(&name, &NodeChange::Demote, false).await;
            demoted.map_err(|e| vec![e])?;
        }
        let going = plan.machines(|w| *w == Work::Remove);
        let is_manager = |name: &&MachineName| {
            let found = |f: &&Found| f.name == **name;
            present.nodes.iter().find(found).is_some_and(|f| f.role == Role::Manager)
        };
        let (managers, workers): (Vec<_>, Vec<_>) = going.iter().partition(is_manager);
        let mut results = join_all(workers.iter().map(|n| self.swarm.remove_among(n, false, &[]))).await;
        for name in &managers {
            results.push(self.swarm.remove_among(name, false, &[]).await);
        }
        let names: Vec<MachineName> = workers.into_iter().chain(managers).cloned().collect();
        all_well(&names, results)?;
        for (_, work) in plan.work() {
            if let Work::RemoveNetwork(name) = work {
                self.remove_network(wanted, name).await.map_err(|e| vec![e])?;
                (self.tell)(&format!("Network {name} removed"));
            }
        }
        Ok(())
    }

    async fn remove_network(&self, wanted: &Wanted, name: &str) -> Result<(), Failure> {
        let mut engine = self.swarm.manager_engine(&wanted.name).await?;
        engine.client().remove_network(name).await.map_err(|e| {
            Failure::from(e)
                .prefix(&format!("the network {name} stays: "))
                .hint("services that use it keep it: remove those first, or put it back into the file")
        })
    }
}

fn dues(plan: &Plan) -> Vec<(MachineName, Due)> {
    let due = |(name, work): (Option<&MachineName>, &Work)| match (name, work) {
        (Some(name), Work::Due(due)) => Some((name.clone(), *due)),
        _ => None,
    };
    plan.work().filter_map(due).collect()
}

pub(super) fn all_well(names: &[MachineName], results: Vec<Result<(), Failure>>) -> Result<(), Failures> {
    let named = names.iter().zip(results).filter_map(|(name, result)| {
        let failure = Failure { exit: Exit::Failed, ..result.err()? };
        let known = failure.message.contains(name.as_str());
        Some(if known { failure } else { failure.prefix(&format!("{name}: ")) })
    });
    let failures: Failures = named.collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}
