//! The Docker engine: what it is told, and how it is asked.
//!
//! [`options`] turns what users say into daemon.json and knows dockerd's flags. The client of the engine's API is a
//! crate of its own, because drivers need it too; here it is passed on.

pub(crate) mod options;
#[cfg(test)]
mod tls_tests;

pub(crate) use rmachine_engine_api::{
    EngineClient, EngineError, Redial, TlsFault, TlsFiles, Version, connect_tls, filters, over_tls, segment,
    services, swarm, with_query,
};

impl From<EngineError> for crate::model::Failure {
    fn from(error: EngineError) -> Self {
        Self::from_error(error)
    }
}
