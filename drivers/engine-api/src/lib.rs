//! The Docker engine's API over any stream: TLS, a unix socket, a channel of an SSH session.
//!
//! One client for the core, which speaks to the engines of machines, and for drivers, whose provider is an engine. It
//! reads no environment and no files but those whose paths it is given.

pub mod client;
mod error;
pub mod tls;

pub use client::{EngineClient, Version};
pub use error::{EngineError, TlsFault};
pub use tls::{TlsFiles, connect_tls, over_tls};
