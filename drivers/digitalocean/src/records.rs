//! The kinds of resources that this driver writes into the journal: once before it requests a resource, and again with the id
//! from the answer.

use rmachine_driver::{JournalRecord, Leftovers, Resource};

/// The account that the resources belong to; it is not a resource, so `rm` does not remove it.
pub(crate) const ACCOUNT: &str = "account";
pub(crate) const DROPLET: &str = "droplet";
pub(crate) const FIREWALL: &str = "firewall";
pub(crate) const KEY: &str = "key";
pub(crate) const RESERVED_IP: &str = "reserved-ip";

/// Whether a resource of this kind was ever requested.
pub(crate) fn is_requested(records: &[JournalRecord], kind: &str) -> bool {
    records.iter().any(|r| r.kind == kind)
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
