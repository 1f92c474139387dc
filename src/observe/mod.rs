//! What runs on clusters, to be seen: logs of all nodes, how busy the nodes are, where their metrics are.
//!
//! Beside `deploy`, above `swarm`; changes nothing.

pub(crate) mod logs;
pub(crate) mod metrics_targets;
pub(crate) mod node_load;
