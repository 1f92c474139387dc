//! What runs on clusters, to be seen: logs of all nodes, how busy the nodes are, where their metrics are.
//!
//! Beside `deploy`, above `lifecycle`; changes nothing.

pub mod load;
pub mod logs;
pub mod targets;
