//! Bringing a cluster about: whatever the plan says, in an order in which nothing that runs is lost.

use futures_util::future::join_all;
use rmachine_driver::MachineName;

use crate::cluster::model::{Network, Node, Wanted};
use crate::cluster::plan::{Found, Plan, Present};
use crate::cluster::schedule::{Schedule, Setting};
use crate::cluster::{Kit, Limits, network};
use crate::model::{Exit, Failure, Role};
use crate::swarm::{Making, NodeChange};

/// What went wrong, each with its machine where it has one.
pub(crate) type Failures = Vec<Failure>;

impl Kit<'_> {
    /// Carries the plan out. A machine that fails does not keep the others from being created; removals wait until everything
    /// else is done.
    pub async fn up(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        present: &Present,
        limits: &Limits,
    ) -> Result<(), Failures> {
        let Schedule {
            starts,
            half_removed,
            creates,
            rejoins,
            settings,
            node_changes,
            labelled,
            rolls,
            demotes,
            removes,
            network_removals,
        } = Schedule::of(plan, wanted);
        self.start(&starts).await?;
        self.remove_together(&half_removed).await?;
        self.create(wanted, creates, limits).await?;
        self.rejoin_all(wanted, &rejoins).await?;
        let first = |e| vec![e];
        self.apply_settings(wanted, settings).await.map_err(first)?;
        self.change_nodes(wanted, &node_changes, &labelled).await.map_err(first)?;
        if !rolls.is_empty() {
            self.roll(wanted, &rolls, limits).await.map_err(first)?;
        }
        self.demote(&demotes).await.map_err(first)?;
        self.remove(&removes, present).await?;
        self.remove_networks(wanted, &network_removals).await.map_err(first)?;
        self.rolling(wanted, limits).await_all().await.map_err(first)
    }

    async fn start(&self, names: &[MachineName]) -> Result<(), Failures> {
        let done = join_all(names.iter().map(async |name| {
            let machine = self.swarm.machines.load(name)?;
            self.swarm.machines.start(machine).await
        }));
        all_well(names, done.await)
    }

    async fn remove_together(&self, names: &[MachineName]) -> Result<(), Failures> {
        let removed = join_all(names.iter().map(|n| self.swarm.remove_among(n, false, &[]))).await;
        all_well(names, removed)
    }

    /// All at once; the first manager that is ready founds the swarm, the others join as they come.
    async fn create(
        &self,
        wanted: &Wanted,
        mut names: Vec<MachineName>,
        limits: &Limits,
    ) -> Result<(), Failures> {
        let role = |n: &MachineName| wanted.node(n).map(|n| n.role);
        // Where not all are made at once, those that the others wait for are made first.
        names.sort_by_key(|n| role(n) != Some(Role::Manager));
        for node in names.iter().filter_map(|n| wanted.node(n)) {
            self.note_wish(wanted, node).await.map_err(|e| vec![e])?;
        }
        let makings = names.iter().map(|name| self.making_of(wanted, name)).collect::<Result<Vec<_>, _>>();
        let makings = makings.map_err(|e| vec![e])?;
        let results = self.swarm.create_some_nodes(makings, limits.at_once).await;
        all_well(&names, results)
    }

    async fn rejoin_all(&self, wanted: &Wanted, names: &[MachineName]) -> Result<(), Failures> {
        let joined = join_all(names.iter().map(async |name| match wanted.node(name) {
            Some(node) => self.rejoin(wanted, node).await,
            None => Ok(()),
        }));
        all_well(names, joined.await)
    }

    fn making_of(&self, wanted: &Wanted, name: &MachineName) -> Result<Making, Failure> {
        match wanted.node(name).filter(|_| !self.swarm.machines.store.exists(name)) {
            Some(node) => Ok(Making::Create(Box::new(self.making(wanted, node)?))),
            None => Ok(Making::Finish(name.clone())),
        }
    }

    async fn apply_settings(&self, wanted: &Wanted, settings: Vec<Setting<'_>>) -> Result<(), Failure> {
        for setting in settings {
            match setting {
                Setting::CreateNetwork(network) => {
                    self.create_network(wanted, network).await?;
                    (self.tell)(&format!("Network {network} made"));
                }
                Setting::ReplaceNetwork(network) => {
                    self.remove_network(wanted, &network.name).await?;
                    self.create_network(wanted, network).await?;
                    (self.tell)(&format!("Network {network} made anew"));
                }
                Setting::Promote(name) => self.swarm.change(&name, &NodeChange::Promote, false).await?,
                Setting::Autolock(on) => {
                    self.swarm.autolock(&self.swarm.cluster(&wanted.name)?, on).await?;
                }
            }
        }
        Ok(())
    }

    async fn create_network(&self, wanted: &Wanted, network: &Network) -> Result<(), Failure> {
        let mut engine = self.swarm.manager_engine(&wanted.name).await?;
        Ok(engine.client().create_network(&network::spec(&wanted.name, network)).await?)
    }

    /// Labels and availability, over one connection.
    async fn change_nodes(
        &self,
        wanted: &Wanted,
        changes: &[(MachineName, NodeChange)],
        labelled: &[&Node],
    ) -> Result<(), Failure> {
        let cluster = self.swarm.cluster(&wanted.name)?;
        self.swarm.change_many(&cluster, changes).await?;
        for node in labelled {
            self.note_labels(node).await?;
        }
        Ok(())
    }

    async fn demote(&self, names: &[MachineName]) -> Result<(), Failure> {
        for name in names {
            self.swarm.change(name, &NodeChange::Demote, false).await?;
        }
        Ok(())
    }

    /// Managers one at a time, each only where the rest keeps its majority; workers together.
    async fn remove(&self, names: &[MachineName], present: &Present) -> Result<(), Failures> {
        let is_manager = |name: &&MachineName| {
            let found = |f: &&Found| f.name == **name;
            present.nodes.iter().find(found).is_some_and(|f| f.role == Role::Manager)
        };
        let (managers, workers): (Vec<_>, Vec<_>) = names.iter().partition(is_manager);
        let mut results = join_all(workers.iter().map(|n| self.swarm.remove_among(n, false, &[]))).await;
        for name in &managers {
            results.push(self.swarm.remove_among(name, false, &[]).await);
        }
        let names: Vec<MachineName> = workers.into_iter().chain(managers).cloned().collect();
        all_well(&names, results)
    }

    async fn remove_networks(&self, wanted: &Wanted, names: &[&str]) -> Result<(), Failure> {
        for name in names {
            self.remove_network(wanted, name).await?;
            (self.tell)(&format!("Network {name} removed"));
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

pub(super) fn all_well(names: &[MachineName], results: Vec<Result<(), Failure>>) -> Result<(), Failures> {
    let named = names.iter().zip(results).filter_map(|(name, result)| {
        let failure = Failure { exit: Exit::Failed, ..result.err()? };
        let known = failure.message.contains(name.as_str());
        Some(if known { failure } else { failure.prefix(&format!("{name}: ")) })
    });
    let failures: Failures = named.collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}
