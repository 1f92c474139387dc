use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use rmachine_driver::DriverError;
use rmachine_driver::secrecy::ExposeSecret;

use crate::provider::Provider;
use crate::transport::{Answer, Call, SendError, Transport};

const CONNECT: Duration = Duration::from_secs(10);
const BODY_LIMIT_MB: usize = 16;
const BODY_LIMIT: usize = BODY_LIMIT_MB * 1_000_000;

/// The transport that is not for tests.
#[derive(Debug)]
pub struct Https {
    provider: &'static Provider,
    client: Client,
    base: String,
}

impl Https {
    /// Refuses plain HTTP to any other computer, because every request carries the token. Redirects are not followed, so
    /// that no other host gets it.
    pub fn to(provider: &'static Provider, base: &str) -> Result<Self, DriverError> {
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
            .map_err(|e| DriverError::invalid(format!("cannot set up HTTPS: {e}")))?;
        Ok(Self { provider, client, base: base.trim_end_matches('/').to_owned() })
    }

    fn request(&self, call: &Call) -> Result<RequestBuilder, SendError> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", call.token.expose_secret().trim()))
            .map_err(|_| {
                SendError::NotSent("the token contains characters that HTTP does not allow".to_owned())
            })?;
        bearer.set_sensitive(true);
        let request = self.client.request(call.method.clone(), format!("{}{}", self.base, call.path));
        let request = request.header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
        Ok(match &call.body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    /// Counts the bytes as they are after decompression.
    async fn read_body(&self, mut response: Response) -> Result<Vec<u8>, SendError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| SendError::Unclear(innermost(&e)))? {
            if body.len() + chunk.len() > BODY_LIMIT {
                let name = self.provider.name;
                let text = format!("the answer of {name} is larger than the limit of {BODY_LIMIT_MB} MB");
                return Err(SendError::Unreadable(text));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl Transport for Https {
    async fn send(&self, call: &Call) -> Result<Answer, SendError> {
        let response = self.request(call)?.send().await.map_err(|e| {
            let why = innermost(&e);
            if e.is_connect() || e.is_builder() { SendError::NotSent(why) } else { SendError::Unclear(why) }
        })?;
        let (status, pause) = (response.status().as_u16(), pause(self.provider, response.headers()));
        Ok(Answer { status, pause, body: self.read_body(response).await? })
    }
}

/// The innermost cause, because the outer ones only say that sending failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// `Retry-After` in seconds; without it, the time until a used up rate limit starts anew.
fn pause(provider: &Provider, headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds));
    }
    if number(provider.rate_remaining) != Some(0) {
        return None;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(number(provider.rate_reset)?).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::EXAMPLE;

    #[test]
    fn plain_http_is_refused_except_on_loopback() {
        for good in [
            "https://api.example.com",
            "https://example.com/x",
            "http://127.0.0.1:8080",
            "http://localhost:1",
        ] {
            assert!(Https::to(&EXAMPLE, good).is_ok(), "{good}");
        }
        for bad in ["http://api.example.com", "ftp://127.0.0.1", "api.example.com", ""] {
            assert!(Https::to(&EXAMPLE, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pauses_are_read_from_headers() {
        let of = |pairs: &[(&'static str, String)]| {
            let headers = pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()));
            pause(&EXAMPLE, &headers.collect::<HeaderMap>())
        };
        assert_eq!(of(&[("retry-after", "7".into())]), Some(Duration::from_secs(7)));
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 100;
        let used_up = [("x-remaining", "0".into()), ("x-reset", soon.to_string())];
        let wait = of(&used_up).unwrap().as_secs();
        assert!((98..=100).contains(&wait), "{wait}");
        assert_eq!(of(&used_up[1..]), None, "the limit is not used up");
        assert_eq!(of(&[("retry-after", "soon".into())]), None);
    }
}
