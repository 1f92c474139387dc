//! What there is to know and to decide of a swarm, without asking anybody: quorum in words, which address to advertise,
//! what a look at a host said, whether clocks agree, a status as it is shown, which node is next in a roll, and whether services
//! run again what they ran.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod disk_space;
pub(crate) mod host_report;
pub(crate) mod quorum;
pub(crate) mod roll_order;
pub(crate) mod settled_services;
pub(crate) mod status;

pub(crate) use address::{Choice, Interface, choose, is_network};
pub(crate) use host_report::Answer;
pub(crate) use quorum::Quorum;
pub(crate) use status::{NodeRow, SwarmStatus};

/// Where managers take those who join.
pub(crate) const MANAGER_PORT: u16 = 2377;
/// Where nodes gossip, TCP and UDP.
pub(crate) const GOSSIP_PORT: u16 = 7946;
/// Overlay networks, UDP.
pub(crate) const OVERLAY_PORT: u16 = 4789;
