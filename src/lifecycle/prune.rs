//! What nobody wants any more: machines whose time is over, and what lies at providers without a store that knows it.

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use rmachine_driver::{Driver, Tagged, Tags};

use super::{Failure, Lifecycle, Machine};
use crate::store::Store;

#[derive(Default)]
pub struct Prunable {
    pub expired: Vec<Machine>,
    pub strays: Vec<(Arc<dyn Driver>, Vec<Tagged>)>,
}

impl Prunable {
    pub fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.strays.is_empty()
    }
}

impl Lifecycle {
    /// With the reasons why a provider could not be asked, which keep nobody from pruning at the others.
    pub async fn prunable(&self) -> (Prunable, Vec<Failure>) {
        let now = Timestamp::now();
        let mut found = Prunable { expired: self.expired(now), strays: Vec::new() };
        let mut failures = Vec::new();
        let drivers = self.registry.all();
        let answers = join_all(drivers.iter().map(|driver| driver.tagged())).await;
        for (driver, answer) in drivers.iter().zip(answers) {
            match answer {
                Ok(tagged) => {
                    let strays: Vec<_> = tagged.into_iter().filter(|t| self.is_stray(&t.tags, now)).collect();
                    if !strays.is_empty() {
                        found.strays.push((driver.clone(), strays));
                    }
                }
                Err(e) => failures.push(Failure::from(e).prefix(&format!("{}: ", driver.name()))),
            }
        }
        (found, failures)
    }

    fn expired(&self, now: Timestamp) -> Vec<Machine> {
        let names = self.store.names().unwrap_or_default();
        let machines = names.iter().filter_map(|name| self.load(name).ok());
        machines.filter(|m| m.stored.own.expires.is_some_and(|at| at <= now)).collect()
    }

    /// What another computer made is for its stores to judge, until its time is over. What one of ours made is a stray
    /// once its store does not know it: the store is gone, or the machine was forgotten.
    fn is_stray(&self, tags: &Tags, now: Timestamp) -> bool {
        let expired = tags.expires.is_some_and(|at| at <= now.as_second());
        let here = !self.computer.is_empty() && tags.computer == self.computer;
        (expired || here) && !known(tags)
    }
}

/// A machine that cannot be read may be this one: it counts as known.
fn known(tags: &Tags) -> bool {
    let store = Store::at(&tags.store);
    if !store.exists(&tags.machine) {
        return false;
    }
    store.load(&tags.machine).map_or(true, |machine| machine.own.uuid == tags.uuid)
}
