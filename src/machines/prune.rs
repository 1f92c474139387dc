//! What nobody wants any more: machines whose time is over, and what lies at providers without a store that knows it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use rmachine_driver::{Driver, MachineName, Tagged, Tags, Uuid};

use crate::machines::{Machine, Machines};
use crate::model::Failure;
use crate::store::Store;

#[derive(Default)]
pub(crate) struct Prunable {
    pub(crate) expired: Vec<Machine>,
    pub(crate) strays: Vec<(Arc<dyn Driver>, Vec<Tagged>)>,
}

impl Prunable {
    pub(crate) fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.strays.is_empty()
    }
}

impl Machines {
    /// With the reasons why a provider could not be asked or a machine's files could not be read, which keep nobody from
    /// pruning the others.
    pub(crate) async fn prunable(&self, only: Option<&Arc<dyn Driver>>) -> (Prunable, Vec<Failure>) {
        let now = Timestamp::now();
        let wanted = |driver: &str| only.is_none_or(|only| only.name() == driver);
        let ours = match self.known_machines() {
            Ok(ours) => ours,
            // Without the list of machines, everything would look like a leftover.
            Err(failure) => return (Prunable::default(), vec![failure]),
        };
        let (mut expired, mut failures) = self.expired(&ours, now);
        expired.retain(|m| wanted(&m.stored.config.driver_name));
        let mut found = Prunable { expired, strays: Vec::new() };
        let drivers: Vec<_> = self.registry.all().filter(|d| wanted(d.name())).collect();
        let ask = async |driver: &&Arc<dyn Driver>| match driver.tagged_resources() {
            Some(resources) => resources.list_tagged(&self.keyring(driver.name())).await,
            None => Ok(Vec::new()),
        };
        let answers = join_all(drivers.iter().map(ask)).await;
        for (driver, answer) in drivers.iter().zip(answers) {
            match answer {
                Ok(tagged) => {
                    let strays: Vec<_> =
                        tagged.into_iter().filter(|t| self.is_stray(&t.tags, &ours, now)).collect();
                    if !strays.is_empty() {
                        found.strays.push(((*driver).clone(), strays));
                    }
                }
                Err(e) => failures.push(Failure::from(e).prefix(&format!("{}: ", driver.name()))),
            }
        }
        (found, failures)
    }

    /// A machine whose files cannot be read may have expired, and cost money: it is an error.
    fn expired(&self, ours: &KnownMachines, now: Timestamp) -> (Vec<Machine>, Vec<Failure>) {
        let (mut expired, mut failures) = (Vec::new(), Vec::new());
        for name in &ours.names {
            match self.load(name) {
                Ok(machine) if machine.stored.own.expires.is_some_and(|at| at <= now) => {
                    expired.push(machine);
                }
                Ok(_) => {}
                Err(failure) => failures.push(failure),
            }
        }
        (expired, failures)
    }

    /// What another computer made is for its stores to judge, until its time is over. What one of ours made is a stray
    /// once its store does not know it: the store is gone, or the machine was forgotten.
    fn is_stray(&self, tags: &Tags, ours: &KnownMachines, now: Timestamp) -> bool {
        let expired = tags.expires.is_some_and(|at| at <= now.as_second());
        let here = !self.computer.is_empty() && tags.computer == self.computer;
        (expired || here) && !ours.may_own(tags) && !known(tags)
    }

    /// The machines of this store, which may have been moved here from where the tags say.
    fn known_machines(&self) -> Result<KnownMachines, Failure> {
        let mut known = KnownMachines { names: self.store.names()?, ..KnownMachines::default() };
        for name in &known.names {
            match self.store.load_own(name) {
                Ok(own) => known.uuids.insert(own.uuid),
                Err(_) => known.unreadable.insert(name.clone()),
            };
        }
        Ok(known)
    }
}

/// What this store says about its machines.
#[derive(Default)]
struct KnownMachines {
    names: Vec<MachineName>,
    uuids: BTreeSet<Uuid>,
    /// Machines whose record cannot be read: their uuid is unknown, so their name decides.
    unreadable: BTreeSet<MachineName>,
}

impl KnownMachines {
    fn may_own(&self, tags: &Tags) -> bool {
        self.uuids.contains(&tags.uuid) || self.unreadable.contains(&tags.machine)
    }
}

/// Whether a store may know the machine. Only one that can be looked into, or that is plainly gone, does not: somebody
/// else's, one on a disk that is not readable and a machine that cannot be read count as knowing it.
fn known(tags: &Tags) -> bool {
    let store = Store::at(&tags.store);
    if !Path::new(&tags.store).is_absolute() {
        return true;
    }
    match std::fs::read_dir(store.machines_dir()) {
        Err(e) => e.kind() != ErrorKind::NotFound,
        Ok(_) if !store.exists(&tags.machine) => false,
        Ok(_) => store.load(&tags.machine).map_or(true, |machine| machine.own.uuid == tags.uuid),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make what they look at")]
mod tests {
    use std::fs;

    use super::*;

    fn tags(store: &Path) -> Tags {
        Tags {
            uuid: Uuid::from_u128(1),
            machine: MachineName::parse("m").unwrap(),
            store: store.to_string_lossy().into_owned(),
            computer: "here".to_owned(),
            expires: None,
        }
    }

    #[test]
    fn a_machine_with_a_damaged_record_is_no_stray_in_a_moved_store() {
        let dir = tempfile::tempdir().unwrap();
        let machines = crate::machines::tests::machines(dir.path());
        let machines = Machines { computer: "here".to_owned(), ..machines };
        let tags = tags(&dir.path().join("where-the-store-was"));
        let is_stray = || machines.is_stray(&tags, &machines.known_machines().unwrap(), Timestamp::now());
        assert!(is_stray(), "no store knows it");
        let folder = machines.store.machine_dir(&tags.machine);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), "{}").unwrap();
        fs::write(folder.join("rmachine.json"), "{\"Version\":1,").unwrap();
        assert!(!is_stray(), "its record cannot be read");
    }

    #[tokio::test]
    async fn prune_reports_a_machine_whose_record_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let machines = crate::machines::tests::machines(dir.path());
        let folder = dir.path().join("machines/m");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), "{}").unwrap();
        fs::write(folder.join("rmachine.json"), "{\"Version\":1,").unwrap();
        let (found, failures) = machines.prunable(None).await;
        assert!(found.is_empty());
        let messages: Vec<_> = failures.iter().map(|f| f.message.as_str()).collect();
        assert!(matches!(messages[..], [one] if one.contains("m/rmachine.json is damaged")), "{messages:?}");
    }

    #[test]
    fn only_a_store_that_can_be_looked_into_or_is_gone_does_not_know() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!known(&tags(dir.path())), "a store without machines knows none");
        assert!(!known(&tags(&dir.path().join("gone"))));
        assert!(known(&tags(Path::new("relative"))), "it is another folder here than where it was made");
        // Not a folder, so it cannot be looked into: what root cannot be refused otherwise.
        fs::write(dir.path().join("machines"), "").unwrap();
        assert!(known(&tags(dir.path())));
        fs::remove_file(dir.path().join("machines")).unwrap();
        fs::create_dir_all(dir.path().join("machines/m")).unwrap();
        assert!(known(&tags(dir.path())), "a machine that cannot be read may be it");
        fs::write(dir.path().join("machines/m/config.json"), "{}").unwrap();
        fs::write(dir.path().join("machines/m/rmachine.json"), "broken").unwrap();
        assert!(known(&tags(dir.path())));
    }
}
