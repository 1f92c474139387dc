//! The kinds of resources that this driver writes into the journal and reports.

use rmachine_driver::{Leftovers, Resource};

pub(crate) const CONTAINER: &str = "container";
pub(crate) const NETWORK: &str = "network";
pub(crate) const VOLUME: &str = "volume";

pub(crate) fn container_left(id: String) -> Leftovers {
    Leftovers::Known(vec![Resource { kind: CONTAINER.to_owned(), id }])
}
