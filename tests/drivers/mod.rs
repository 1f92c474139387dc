//! One suite for every driver of the registry: what the core relies on holds for each of them.
//!
//! What needs a provider runs only where `Given` says how this computer can play it; a driver without an entry there fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rmachine::registry::Registry;
use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{
    CreateRequest, Draft, DraftRequest, Driver, DriverError, DriverState, Journal, JournalRecord, MachineHandle,
    MachineName, MachineView, OptionKind, OptionSpec, Options, Restart, Silent, Source, Uuid, Value,
};
use tempfile::TempDir;

const SECRET: &str = "s3cr3t-0f-th3-pr0v1d3r";
const STORE: &str = "/nowhere/store";

/// The keys that docker-machine's drivers begin with, in its order.
const NINE: [&str; 9] = [
    "IPAddress", "MachineName", "SSHUser", "SSHPort", "SSHKeyPath", "StorePath", "SwarmMaster", "SwarmHost",
    "SwarmDiscovery",
];

/// The least that a driver wants to be told.
fn needed(driver: &str) -> &'static [(&'static str, &'static str)] {
    match driver {
        "generic" => &[("generic-ip-address", "127.0.0.1")],
        "none" => &[("url", "tcp://127.0.0.1:2376")],
        _ => &[],
    }
}

fn drivers() -> Vec<Arc<dyn Driver>> {
    let registry = Registry::default();
    let drivers: Vec<_> = registry.names().into_iter().map(|name| registry.find(name).unwrap()).collect();
    assert!(drivers.len() >= 2);
    drivers
}

fn name() -> MachineName {
    MachineName::parse("suite").unwrap()
}

fn enough(driver: &dyn Driver) -> Options {
    let mut options = Options::defaults(&driver.options());
    for (name, value) in needed(driver.name()) {
        options.set(name, Value::Text((*value).to_owned()), Source::Given);
    }
    options
}

fn draft(driver: &dyn Driver, options: &Options) -> Result<Draft, DriverError> {
    let dir = Path::new(STORE).join("machines/suite");
    driver.draft(&DraftRequest { name: &name(), options, store_path: Path::new(STORE), machine_dir: &dir })
}

/// A machine of a driver, in a folder that is there, with a journal in memory.
struct Machine {
    name: MachineName,
    dir: TempDir,
    state: DriverState,
    journal: Memory,
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Memory(Vec<JournalRecord>);

impl Journal for Memory {
    fn record(&mut self, record: JournalRecord) -> Result<(), DriverError> {
        self.0.push(record);
        Ok(())
    }

    fn records(&self) -> &[JournalRecord] {
        &self.0
    }
}

impl Machine {
    fn of(driver: &dyn Driver) -> Self {
        let state = draft(driver, &enough(driver)).unwrap().state;
        Self { name: name(), dir: TempDir::new().unwrap(), state, journal: Memory::default() }
    }

    fn view(&self) -> MachineView<'_> {
        MachineView {
            name: &self.name,
            uuid: Uuid::nil(),
            dir: self.dir.path(),
            state: &self.state,
            journal: &self.journal.0,
        }
    }

    fn handle(&mut self) -> MachineHandle<'_> {
        MachineHandle {
            name: &self.name,
            uuid: Uuid::nil(),
            dir: self.dir.path(),
            state: &mut self.state,
            journal: &mut self.journal,
            reporter: &Silent,
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().path()).collect()
    }
}
