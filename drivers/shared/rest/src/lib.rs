//! What drivers of clouds with a JSON API over HTTPS share: requests that are repeated where that is safe, one rate limit for
//! all requests of a process, lists of several pages, and paths that an id cannot change.

mod api;
mod backoff;
mod error;
mod gate;
mod https;
mod path;
mod polls;
mod provider;
#[cfg(test)]
mod tests;
mod transport;

pub use reqwest::Method;

pub use api::Api;
pub use error::ApiError;
pub use gate::RateGate;
pub use https::Https;
pub use path::RequestPath;
pub use polls::Polls;
pub use provider::Provider;
pub use transport::{Answer, Call, SendError, Transport};
