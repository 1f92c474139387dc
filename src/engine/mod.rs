//! The Docker engine: what it is told, and how it is asked.
//!
//! [`options`] turns what users say into daemon.json and knows dockerd's flags. The client of the engine's API is a
//! crate of its own, because drivers need it too; here it is passed on.

pub mod options;
#[cfg(test)]
mod tls_tests;

pub use rmachine_engine_api::{
    EngineClient, EngineError, Frame, TlsFault, TlsFiles, Version, client, connect_tls, filters, over_tls,
    segment, services, swarm, tls, with_query,
};
