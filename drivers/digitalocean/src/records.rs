//! What this driver writes into the journal: one record before it requests a resource, without an id, and the same with the id
//! from the answer.

use rmachine_driver::{DriverError, JournalRecord, Leftovers, MachineHandle, Resource};

/// Whose resources they are; the provider has nothing to remove for it.
pub(crate) const ACCOUNT: &str = "account";
pub(crate) const DROPLET: &str = "droplet";
pub(crate) const FIREWALL: &str = "firewall";
pub(crate) const KEY: &str = "key";
pub(crate) const RESERVED_IP: &str = "reserved-ip";

pub(crate) fn record_id(machine: &mut MachineHandle<'_>, kind: &str, id: &str) -> Result<(), DriverError> {
    machine.journal.record(JournalRecord { kind: kind.to_owned(), id: id.to_owned() })
}

/// Before a resource is requested.
pub(crate) fn record_request(machine: &mut MachineHandle<'_>, kind: &str) -> Result<(), DriverError> {
    record_id(machine, kind, "")
}

/// Whether a resource of this kind was ever requested.
pub(crate) fn is_requested(records: &[JournalRecord], kind: &str) -> bool {
    records.iter().any(|r| r.kind == kind)
}

/// Whether a resource was requested whose id is not known, so that it may exist or not.
pub(crate) fn has_unknown_id(records: &[JournalRecord], kind: &str) -> bool {
    records.iter().any(|r| r.kind == kind && r.id.is_empty())
}

pub(crate) fn ids<'a>(records: &'a [JournalRecord], kind: &'a str) -> impl Iterator<Item = &'a str> {
    records.iter().filter(move |r| r.kind == kind && !r.id.is_empty()).map(|r| r.id.as_str())
}

/// The id of the resource that was requested last, if it is known.
pub(crate) fn last_id<'a>(records: &'a [JournalRecord], kind: &str) -> Option<&'a str> {
    records.iter().rev().find(|r| r.kind == kind).map(|r| r.id.as_str()).filter(|id| !id.is_empty())
}

/// What the journal names, for errors that cannot say more.
pub(crate) fn leftovers(records: &[JournalRecord]) -> Leftovers {
    let created = records.iter().filter(|r| r.kind != ACCOUNT);
    let left: Vec<Resource> = created
        .map(|r| {
            let id = if r.id.is_empty() { "of unknown id" } else { &r.id };
            Resource { kind: r.kind.clone(), id: id.to_owned() }
        })
        .collect();
    if left.is_empty() { Leftovers::None } else { Leftovers::Known(left) }
}
