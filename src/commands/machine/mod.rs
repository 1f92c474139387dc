//! Commands that create, list, change and remove machines.

pub(crate) mod adopt;
pub(crate) mod create;
pub(crate) mod export;
pub(crate) mod firewall;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod restart;
pub(crate) mod rm;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
