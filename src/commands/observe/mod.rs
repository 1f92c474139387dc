//! Commands that watch a running swarm.

pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod top;
