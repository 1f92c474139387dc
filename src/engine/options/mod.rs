//! Engine options: what users type, typed, and merged into the engine's daemon.json.
//!
//! All of it is text to value: nothing here touches a host. What a user got wrong is refused by [`EngineSettings::parse`],
//! before anything is made; what a host's own files got wrong by [`parse_daemon_json`] and [`daemon_json`].

mod flags;
mod merge;
mod parse;
mod settings;
mod table;
mod unit;
mod value;

pub(crate) use flags::without_clashes;
pub(crate) use merge::{Endpoints, daemon_json, parse_daemon_json, render};
pub(crate) use parse::EngineOpt;
pub(crate) use settings::{EngineFlags, EngineSettings};
pub(crate) use table::closest;
pub(crate) use unit::systemd_environment;

/// An engine option that cannot be, or a daemon.json that nothing can be added to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    #[error("{name:?} is no option of the Docker engine{}", meant(*.nearest))]
    Unknown { name: String, nearest: Option<&'static str> },
    #[error("the engine option {name} cannot be used: {why}")]
    Refused { name: &'static str, why: &'static str },
    #[error("{origin} takes {expected}, not {given:?}")]
    Value { origin: String, given: String, expected: String },
    #[error("{origin} needs a value: {expected}")]
    NoValue { origin: String, expected: String },
    #[error("the engine label {key:?} is given twice, as {first:?} and as {second:?}")]
    TwoLabels { key: String, first: String, second: String },
    #[error("the engine option {name} needs Docker {since} or later; this host has {found}")]
    TooOld { name: &'static str, since: String, found: String },
    #[error("the engine option {name} is experimental in Docker {found}: add --engine-opt experimental")]
    Experimental { name: &'static str, found: String },
    #[error("daemon.json is not valid JSON: {reason}")]
    NotJson { reason: String },
    #[error("daemon.json holds {found} where an object is expected")]
    NotAnObject { found: &'static str },
    #[error("daemon.json holds {found} under {key:?} where {expected} is expected")]
    Conflict { key: String, found: &'static str, expected: &'static str },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default()
}
