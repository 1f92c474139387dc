//! The contract's journal, kept in rmachine.json.

use rmachine_driver::{DriverError, DriverErrorKind, Journal, JournalRecord, Leftovers, Resource};

use crate::store::{MachineLock, OwnState, Store, StoreError};

/// Writes each record to disk before a driver goes on. Borrows only our own state, so that the driver can change its
/// own beside it.
#[derive(Debug)]
pub(crate) struct StoreJournal<'a> {
    store: &'a Store,
    lock: &'a MachineLock,
    own: &'a mut OwnState,
}

impl<'a> StoreJournal<'a> {
    pub(crate) fn new(store: &'a Store, lock: &'a MachineLock, own: &'a mut OwnState) -> Self {
        Self { store, lock, own }
    }
}

impl Journal for StoreJournal<'_> {
    fn record(&mut self, record: JournalRecord) -> Result<(), DriverError> {
        add(&mut self.own.journal, record.clone());
        self.store.save_own(self.lock, self.own).map_err(|e| unsaved(e, record))
    }

    fn records(&self) -> &[JournalRecord] {
        &self.own.journal
    }
}

/// Completes the record of that kind that waits for its id, or adds one. What is there already stays one.
fn add(records: &mut Vec<JournalRecord>, record: JournalRecord) {
    if records.contains(&record) {
        return;
    }
    match records.iter_mut().find(|r| r.kind == record.kind && r.id.is_empty()) {
        Some(waiting) => *waiting = record,
        None => records.push(record),
    }
}

/// A thing with an id exists by now, and nothing but this error knows it.
fn unsaved(error: StoreError, record: JournalRecord) -> DriverError {
    let JournalRecord { kind, id } = record;
    let left = if id.is_empty() { Leftovers::None } else { Leftovers::Known(vec![Resource { kind, id }]) };
    DriverError::new(DriverErrorKind::Invalid, error.to_string()).left(left).caused_by(error)
}
