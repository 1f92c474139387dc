//! What the file said of a machine, in the machine's own state.

use std::time::Duration;

use rmachine_driver::MachineName;

use crate::cluster::Kit;
use crate::cluster::model::{Node, Wanted};
use crate::machines::CreatePlan;
use crate::model::{Declared, Due, Failure, Membership};

/// Others hold a machine's lock for as long as they work on it.
const LOCK_WAIT: Duration = Duration::from_secs(30);

impl Node {
    pub(super) fn declared(&self) -> Declared {
        Declared { options: self.asked(), labels: self.labels.keys().cloned().collect(), due: None }
    }
}

impl Kit<'_> {
    /// A machine to be made, which knows from its first moment on where it belongs.
    pub(super) fn making(&self, wanted: &Wanted, node: &Node) -> Result<CreatePlan, Failure> {
        let mut plan = (self.draft)(node)?;
        plan.own.swarm =
            Some(Membership::new(wanted.name.clone(), node.role, node.settings(&wanted.settings)));
        plan.own.declared = Some(node.declared());
        Ok(plan)
    }

    /// Written only when it says something new.
    pub(super) async fn note(
        &self,
        name: &MachineName,
        change: impl FnOnce(&mut Declared),
    ) -> Result<(), Failure> {
        let store = &self.swarm.machines.store;
        let failed = Failure::from;
        let lock = store.lock(name, LOCK_WAIT).await.map_err(failed)?;
        let mut own = store.load(name).map_err(failed)?.own;
        let before = own.declared.clone();
        let mut declared = before.clone().unwrap_or_default();
        change(&mut declared);
        if before.as_ref() == Some(&declared) {
            return Ok(());
        }
        own.declared = Some(declared);
        store.save_own(&lock, &own).map_err(failed)
    }

    /// A machine that is there and has not joined: the file may say other things by now than when it was begun. With its
    /// join a leave and a join that was cut short is done.
    pub(super) async fn note_wish(&self, wanted: &Wanted, node: &Node) -> Result<(), Failure> {
        let (store, name) = (&self.swarm.machines.store, &node.name);
        if self.swarm.membership(name)?.is_none_or(|m| m.has_joined()) {
            return Ok(());
        }
        let failed = Failure::from;
        let lock = store.lock(name, LOCK_WAIT).await.map_err(failed)?;
        let mut own = store.load(name).map_err(failed)?.own;
        if own.swarm.as_ref().is_some_and(Membership::has_joined) {
            return Ok(());
        }
        own.swarm = Some(Membership::new(wanted.name.clone(), node.role, node.settings(&wanted.settings)));
        own.declared.iter_mut().filter(|d| d.due == Some(Due::Rejoin)).for_each(|d| d.due = None);
        store.save_own(&lock, &own).map_err(failed)
    }

    /// That a roll still has this to do, so that it goes on after it was cut short.
    pub(super) async fn note_due(
        &self,
        node: Option<&Node>,
        name: &MachineName,
        due: Option<Due>,
    ) -> Result<(), Failure> {
        self.note(name, |declared| {
            if declared.options.is_empty() && declared.labels.is_empty() {
                // It was made without a file: what holds for it now is what the file says.
                declared.options = node.map(Node::asked).unwrap_or_default();
            }
            declared.due = due;
        })
        .await
    }

    /// Which labels come from the file from now on.
    pub(super) async fn note_labels(&self, node: &Node) -> Result<(), Failure> {
        self.note(&node.name, |declared| {
            if *declared == Declared::default() {
                declared.options = node.asked();
            }
            declared.labels = node.labels.keys().cloned().collect();
        })
        .await
    }
}
