//! `Https` against a local server, and `Api` against scripted answers on a clock of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{DriverError, DriverErrorKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::{Answer, Api, ApiError, Call, Https, Provider, RequestPath, SendError, Transport};

pub(crate) static EXAMPLE: Provider = Provider {
    name: "ExampleCloud",
    rate_remaining: "x-remaining",
    rate_reset: "x-reset",
    items_per_page: 2,
    error_message: |body| {
        Some(serde_json::from_slice::<Value>(body).ok()?.get("error")?.as_str()?.to_owned())
    },
    has_next_page: |body| body["next"].is_number(),
    unknown_token_hints: &["get another token"],
    missing_permission_hints: &["the token needs the permission to write"],
};
const TOKEN: &str = "s3cr3t";

fn servers() -> RequestPath {
    RequestPath::new("/servers")
}

/// A server that gives the same answer to each request, and keeps what it was sent.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
                kept.lock().unwrap().push(String::from_utf8(request).unwrap());
                // A client that has read enough closes the connection.
                drop(stream.write_all(&answer).await);
            }
        });
        Self { url, requests }
    }

    fn api(&self) -> Api {
        over(Arc::new(Https::to(&EXAMPLE, &self.url).unwrap()))
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn over(transport: Arc<dyn Transport>) -> Api {
    Api::new(&EXAMPLE, transport, Arc::default(), TOKEN.into())
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A JSON text of this many bytes.
fn text_of(bytes: usize) -> Vec<u8> {
    [b"\"", vec![b'x'; bytes - 2].as_slice(), b"\""].concat()
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_answer_of_16_mb_is_read() {
    let server = Server::answering(answer("200 OK", &text_of(16_000_000))).await;
    let text: String = server.api().get(&servers()).await.unwrap();
    assert_eq!(text.len(), 15_999_998);
}

#[tokio::test]
async fn an_answer_over_16_mb_is_refused_and_not_requested_again() {
    let plain = answer("200 OK", &text_of(16_000_001));
    let compressed = answer("200 OK\r\ncontent-encoding: gzip", &gzipped(&text_of(16_000_001)));
    assert!(compressed.len() < 1_000_000);
    for large in [plain, compressed] {
        let server = Server::answering(large).await;
        let error = server.api().get::<String>(&servers()).await.unwrap_err();
        assert!(error.is_unclear());
        let message = DriverError::from(error).message;
        assert!(message.contains("ExampleCloud") && message.contains("limit of 16 MB"), "{message}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_to_another_host() {
    let other = Server::answering(answer("200 OK", b"{}")).await;
    let head = format!("307 Temporary Redirect\r\nlocation: {}/servers", other.url);
    let server = Server::answering(answer(&head, b"")).await;
    let error = server.api().get::<Value>(&servers()).await.unwrap_err();
    assert!(error.has_status(307), "{error}");
    assert!(server.requests()[0].contains(&format!("authorization: Bearer {TOKEN}\r\n")));
    assert_eq!(other.requests(), [""; 0]);
}

/// Gives one answer after the other, each 20 ms after its request.
#[derive(Debug)]
struct Script {
    answers: Mutex<VecDeque<Result<Answer, SendError>>>,
    calls: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, call: &Call) -> Result<Answer, SendError> {
        assert_eq!(call.token.expose_secret(), TOKEN);
        self.calls.lock().unwrap().push(format!("{call:?}"));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let next = self.answers.lock().unwrap().pop_front();
        match next {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

impl Script {
    fn api(answers: Vec<Result<Answer, SendError>>) -> (Arc<Self>, Api) {
        let script = Arc::new(Self { answers: Mutex::new(answers.into()), calls: Mutex::default() });
        (script.clone(), over(script))
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

fn says(status: u16, body: &Value) -> Result<Answer, SendError> {
    Ok(Answer { status, pause: None, body: body.to_string().into_bytes() })
}

fn limited(seconds: u64) -> Result<Answer, SendError> {
    let body = json!({"error": "too many"}).to_string().into_bytes();
    Ok(Answer { status: 429, pause: Some(Duration::from_secs(seconds)), body })
}

fn reset() -> Result<Answer, SendError> {
    Err(SendError::Unclear("connection reset".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_get_is_repeated_until_its_answer_is_readable() {
    let garbage = Ok(Answer { status: 200, pause: None, body: b"<html>".to_vec() });
    let (script, api) = Script::api(vec![says(503, &json!({})), reset(), garbage, says(200, &json!(7))]);
    assert_eq!(api.get::<u64>(&servers()).await.unwrap(), 7);
    assert_eq!(script.calls(), ["GET /servers"; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_post_is_repeated_only_if_it_was_not_sent() {
    let refused = Err(SendError::NotSent("connection refused".to_owned()));
    let (script, api) = Script::api(vec![refused, reset(), says(201, &json!(7))]);
    let error = api.post::<u64>(&servers(), json!({})).await.unwrap_err();
    assert!(error.is_unclear(), "{error}");
    assert_eq!(script.calls(), ["POST /servers"; 2]);
    let (_, api) = Script::api(vec![says(500, &json!({"error": "broken"}))]);
    assert!(api.post::<u64>(&servers(), json!({})).await.unwrap_err().is_unclear());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_any_answer_ends_at_its_deadline() {
    let (script, api) = Script::api(Vec::new());
    let began = Instant::now();
    let error = DriverError::from(api.get::<u64>(&servers()).await.unwrap_err());
    assert_eq!(error.kind, DriverErrorKind::Unreachable);
    assert!(error.message.contains("nothing came back within 30 s"), "{error}");
    assert!((150..=210).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(script.calls().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_unless_it_is_longer_than_the_deadline() {
    let (_, api) = Script::api(vec![limited(40), says(200, &json!(7)), limited(40), limited(4000)]);
    let began = Instant::now();
    assert_eq!(api.get::<u64>(&servers()).await.unwrap(), 7);
    assert_eq!(began.elapsed().as_secs(), 40);
    assert!(api.post::<u64>(&servers(), json!({})).await.unwrap_err().is_unclear());
    let error = api.get::<u64>(&servers()).await.unwrap_err();
    assert!(error.has_status(429) && error.to_string().contains("wait 4000 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_resource_counts_as_deleted_when_a_get_does_not_find_it_either() {
    let gone = || says(404, &json!({"error": "not found"}));
    let (script, api) = Script::api(vec![gone(), says(200, &json!({})), says(204, &json!({}))]);
    api.delete(&servers().number(7)).await.unwrap();
    assert_eq!(script.calls(), ["DELETE /servers/7", "GET /servers/7", "DELETE /servers/7"]);
    let (_, api) = Script::api(vec![gone(), gone()]);
    api.delete(&servers().number(7)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_to_its_last_page() {
    let pages = [json!({"servers": [1, 2], "next": 2}), json!({"servers": [3]})];
    let (script, api) = Script::api(pages.iter().map(|page| says(200, page)).collect());
    let all: Vec<u64> = api.list(&servers().query("name", "a b"), "servers").await.unwrap();
    assert_eq!(all, [1, 2, 3]);
    let path = "GET /servers?name=a%20b&per_page=2&page=";
    assert_eq!(script.calls(), [format!("{path}1"), format!("{path}2")]);
}

#[test]
fn errors_have_the_kind_and_the_hints_of_their_status() {
    let error = |status| DriverError::from(ApiError::refused(&EXAMPLE, status, "no".to_owned()));
    for (status, kind, hints) in [
        (401, DriverErrorKind::Denied, EXAMPLE.unknown_token_hints),
        (403, DriverErrorKind::Denied, EXAMPLE.missing_permission_hints),
        (404, DriverErrorKind::Missing, &[]),
        (422, DriverErrorKind::Provider, &[]),
    ] {
        let error = error(status);
        assert_eq!(error.kind, kind);
        assert_eq!(error.hints, hints);
        assert!(
            error.message.contains("ExampleCloud") && error.message.contains(&status.to_string()),
            "{error}"
        );
    }
}

#[test]
fn the_token_and_the_body_are_in_no_debug_output() {
    let call = Call {
        method: Method::POST,
        path: servers(),
        body: Some(json!({"user_data": TOKEN})),
        token: TOKEN.into(),
    };
    let api = Server { url: "http://127.0.0.1:1".to_owned(), requests: Arc::default() }.api();
    assert!(!format!("{call:?} {api:?}").contains(TOKEN));
    assert!(format!("{api:?}").contains("ExampleCloud"));
}
