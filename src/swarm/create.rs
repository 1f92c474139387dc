//! Machines and the swarm of them, all at once: the first manager that is ready founds it, the others join as they come.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rmachine_driver::{MachineName, Phase};
use tokio::sync::{Semaphore, watch};

use crate::machines::{Amend, CreatePlan, Run};
use crate::model::{ClusterName, Failure, Membership, Role};
use crate::swarm::join::Known;
use crate::swarm::reachability::Ahead;
use crate::swarm::{Cluster, Swarm};

/// How often is looked whether another process has got its manager in.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What there is to do for one machine. Its record says, or will say, to which cluster it belongs and as what.
pub(crate) enum Making {
    Create(Box<CreatePlan>),
    /// It was reserved already: whatever is missing, down to its membership, is made up for.
    Finish(MachineName),
}

impl Making {
    pub(crate) fn name(&self) -> &MachineName {
        match self {
            Self::Create(plan) => &plan.name,
            Self::Finish(name) => name,
        }
    }
}

/// Each that joins is looked at by a manager: hundreds at once would be too much for it.
const JOINING: usize = 6;

/// What is made together, and how many of it may be at the same thing at a time.
struct Batch {
    names: HashSet<MachineName>,
    making: Semaphore,
    joining: Semaphore,
}

/// How far the machine is that will found the swarm. Founding one takes an engine most of a second in which it does
/// nothing: a computer that all machines share makes the others meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lead {
    Coming,
    Boots,
    Ready,
    /// It is in, or will never be; or there is none.
    Over,
}

struct Leader {
    name: Option<MachineName>,
    lead: watch::Sender<Lead>,
}

impl Leader {
    /// The first manager that is to be made on this computer.
    fn among(makings: &[Making]) -> Self {
        let leads = |making: &&Making| match making {
            Making::Create(plan) => {
                plan.driver.features().is_local
                    && plan.own.swarm.as_ref().is_some_and(|m| m.role == Role::Manager)
            }
            Making::Finish(_) => false,
        };
        let name = makings.iter().find(leads).map(|m| m.name().clone());
        let (lead, _) = watch::channel(if name.is_some() { Lead::Coming } else { Lead::Over });
        Self { name, lead }
    }

    fn is(&self, name: &MachineName) -> bool {
        self.name.as_ref() == Some(name)
    }

    fn reached(&self, lead: Lead) {
        self.lead.send_if_modified(|l| std::mem::replace(l, lead.max(*l)) < lead);
    }

    async fn wait(&self, lead: Lead) -> Lead {
        let mut lead_now = self.lead.subscribe();
        // The sender outlives all who wait.
        lead_now.wait_for(|l| *l >= lead).await.map_or(Lead::Over, |l| *l)
    }
}

/// Whether workers can come in yet.
#[derive(Debug, Clone)]
struct Door {
    open: bool,
    /// Managers that may still open it.
    coming: usize,
    /// Who was in when the last manager came: enough to know whom to ask.
    known: Option<Arc<Cluster>>,
}

impl Swarm {
    /// One that fails does not keep the others, unless it is the last manager. In the order of `makings`; a machine that
    /// belongs to no cluster is only made.
    pub(crate) async fn create_nodes(&self, makings: Vec<Making>) -> Vec<Result<(), Failure>> {
        self.create_some_nodes(makings, Semaphore::MAX_PERMITS).await
    }

    /// The same, with no more than so many machines in the making at a time.
    pub(crate) async fn create_some_nodes(
        &self,
        makings: Vec<Making>,
        at_once: usize,
    ) -> Vec<Result<(), Failure>> {
        // Who waits for a manager holds no place.
        let names = makings.iter().map(|m| m.name().clone()).collect();
        let batch = Batch { names, making: Semaphore::new(at_once), joining: Semaphore::new(JOINING) };
        let wishes: Vec<_> = makings.iter().map(|m| self.planned_membership(m)).collect();
        let coming = wishes.iter().flatten().filter(|m| m.role == Role::Manager).count();
        // Without a manager among them, there is one already.
        let known = wishes.iter().flatten().next().filter(|_| coming == 0);
        let known = known.and_then(|wish| self.members(&wish.cluster).ok()).map(Arc::new);
        let (door, _) = watch::channel(Door { open: coming == 0, coming, known });
        let leader = Leader::among(&makings);
        let work = makings
            .into_iter()
            .zip(wishes)
            .map(|(making, wish)| self.make_node(making, wish, &door, &batch, &leader));
        join_all(work).await
    }

    /// Goes on with a machine whose making was not finished, down to its membership.
    pub(crate) async fn resume_node(
        &self,
        name: &MachineName,
        run: &Run,
        amend: Amend<'_>,
    ) -> Result<(), Failure> {
        let waits = |member: Option<Membership>| member.is_some_and(|m| !m.has_joined());
        let complete = self.machines.load(name)?.stored.own.phase == Phase::Ready;
        if !complete || !waits(self.membership(name)?) {
            self.machines.resume(name, run, amend).await?;
        }
        match self.membership(name)? {
            Some(wish) if !wish.has_joined() => {
                self.come_in(name, &wish, Known::default()).await?;
                if wish.role == Role::Manager {
                    self.let_in_who_waits(&wish.cluster, &HashSet::new()).await;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Nothing for a record that cannot be read; the work on that machine reports it.
    fn planned_membership(&self, making: &Making) -> Option<Membership> {
        match making {
            Making::Create(plan) => plan.own.swarm.clone(),
            Making::Finish(name) => self.membership(name).ok().flatten(),
        }
    }

    async fn make_node(
        &self,
        making: Making,
        wish: Option<Membership>,
        door: &watch::Sender<Door>,
        batch: &Batch,
        leader: &Leader,
    ) -> Result<(), Failure> {
        let name = making.name().clone();
        let made = if leader.is(&name) {
            let made = self.make_in_place(making, batch, &|| leader.reached(Lead::Boots)).await;
            leader.reached(if made.is_ok() { Lead::Ready } else { Lead::Over });
            made
        } else {
            leader.wait(Lead::Boots).await;
            self.make_in_place(making, batch, &|| ()).await
        };
        let Some(wish) = wish else { return made };
        if wish.role == Role::Worker {
            made?;
            let (opened, ahead) = tokio::join!(opened(door), self.look_while(&name, &wish, leader));
            if !opened {
                return Err(Failure::new("it has no swarm to join: none of the managers came up"));
            }
            let _place = batch.joining.acquire().await;
            let known = door.borrow().known.clone();
            let known = Known { cluster: known.as_deref(), ahead: ahead.as_ref() };
            return self.come_in(&name, &wish, known).await;
        }
        let entered = match made {
            Ok(()) => self.come_in(&name, &wish, Known::default()).await,
            Err(e) => Err(e),
        };
        if leader.is(&name) {
            leader.reached(Lead::Over);
        }
        let known = entered.is_ok().then(|| self.members(&wish.cluster).ok()).flatten().map(Arc::new);
        door.send_modify(|d| {
            d.open |= entered.is_ok();
            d.coming -= 1;
            d.known = known.or(d.known.take());
        });
        if entered.is_ok() {
            self.let_in_who_waits(&wish.cluster, &batch.names).await;
        }
        entered
    }

    /// What a worker sees of the ways to the leader, while that founds the swarm.
    async fn look_while(&self, name: &MachineName, wish: &Membership, leader: &Leader) -> Option<Ahead> {
        match leader.wait(Lead::Ready).await {
            Lead::Ready => self.look_ahead(name, wish, leader.name.as_ref()?).await,
            _ => None,
        }
    }

    async fn make_in_place(
        &self,
        making: Making,
        batch: &Batch,
        made: &(dyn Fn() + Sync),
    ) -> Result<(), Failure> {
        // Never closed.
        let _place = batch.making.acquire().await;
        self.make_machine(making, made).await
    }

    async fn make_machine(&self, making: Making, made: &(dyn Fn() + Sync)) -> Result<(), Failure> {
        match making {
            Making::Create(plan) => self.machines.create_telling(*plan, made).await,
            Making::Finish(name) if self.machines.load(&name)?.stored.own.phase == Phase::Ready => Ok(()),
            Making::Finish(name) => self.machines.resume(&name, &Run::default(), &|_| Ok(())).await,
        }
    }

    async fn come_in(&self, name: &MachineName, wish: &Membership, known: Known<'_>) -> Result<(), Failure> {
        let has_manager = |c: &&Cluster| c.name == wish.cluster && c.joined(Role::Manager).next().is_some();
        let known = Known { cluster: known.cluster.filter(has_manager), ..known };
        let founded = wish.role == Role::Manager || known.cluster.is_some();
        if !founded && !self.manager_comes(name, &wish.cluster).await? {
            // The order of the old workshops: agents first, their master later.
            self.machines.reporter.warn(
                name,
                &format!("the swarm {} has no manager yet: it joins when one is made", wish.cluster),
            );
            return Ok(());
        }
        let entered = self.enter_by(name, known).await;
        entered.map_err(|e| self.not_in(name, &wish.cluster, e))
    }

    fn not_in(&self, name: &MachineName, cluster: &ClusterName, failure: Failure) -> Failure {
        failure
            .detail(format!("the machine {name} itself is ready, and not in the swarm {cluster}"))
            .hint(format!("`{} create --resume {name}` tries again", self.machines.program))
    }

    /// Whether there is a manager. One that another process is still making is waited for.
    async fn manager_comes(&self, name: &MachineName, cluster: &ClusterName) -> Result<bool, Failure> {
        let mut told = false;
        loop {
            let members = self.members(cluster)?.without(name);
            if members.joined(Role::Manager).next().is_some() {
                return Ok(true);
            }
            let coming = members.members.iter().filter(|m| m.membership.role == Role::Manager);
            let mut at_work = false;
            for member in coming {
                at_work |= self.machines.store.lock(&member.machine, Duration::ZERO).await.is_err();
            }
            if !at_work {
                return Ok(self.members(cluster)?.joined(Role::Manager).next().is_some());
            }
            if !told {
                self.machines.step(name, &format!("Waiting for a manager of the swarm {cluster}..."));
                told = true;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Machines that were made for this cluster before it had a manager; those at hand come by themselves.
    async fn let_in_who_waits(&self, cluster: &ClusterName, at_hand: &HashSet<MachineName>) {
        let Ok(cluster) = self.members(cluster) else { return };
        let others = cluster.members.iter().filter(|m| !at_hand.contains(&m.machine));
        let waits = others.filter(|m| {
            let ready = self.machines.load(&m.machine).is_ok_and(|m| m.stored.own.phase == Phase::Ready);
            ready && m.membership.role == Role::Worker && !m.membership.has_joined()
        });
        let places = Semaphore::new(JOINING);
        join_all(waits.map(async |m| {
            let _place = places.acquire().await;
            let known = Known { cluster: Some(&cluster), ahead: None };
            if let Err(e) = self.enter_by(&m.machine, known).await {
                self.machines.reporter.warn(&m.machine, &e.message);
            }
        }))
        .await;
    }
}

async fn opened(door: &watch::Sender<Door>) -> bool {
    let mut door = door.subscribe();
    // The sender outlives all who wait.
    door.wait_for(|d| d.open || d.coming == 0).await.is_ok_and(|d| d.open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_leads_goes_on_and_never_back() {
        let (lead, _) = watch::channel(Lead::Coming);
        let leader = Leader { name: None, lead };
        let others = leader.wait(Lead::Boots);
        leader.reached(Lead::Ready);
        leader.reached(Lead::Boots);
        assert_eq!(others.await, Lead::Ready);
        leader.reached(Lead::Over);
        assert_eq!(leader.wait(Lead::Ready).await, Lead::Over);
        assert_eq!(Leader::among(&[]).wait(Lead::Boots).await, Lead::Over, "nobody waits where nobody leads");
    }
}
