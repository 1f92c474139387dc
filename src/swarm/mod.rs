//! What there is to know and to decide of a swarm, without asking anybody: quorum in words, which address to advertise,
//! what a look at a host said, whether clocks agree, a status as it is shown, which node is next in a roll, and whether services
//! run again what they ran.

pub mod address;
pub mod clock;
pub mod look;
pub mod order;
pub mod quorum;
pub mod room;
pub mod settle;
pub mod status;

pub use address::{Choice, Interface, choose, is_network};
pub use look::{Answer, Look, Probe, Protocol};
pub use quorum::Quorum;
pub use status::{NodeRow, Status};

/// Where managers take those who join.
pub const MANAGER_PORT: u16 = 2377;
/// Where nodes gossip, TCP and UDP.
pub const GOSSIP_PORT: u16 = 7946;
/// Overlay networks, UDP.
pub const OVERLAY_PORT: u16 = 4789;
