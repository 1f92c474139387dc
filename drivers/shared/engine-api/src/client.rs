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
        let (sender, connection) = made.map_err(|e| EngineError::broken("connection", &e))?;
        let connection = Some(tokio::spawn(connection));
        Ok(Self { sender, connection, limit })
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
        let request = build(method, path, payload)?;
        let late = |_| EngineError::Timeout { what: path.to_owned() };
        let sent = timeout(limit, self.send(request)).await.map_err(late)?;
        let answer = match sent {
            Ok(answer) => answer,
            Err(e) => return Err(self.lost(path, e).await),
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = timeout(limit, collect(path, answer)).await.map_err(late)??;
        Err(EngineError::Refused { status: status.as_u16(), message: message(&bytes), path: path.to_owned() })
    }

    /// A request that comes after the end of its connection learns only that it came too late. The reason, such as a
    /// refused certificate, is with the connection.
    async fn lost(&mut self, path: &str, error: hyper::Error) -> EngineError {
        let late = error.is_closed() || error.is_canceled();
        let Some(connection) = self.connection.take_if(|_| late) else {
            return EngineError::broken(path, &error);
        };
        match timeout(self.limit, connection).await {
            Ok(Ok(Err(reason))) => EngineError::broken(path, &reason),
            _ => EngineError::broken(path, &error),
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
    let broken = |e: hyper::http::Error| EngineError::Broken { path: path.to_owned(), reason: e.to_string() };
    request.body(payload.into_body()).map_err(broken)
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
        Err(e) => Err(EngineError::broken(path, e.as_ref())),
    }
}

fn read<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, EngineError> {
    let bytes = if bytes.is_empty() { b"null" } else { bytes };
    let not_json =
        |e: serde_json::Error| EngineError::NotJson { path: path.to_owned(), reason: e.to_string() };
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
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// An engine that answers each request with the next of these texts, then hangs up; what it was asked comes back.
    fn engine(answers: &[&str]) -> (DuplexStream, JoinHandle<Vec<String>>) {
        let (ours, mut theirs) = duplex(64 * 1024);
        let answers: Vec<String> = answers.iter().map(|a| (*a).to_owned()).collect();
        let asked = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let mut buffer = [0; 4096];
                let n = theirs.read(&mut buffer).await.unwrap();
                asked.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
                theirs.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (ours, asked)
    }

    async fn client(answers: &[&str]) -> EngineClient {
        EngineClient::over(engine(answers).0, SOON).await.unwrap()
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn the_api_is_named_by_each_answer() {
        let named = "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\n\r\nOK";
        let mut client = client(&[named, &answer("200 OK", "OK")]).await;
        assert_eq!(client.api_version().await.unwrap(), "1.45");
        assert_eq!(client.api_version().await.unwrap(), "");
    }

    async fn get_error(text: &str) -> String {
        client(&[text]).await.get::<Value>("/x").await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn versions_of_any_age_are_read() {
        let new = answer(
            "200 OK",
            r#"{"Version":"29.0.1","ApiVersion":"1.52","MinAPIVersion":"1.44","Os":"linux","Arch":"arm64","X":1}"#,
        );
        let version = client(&[&new]).await.version().await.unwrap();
        assert_eq!((version.version.as_str(), version.min_api.as_str()), ("29.0.1", "1.44"));
        assert_eq!((version.os.as_str(), version.arch.as_str()), ("linux", "arm64"));
        let old = answer("200 OK", r#"{"Version":"1.9.1","ApiVersion":"1.21"}"#);
        let version = client(&[&old]).await.version().await.unwrap();
        assert_eq!((version.api_version.as_str(), version.min_api.as_str()), ("1.21", ""));
    }

    #[tokio::test]
    async fn one_connection_serves_many_requests() {
        let (stream, asked) = engine(&[
            &answer("200 OK", "OK"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n",
            &answer("200 OK", "\"node-id\"\n"),
            &answer("200 OK", ""),
            "HTTP/1.1 204 No Content\r\n\r\n",
        ]);
        let mut client = EngineClient::over(stream, SOON).await.unwrap();
        client.ping().await.unwrap();
        assert_eq!(client.info().await.unwrap(), serde_json::json!({"a": 1}));
        let body = serde_json::json!({"ListenAddr": "0.0.0.0:2377"});
        assert_eq!(client.post::<String>("/swarm/init", Some(&body)).await.unwrap(), "node-id");
        client.post::<()>("/swarm/join", Some(&body)).await.unwrap();
        client.delete("/nodes/x?force=true").await.unwrap();
        let asked = asked.await.unwrap();
        assert!(asked[0].starts_with("GET /_ping HTTP/1.1\r\n"), "{}", asked[0]);
        assert!(asked[1].starts_with("GET /info HTTP/1.1\r\n"));
        assert!(asked[2].contains("content-type: application/json\r\n"), "{}", asked[2]);
        assert!(asked[2].ends_with("\r\n\r\n{\"ListenAddr\":\"0.0.0.0:2377\"}"));
        assert!(asked[4].starts_with("DELETE /nodes/x?force=true HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn refusals_bear_the_engines_words() {
        for (status, body, error) in [
            (
                "400 Bad Request",
                r#"{"message":"client version 1.15 is too old"}"#,
                "client version 1.15 is too old (HTTP 400 for /x)",
            ),
            (
                "503 Service Unavailable",
                r#"{"message":"This node is not a swarm manager."}"#,
                "This node is not a swarm manager. (HTTP 503 for /x)",
            ),
            ("500 Internal Server Error", "plain words\n", "plain words (HTTP 500 for /x)"),
            ("404 Not Found", "", "the engine refused without a word (HTTP 404 for /x)"),
            ("301 Moved", r#"{"other":1}"#, r#"{"other":1} (HTTP 301 for /x)"#),
        ] {
            assert_eq!(get_error(&answer(status, body)).await, error);
        }
        let long = get_error(&answer("500 X", &"é".repeat(10_000))).await;
        assert!(long.chars().count() < SHOWN + 40, "{}", long.len());
    }

    #[tokio::test]
    async fn broken_answers_are_errors() {
        for (text, error) in [
            (
                answer("200 OK", "{\"a\":"),
                "/x: the engine's answer is no JSON of the expected form: EOF while parsing",
            ),
            (
                answer("200 OK", "<html>"),
                "/x: the engine's answer is no JSON of the expected form: expected value",
            ),
            ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), "/x: invalid HTTP version parsed"),
            (String::new(), "/x: connection closed before message completed"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}".to_owned(), "/x: "),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}".to_owned(), "/x: "),
        ] {
            let told = get_error(&text).await;
            assert!(told.starts_with(error), "{text:?}: {told}");
        }
    }

    #[tokio::test]
    async fn answers_have_an_end() {
        let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", LONGEST_ANSWER + 1);
        assert_eq!(get_error(&long).await, "/x: the engine's answer is longer than 16777216 bytes");
    }

    #[tokio::test]
    async fn chunks_without_end_are_cut() {
        let (ours, mut theirs) = duplex(1 << 20);
        tokio::spawn(async move {
            drop(theirs.read(&mut [0; 4096]).await);
            theirs.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
            let chunk = [b"100000\r\n".as_slice(), &[b' '; 1 << 20], b"\r\n"].concat();
            while theirs.write_all(&chunk).await.is_ok() {}
        });
        let mut client = EngineClient::over(ours, Duration::from_secs(20)).await.unwrap();
        assert!(matches!(client.get::<Value>("/x").await, Err(EngineError::TooLong { .. })));
    }

    #[tokio::test]
    async fn nobody_is_waited_for_forever() {
        for said in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"] {
            let (ours, mut theirs) = duplex(4096);
            let silent = tokio::spawn(async move {
                drop(theirs.read(&mut [0; 4096]).await);
                theirs.write_all(said.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            });
            let mut client = EngineClient::over(ours, Duration::from_millis(50)).await.unwrap();
            assert_eq!(client.version().await.unwrap_err().to_string(), "/version: i/o timeout", "{said:?}");
            silent.abort();
        }
    }

    #[tokio::test]
    async fn paths_that_are_none_are_refused() {
        let error = client(&[]).await.get::<Value>("/a b").await.unwrap_err();
        assert!(matches!(error, EngineError::Broken { .. }));
    }
}
