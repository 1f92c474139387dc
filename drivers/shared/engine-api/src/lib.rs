//! The Docker engine's API over any stream: TLS, a unix socket, a channel of an SSH session.
//!
//! One client for the core, which speaks to the engines of machines, and for drivers, whose provider is an engine. It
//! reads no environment and no files but those whose paths it is given, and docker's contexts in folders it is given.

pub mod client;
mod conditions;
pub mod context;
mod error;
mod frames;
pub mod host;
pub mod query;
mod redial;
pub mod services;
mod stream;
pub mod swarm;
pub mod tls;

pub use client::{EngineClient, Version};
pub use error::{EngineError, TlsFault};
pub use frames::{Frame, Frames};
pub use host::{Connection, EngineHost, HostError, HostSettings};
pub use hyper::Method;
pub use hyper::body::Bytes;
pub use query::{filters, segment, with_query};
pub use redial::Redial;
pub use stream::{JsonLines, Payload};
pub use tls::{TlsFiles, connect_tls, over_tls};
