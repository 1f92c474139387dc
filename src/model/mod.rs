//! The domain's words, without I/O: names, roles, membership, what a cluster file declared, and how work fails.

mod declared;
mod failure;
mod install_method;
mod membership;

pub(crate) use declared::{Declared, Due};
pub use failure::{Exit, Failure};
pub(crate) use install_method::InstallMethod;
pub use membership::{Availability, ClusterName, ClusterNameError, Membership, Role, SwarmSettings};
