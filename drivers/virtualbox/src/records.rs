//! The kinds of records that this driver writes into the journal.

use rmachine_driver::JournalRecord;

pub(crate) const VM: &str = "virtual machine";
/// The virtual machine has all its parts and was not started yet.
pub(crate) const COMPLETE: &str = "complete virtual machine";
/// A host-only adapter that was created for machines of ours.
pub(crate) const ADAPTER: &str = "host-only adapter";
/// The host-only adapters that existed before one was created; `-` if there were none.
pub(crate) const ADAPTERS_BEFORE: &str = "host-only adapters before";
pub(crate) const DHCP_SERVER: &str = "DHCP server";
/// The source and the target of a disk conversion, one a line, by which the remains of an interrupted one are found.
pub(crate) const CONVERSION: &str = "conversion";

pub(crate) fn has_any(records: &[JournalRecord], kinds: &[&str]) -> bool {
    records.iter().any(|r| kinds.contains(&r.kind.as_str()))
}
