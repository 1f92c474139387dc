//! What this driver writes into the journal, and the kinds of resources that it reports.

use rmachine_driver::{DriverError, JournalRecord, Leftovers, MachineHandle, Resource};

pub(crate) const CONTAINER: &str = "container";
pub(crate) const NETWORK: &str = "network";
pub(crate) const VOLUME: &str = "volume";

pub(crate) fn record_id(machine: &mut MachineHandle<'_>, kind: &str, id: &str) -> Result<(), DriverError> {
    machine.journal.record(JournalRecord { kind: kind.to_owned(), id: id.to_owned() })
}

/// Before a resource is requested.
pub(crate) fn record_request(machine: &mut MachineHandle<'_>, kind: &str) -> Result<(), DriverError> {
    record_id(machine, kind, "")
}

/// Whether a resource was requested whose id is not known, so that it may exist or not.
pub(crate) fn has_unknown_id(records: &[JournalRecord], kind: &str) -> bool {
    records.iter().any(|r| r.kind == kind && r.id.is_empty())
}

pub(crate) fn ids<'a>(records: &'a [JournalRecord], kind: &'a str) -> impl Iterator<Item = &'a str> {
    records.iter().filter(move |r| r.kind == kind && !r.id.is_empty()).map(|r| r.id.as_str())
}

pub(crate) fn container_left(id: String) -> Leftovers {
    Leftovers::Known(vec![Resource { kind: CONTAINER.to_owned(), id }])
}
