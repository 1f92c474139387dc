//! The Docker engine: what it is told, and how it is asked.
//!
//! [`options`] turns what users say into daemon.json and knows dockerd's flags; [`client`] speaks to the engine's API over
//! any stream; [`tls`] makes such a stream of an address and certificates.

pub mod client;
mod error;
pub mod options;
pub mod tls;

pub use client::{EngineClient, Version};
pub use error::{EngineError, TlsFault};
pub use tls::{TlsFiles, check_tls, connect_tls};
