use serde::{Deserialize, Serialize};

use crate::DriverError;

/// One thing that a driver made at its provider, or is about to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct JournalRecord {
    pub kind: String,
    /// Empty while the provider has not told it: the request is on its way, tagged with the machine's uuid.
    pub id: String,
}

/// The ids of what a driver made, on disk the moment each is known.
pub trait Journal: Send + Sync {
    /// Returns once the record is safe on disk. A record of the same kind without an id is completed by one with it.
    fn record(&mut self, record: JournalRecord) -> Result<(), DriverError>;

    fn records(&self) -> &[JournalRecord];
}

/// The known ids of the resources of one kind.
pub fn recorded_ids<'a>(records: &'a [JournalRecord], kind: &'a str) -> impl Iterator<Item = &'a str> {
    records.iter().filter(move |r| r.kind == kind && !r.id.is_empty()).map(|r| r.id.as_str())
}

/// Whether a resource of this kind was requested whose id is not known: it may exist or not.
pub fn has_unknown_id(records: &[JournalRecord], kind: &str) -> bool {
    records.iter().any(|r| r.kind == kind && r.id.is_empty())
}
