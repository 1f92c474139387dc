//! A cluster declared in one file: read ([`file`]), compared with what is there ([`look`], [`plan`]), and brought about
//! ([`up`], [`roll`], [`down`]).
//!
//! What belongs to a cluster is recorded in each machine's own state, and nowhere else. Reading, planning and the order of
//! a roll ask nobody; what is done is done by the swarm's operations.

pub(crate) mod apply;
mod declaration;
pub(crate) mod down;
pub(crate) mod file;
mod model;
mod network;
pub mod plan;
pub(crate) mod present_state;
mod read;
pub(crate) mod roll;
mod schedule;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::machines::CreatePlan;
use crate::model::Failure;
use crate::store::StoredMachine;
use crate::swarm::Swarm;

pub use model::{Given, Network, Node, Options, Stack, StackParameter, Wanted};
pub(crate) use plan::{Action, Fixed, Plan, Present, Step, Subject};
pub use read::{Place, Remark};

/// What turns a node of the file into a machine; it belongs to `create`, which lies above.
pub(crate) type Draft<'a> = &'a dyn Fn(&Node) -> Result<CreatePlan, Failure>;
/// What tells an existing machine what the file says of its engine.
pub(crate) type Amendment<'a> = &'a dyn Fn(&Node, &mut StoredMachine) -> Result<(), Failure>;

/// The tools for work on a cluster.
pub struct Kit<'a> {
    pub swarm: Swarm,
    pub draft: Draft<'a>,
    pub amend: Amendment<'a>,
    /// Hears what is about the cluster as a whole.
    pub tell: &'a dyn Fn(&str),
}

/// How much at a time, and how long is waited.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub at_once: usize,
    /// For tasks to move, and for nodes to come back.
    pub wait: Duration,
}
