//! What DigitalOcean's API has of its own: names of headers, shape of errors and lists.

use rmachine_driver::{DriverError, DriverErrorKind};
use rmachine_rest::{ApiError, Provider};
use serde::Deserialize;
use serde_json::Value;

pub(crate) const URL: &str = "https://api.digitalocean.com";

pub(crate) static DIGITALOCEAN: Provider = Provider {
    name: "DigitalOcean",
    rate_remaining: "ratelimit-remaining",
    rate_reset: "ratelimit-reset",
    items_per_page: 200,
    error_message,
    has_next_page,
    unknown_token_hints: &[
        "rmachine credentials set digitalocean",
        "or give a new one with --digitalocean-access-token or DIGITALOCEAN_ACCESS_TOKEN",
    ],
    missing_permission_hints: &[
        "the token needs the scopes account, droplet, ssh_key, tag and sizes, and those of what the flags ask for",
    ],
};

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

fn error_message(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.message)
}

fn has_next_page(body: &Value) -> bool {
    body.pointer("/links/pages/next").is_some_and(Value::is_string)
}

/// Whether the provider refused because an earlier action on the resource has not ended.
pub(crate) fn is_pending(error: &ApiError) -> bool {
    let pending = |message: &str| message.to_ascii_lowercase().contains("pending");
    matches!(error.refusal(), Some((409 | 422, message)) if pending(message))
}

/// After several attempts to create something, each with an unclear answer.
pub(crate) fn unanswered(what: &str) -> DriverError {
    let message = format!("DigitalOcean did not answer any of the requests to create {what}");
    DriverError::new(DriverErrorKind::Unreachable, message)
}
