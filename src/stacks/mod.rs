//! Stacks: sets of services that are deployed on a swarm. `definition` reads and renders them, `deploy` works on a swarm.

pub mod definition;
pub(crate) mod deploy;
