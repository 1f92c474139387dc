//! Requests that end: each has a deadline, is repeated only where that is safe, and fails with an error that says whether it may
//! have had its effect.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use rmachine_driver::secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::error::ApiError;
use crate::gate::RateGate;
use crate::path::RequestPath;
use crate::provider::Provider;
use crate::transport::{Answer, Call, SendError, Transport};

/// One attempt, from connecting to the last byte of the answer.
const REQUEST: Duration = Duration::from_secs(30);
/// All attempts of one call, with the pauses between them.
const CALL: Duration = Duration::from_secs(180);
/// Attempts that do not even reach the provider.
const NOT_SENT: Duration = Duration::from_secs(5);
/// The pause after a refusal for the rate that names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(5);
const DELETES: usize = 3;
/// More pages than any account fills; a provider that always announces another one is broken.
const MOST_PAGES: usize = 500;

/// One provider's API, used with one token.
#[derive(Debug, Clone)]
pub struct Api {
    provider: &'static Provider,
    transport: Arc<dyn Transport>,
    gate: Arc<RateGate>,
    token: SecretString,
}

type ApiResult<T> = Result<T, ApiError>;

/// How one attempt ended.
enum Attempt {
    Answered(Answer),
    /// Another attempt would end the same.
    Failed(ApiError),
    RateLimited(ApiError),
    Unclear(ApiError),
    NotSent(ApiError),
}

impl Api {
    pub fn new(
        provider: &'static Provider,
        transport: Arc<dyn Transport>,
        gate: Arc<RateGate>,
        token: SecretString,
    ) -> Self {
        Self { provider, transport, gate, token }
    }

    pub fn token(&self) -> &SecretString {
        &self.token
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &RequestPath) -> ApiResult<T> {
        self.send_until_readable(Method::GET, path, |body| self.parse(body)).await
    }

    /// A resource that does not exist counts as deleted, once the provider says so twice: one that stays costs money.
    pub async fn delete(&self, path: &RequestPath) -> ApiResult<()> {
        let (deadline, mut backoff) = (Instant::now() + CALL, Backoff::new());
        for _ in 0..DELETES {
            match self.send_until_readable(Method::DELETE, path, |_| Ok(())).await {
                Err(e) if e.has_status(404) => {}
                done => return done,
            }
            match self.get::<Value>(path).await {
                Err(e) if e.has_status(404) => return Ok(()),
                Err(e) => return Err(e),
                Ok(_) => drop(backoff.wait(deadline).await),
            }
        }
        Err(self.unclear(format!("{path} still exists after {DELETES} requests to delete it")))
    }

    /// Is not repeated after an unclear answer: the caller has to look first what the request did.
    pub async fn post<T: DeserializeOwned>(&self, path: &RequestPath, body: Value) -> ApiResult<T> {
        let answer = self.send(&self.call(Method::POST, path, Some(body)), false).await?;
        self.parse(&answer.body)
    }

    /// Replaces a whole resource, so it may be repeated.
    pub async fn put(&self, path: &RequestPath, body: Value) -> ApiResult<()> {
        self.send(&self.call(Method::PUT, path, Some(body)), true).await.map(drop)
    }

    /// The items below `key` on all pages of a list.
    pub async fn list<T: DeserializeOwned>(&self, path: &RequestPath, key: &str) -> ApiResult<Vec<T>> {
        let path = path.clone().query("per_page", &self.provider.items_per_page.to_string());
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let mut body: Value = self.get(&path.clone().query("page", &page.to_string())).await?;
            let items = body.get_mut(key).map(Value::take).unwrap_or_default();
            let items: Vec<T> = serde_json::from_value(items).map_err(|e| self.unreadable(&e))?;
            all.extend(items);
            if !(self.provider.has_next_page)(&body) {
                return Ok(all);
            }
        }
        Err(self.unclear(format!("the list {path} has more than {MOST_PAGES} pages")))
    }

    fn call(&self, method: Method, path: &RequestPath, body: Option<Value>) -> Call {
        Call { method, path: path.clone(), body, token: self.token.clone() }
    }

    async fn send_until_readable<T>(
        &self,
        method: Method,
        path: &RequestPath,
        read: impl Fn(&[u8]) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let call = self.call(method, path, None);
        let deadline = Instant::now() + CALL;
        let mut backoff = Backoff::new();
        loop {
            let answer = self.send(&call, true).await?;
            match read(&answer.body) {
                Err(e) if e.is_unclear() && backoff.wait(deadline).await => {
                    tracing::debug!(?call, %e, "sent again");
                }
                done => return done,
            }
        }
    }

    /// Until the provider accepts or refuses. What may have had an effect is sent again only if it is repeatable.
    async fn send(&self, call: &Call, repeatable: bool) -> ApiResult<Answer> {
        let began = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let (error, limit) = match self.attempt(call, began + CALL).await {
                Attempt::Answered(answer) => return Ok(answer),
                // The gate delays the next attempt.
                Attempt::RateLimited(_) if repeatable => continue,
                Attempt::Unclear(error) if repeatable => (error, CALL),
                Attempt::NotSent(error) => (error, NOT_SENT),
                Attempt::Failed(error) | Attempt::RateLimited(error) | Attempt::Unclear(error) => {
                    return Err(error);
                }
            };
            if !backoff.wait(began + limit).await {
                return Err(error);
            }
        }
    }

    async fn attempt(&self, call: &Call, deadline: Instant) -> Attempt {
        let epoch = self.gate.pass().await;
        let outcome = timeout(REQUEST, self.transport.send(call)).await.unwrap_or_else(|_| {
            Err(SendError::Unclear(format!("nothing came back within {} s", REQUEST.as_secs())))
        });
        tracing::debug!(?call, status = outcome.as_ref().map(|a| a.status).ok(), "sent");
        match outcome {
            Ok(answer) if (200..300).contains(&answer.status) => Attempt::Answered(answer),
            Ok(answer) if answer.status == 429 => self.rate_limited(&answer, epoch, deadline),
            Ok(answer) if answer.status >= 500 => Attempt::Unclear(self.unclear(self.message(&answer))),
            Ok(answer) => Attempt::Failed(self.refused(&answer, self.message(&answer))),
            Err(SendError::Unclear(reason)) => Attempt::Unclear(self.unclear(reason)),
            Err(SendError::NotSent(reason)) => Attempt::NotSent(self.unclear(reason)),
            Err(SendError::Unreadable(reason)) => Attempt::Failed(self.unclear(reason)),
        }
    }

    /// A refusal for the rate should have had no effect, but looking costs less than creating something twice: so it counts as
    /// unclear unless the pause is too long.
    fn rate_limited(&self, answer: &Answer, epoch: u64, deadline: Instant) -> Attempt {
        let pause = answer.pause.unwrap_or(DEFAULT_PAUSE);
        self.gate.refused(epoch, pause);
        let message = self.message(answer);
        if Instant::now() + pause > deadline {
            let message = format!("{message}; the provider asks to wait {} s", pause.as_secs());
            return Attempt::Failed(self.refused(answer, message));
        }
        Attempt::RateLimited(self.unclear(message))
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> ApiResult<T> {
        serde_json::from_slice(body).map_err(|e| self.unreadable(&e))
    }

    fn message(&self, answer: &Answer) -> String {
        let message = (self.provider.error_message)(&answer.body).filter(|m| !m.is_empty());
        message.unwrap_or_else(|| format!("status {}", answer.status))
    }

    fn refused(&self, answer: &Answer, message: String) -> ApiError {
        ApiError::refused(self.provider, answer.status, message)
    }

    fn unclear(&self, reason: String) -> ApiError {
        ApiError::unclear(self.provider, reason)
    }

    /// Without the text itself, which may contain secrets.
    fn unreadable(&self, error: &serde_json::Error) -> ApiError {
        self.unclear(format!("the answer cannot be read: {error}"))
    }
}
