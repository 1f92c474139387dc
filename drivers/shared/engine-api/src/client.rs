//! A thin client of the engine's API over any stream: TLS, a unix socket, a channel of an SSH session.
//!
//! Paths carry no version, so that engines of any age answer them.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::redial::{Redial, is_lost_connection};
use crate::stream::{JsonLines, Payload, RequestBody};
use crate::{EngineError, Frames};

/// More than any answer that is asked for here.
pub const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// As much of an answer that is no JSON as an error shows.
const SHOWN: usize = 300;

/// A connection to an engine. It closes when this goes.
#[derive(Debug)]
pub struct EngineClient {
    sender: SendRequest<RequestBody>,
    /// Taken once it has told why it ended.
    connection: Option<JoinHandle<hyper::Result<()>>>,
    limit: Duration,
    /// Absent where the caller opened the stream and nobody here can open another.
    redial: Option<Redial>,
    /// Whether the engine has answered on this connection. Only then can it have been closed between two requests.
    has_answered: bool,
}

/// What an engine is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct Version {
    #[serde(rename = "Version")]
    pub version: String,
    #[serde(rename = "ApiVersion")]
    pub api_version: String,
    /// Empty where the engine is too old to say.
    #[serde(rename = "MinAPIVersion")]
    pub min_api: String,
    #[serde(rename = "Os")]
    pub os: String,
    #[serde(rename = "Arch")]
    pub arch: String,
}

impl EngineClient {
    /// Speaks HTTP over a stream that leads to an engine. `limit` holds for each step of each request.
    pub async fn over<S>(stream: S, limit: Duration) -> Result<Self, EngineError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let made = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|e| EngineError::broken("connection", e))?;
        let connection = Some(tokio::spawn(connection));
        Ok(Self { sender, connection, limit, redial: None, has_answered: false })
    }

    /// Opens the connection again, once for a request, when the engine closed it between two requests and the request
    /// changes nothing. A request that changes something may have been carried out before the connection was lost.
    #[must_use]
    pub fn redial_with(mut self, redial: Redial) -> Self {
        self.redial = Some(redial);
        self
    }

    pub fn limit(&self) -> Duration {
        self.limit
    }

    pub async fn ping(&mut self) -> Result<(), EngineError> {
        self.request(Method::GET, "/_ping", None).await.map(drop)
    }

    /// The newest API that it speaks: a header that all its answers have. Empty where there is none.
    pub async fn api_version(&mut self) -> Result<String, EngineError> {
        const PING: &str = "/_ping";
        let answer = self.begin(Method::GET, PING, Payload::Empty, self.limit).await?;
        let version = answer.headers().get("Api-Version").and_then(|v| v.to_str().ok());
        let version = version.unwrap_or_default().to_owned();
        let late = |_| EngineError::Timeout { what: PING.to_owned() };
        timeout(self.limit, collect(PING, answer)).await.map_err(late)??;
        Ok(version)
    }

    pub async fn version(&mut self) -> Result<Version, EngineError> {
        self.get("/version").await
    }

    pub async fn info(&mut self) -> Result<Value, EngineError> {
        self.get("/info").await
    }

    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, EngineError> {
        read(path, &self.request(Method::GET, path, None).await?)
    }

    /// An empty answer reads as JSON's null: `()` and `Option` take it.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, EngineError> {
        read(path, &self.request(Method::POST, path, body).await?)
    }

    pub async fn delete(&mut self, path: &str) -> Result<(), EngineError> {
        self.request(Method::DELETE, path, None).await.map(drop)
    }

    /// The body of a good answer; a bad one is an error with the engine's own message.
    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Bytes, EngineError> {
        let limit = self.limit;
        self.exchange(method, path, body.map_or(Payload::Empty, Payload::Json), limit).await
    }

    /// The same with any payload, for requests that may take longer than others.
    pub async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        payload: Payload<'_>,
        limit: Duration,
    ) -> Result<Bytes, EngineError> {
        let answer = self.begin(method, path, payload, limit).await?;
        let late = |_| EngineError::Timeout { what: path.to_owned() };
        timeout(limit, collect(path, answer)).await.map_err(late)?
    }

    /// An answer that comes line by line. `silence` is the longest time in which nothing comes.
    pub async fn stream(
        &mut self,
        method: Method,
        path: &str,
        payload: Payload<'_>,
        silence: Duration,
    ) -> Result<JsonLines<'_>, EngineError> {
        let answer = self.begin(method, path, payload, silence).await?;
        Ok(JsonLines::new(self, answer.into_body(), path, silence))
    }

    /// What containers say, piece by piece. The first must not be long in coming; nobody knows when the next does.
    pub async fn frames(&mut self, path: &str) -> Result<Frames<'_>, EngineError> {
        let answer = self.begin(Method::GET, path, Payload::Empty, self.limit).await?;
        Ok(Frames::new(self, answer.into_body(), path))
    }

    /// Sends a request and sees a good status.
    async fn begin(
        &mut self,
        method: Method,
        path: &str,
        payload: Payload<'_>,
        limit: Duration,
    ) -> Result<Response<Incoming>, EngineError> {
        let can_repeat = method.is_safe() && matches!(payload, Payload::Empty) && self.has_answered;
        let request = build(method.clone(), path, payload)?;
        let sent = match self.send_within(path, request, limit).await? {
            Err(e) if can_repeat && is_lost_connection(&e) && self.reconnect().await? => {
                self.send_within(path, build(method, path, Payload::Empty)?, limit).await?
            }
            sent => sent,
        };
        let answer = match sent {
            Ok(answer) => answer,
            Err(e) => return Err(self.lost(path, e).await),
        };
        self.has_answered = true;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let late = |_| EngineError::Timeout { what: path.to_owned() };
        let bytes = timeout(limit, collect(path, answer)).await.map_err(late)??;
        Err(EngineError::Refused { status: status.as_u16(), message: message(&bytes), path: path.to_owned() })
    }

    /// The outer error is a timeout.
    async fn send_within(
        &mut self,
        path: &str,
        request: Request<RequestBody>,
        limit: Duration,
    ) -> Result<hyper::Result<Response<Incoming>>, EngineError> {
        let late = |_| EngineError::Timeout { what: path.to_owned() };
        timeout(limit, self.send(request)).await.map_err(late)
    }

    /// Whether there is a new connection; there is none where nobody can open one.
    async fn reconnect(&mut self) -> Result<bool, EngineError> {
        let Some(redial) = &self.redial else { return Ok(false) };
        let mut fresh = Self::over(redial.open().await?, self.limit).await?;
        fresh.redial = self.redial.take();
        *self = fresh;
        Ok(true)
    }

    /// A request that comes after the end of its connection learns only that it came too late. The reason, such as a
    /// refused certificate, is with the connection.
    async fn lost(&mut self, path: &str, error: hyper::Error) -> EngineError {
        let late = error.is_closed() || error.is_canceled();
        let Some(connection) = self.connection.take_if(|_| late) else {
            return EngineError::broken(path, error);
        };
        match timeout(self.limit, connection).await {
            Ok(Ok(Err(reason))) => EngineError::broken(path, reason),
            _ => EngineError::broken(path, error),
        }
    }

    async fn send(&mut self, request: Request<RequestBody>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

impl Drop for EngineClient {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.abort();
        }
    }
}

fn build(method: Method, path: &str, payload: Payload<'_>) -> Result<Request<RequestBody>, EngineError> {
    let mut request = Request::builder().method(method).uri(path).header("Host", "docker");
    if let Some(content_type) = payload.content_type() {
        request = request.header("Content-Type", content_type);
    }
    request.body(payload.into_body()).map_err(|e| EngineError::broken(path, e))
}

async fn collect(path: &str, answer: Response<Incoming>) -> Result<Bytes, EngineError> {
    let too_long = || EngineError::TooLong { path: path.to_owned(), limit: LONGEST_ANSWER };
    let announced = answer.body().size_hint().lower();
    if usize::try_from(announced).is_ok_and(|n| n > LONGEST_ANSWER) {
        return Err(too_long());
    }
    match Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(too_long()),
        Err(e) => Err(EngineError::broken(path, e)),
    }
}

fn read<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, EngineError> {
    let bytes = if bytes.is_empty() { b"null" } else { bytes };
    let not_json = |e: serde_json::Error| EngineError::NotJson { path: path.to_owned(), source: e.into() };
    serde_json::from_slice(bytes).map_err(not_json)
}

/// What an engine said of a request that it refused: `{"message": ...}`, or the text as it came.
fn message(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    match value.get("message").and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None if text.trim().is_empty() => "the engine refused without a word".to_owned(),
        None => text.trim().chars().take(SHOWN).collect(),
    }
}

#[cfg(test)]
mod tests;
