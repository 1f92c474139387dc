//! One request to the provider and what came back, over HTTPS or, in tests, in process.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use rmachine_driver::{DriverError, DriverErrorKind};
use serde_json::Value;

pub(crate) const API: &str = "https://api.digitalocean.com";
const CONNECT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// Its `Debug` shows no body: the user-data hold a private key.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    /// With its query.
    pub path: String,
    pub body: Option<Value>,
    pub token: SecretString,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.method, self.path)
    }
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// How long the provider asks to be left alone.
    pub pause: Option<Duration>,
    pub body: Vec<u8>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The request never left: it can have had no effect.
    Before(String),
    /// Nobody knows what it did.
    Perhaps(String),
}

#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    async fn send(&self, call: &Call) -> Result<Answer, Lost>;
}

/// The real one.
#[derive(Debug)]
pub(crate) struct Https {
    client: Client,
    base: String,
}

impl Https {
    /// The token travels in every request: in the clear it may only go to this very computer.
    pub(crate) fn to(base: &str) -> Result<Self, DriverError> {
        let refused = |why: &str| DriverError::invalid(format!("the API's address {base:?} {why}"));
        let url = Url::parse(base).map_err(|e| refused(&format!("is no URL: {e}")))?;
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
            return Err(refused("is not https://, and the token would be readable on its way"));
        }
        let client = Client::builder()
            .user_agent(concat!("rmachine/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .build()
            .map_err(|e| DriverError::new(DriverErrorKind::Invalid, format!("cannot speak HTTPS: {e}")))?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned() })
    }

    fn request(&self, call: &Call) -> Result<reqwest::RequestBuilder, Lost> {
        let url = format!("{}{}", self.base, call.path);
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", call.token.expose_secret().trim()))
            .map_err(|_| Lost::Before("the token is no text that HTTP can carry".to_owned()))?;
        bearer.set_sensitive(true);
        let request = match call.method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url),
            Method::Put => self.client.put(url),
            Method::Delete => self.client.delete(url),
        };
        let request = request.header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
        Ok(match &call.body {
            Some(body) => request.json(body),
            None => request,
        })
    }
}

#[async_trait]
impl Transport for Https {
    async fn send(&self, call: &Call) -> Result<Answer, Lost> {
        let answer = self.request(call)?.send().await.map_err(|e| {
            let why = reason(&e);
            if e.is_connect() || e.is_builder() { Lost::Before(why) } else { Lost::Perhaps(why) }
        })?;
        let (status, pause) = (answer.status().as_u16(), pause(answer.headers()));
        let body = answer.bytes().await.map_err(|e| Lost::Perhaps(reason(&e)))?;
        Ok(Answer { status, pause, body: body.to_vec() })
    }
}

/// The innermost reason: the outer ones only say that something failed.
fn reason(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    reason.to_string()
}

/// `Retry-After` in seconds; without it, until the rate limit is renewed, once it is used up.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds));
    }
    if number("ratelimit-remaining") != Some(0) {
        return None;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(number("ratelimit-reset")?).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_not_sent_in_the_clear() {
        for good in [API, "https://do.example.com/x", "http://127.0.0.1:8080", "http://localhost:1"] {
            assert!(Https::to(good).is_ok(), "{good}");
        }
        for bad in ["http://api.digitalocean.com", "ftp://127.0.0.1", "api.digitalocean.com", ""] {
            assert!(Https::to(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pauses_are_read() {
        let of = |pairs: &[(&'static str, String)]| {
            let headers = pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()));
            pause(&headers.collect::<HeaderMap>())
        };
        assert_eq!(of(&[("retry-after", "7".into())]), Some(Duration::from_secs(7)));
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 100;
        let used_up = [("ratelimit-remaining", "0".into()), ("ratelimit-reset", soon.to_string())];
        let wait = of(&used_up).unwrap().as_secs();
        assert!((98..=100).contains(&wait), "{wait}");
        assert_eq!(of(&used_up[1..]), None, "nothing says that it is used up");
        assert_eq!(of(&[("retry-after", "soon".into())]), None);
    }
}
