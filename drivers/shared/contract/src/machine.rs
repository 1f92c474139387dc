use std::path::Path;

use uuid::Uuid;

use crate::{DriverError, DriverState, Journal, JournalRecord, Keyring, MachineName, Reporter, Tags};

/// A stored machine, read-only.
#[derive(Debug, Clone, Copy)]
pub struct MachineView<'a> {
    pub name: &'a MachineName,
    pub uuid: Uuid,
    pub dir: &'a Path,
    pub state: &'a DriverState,
    pub journal: &'a [JournalRecord],
    pub keyring: &'a dyn Keyring,
}

/// A machine that a driver works on: it may change the state, and journals each resource as soon as it is created.
pub struct MachineHandle<'a> {
    pub name: &'a MachineName,
    pub uuid: Uuid,
    pub dir: &'a Path,
    /// The tags of every resource that is created for the machine.
    pub tags: Tags,
    pub state: &'a mut DriverState,
    pub journal: &'a mut dyn Journal,
    pub keyring: &'a dyn Keyring,
    pub reporter: &'a dyn Reporter,
}

impl MachineHandle<'_> {
    /// Writes the id of a resource into the journal.
    pub fn record_id(&mut self, kind: &str, id: &str) -> Result<(), DriverError> {
        self.journal.record(JournalRecord { kind: kind.to_owned(), id: id.to_owned() })
    }

    /// Writes into the journal that a resource is about to be requested.
    pub fn record_request(&mut self, kind: &str) -> Result<(), DriverError> {
        self.record_id(kind, "")
    }
}
