//! The client against an engine at the other end of a pipe.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// An engine that answers one request on each connection, then closes it; and how often it was dialled.
fn closing_engine() -> (Redial, Arc<AtomicUsize>) {
    let dialled = Arc::new(AtomicUsize::new(0));
    let count = dialled.clone();
    let redial = Redial::new(move || {
        let nth = count.fetch_add(1, Ordering::SeqCst);
        async move { Ok(engine(&[&answer("200 OK", &format!("\"answer {nth}\""))]).0) }
    });
    (redial, dialled)
}

/// A client whose first connection has answered once and is closed.
async fn used_client(redial: Redial) -> EngineClient {
    let mut client = client(&[&answer("200 OK", "OK")]).await.redial_with(redial);
    client.ping().await.unwrap();
    client
}

#[tokio::test]
async fn get_dials_again_after_the_engine_closed_the_connection() {
    let (redial, dialled) = closing_engine();
    let mut client = used_client(redial).await;
    assert_eq!(client.get::<String>("/a").await.unwrap(), "answer 0");
    assert_eq!(client.get::<String>("/b").await.unwrap(), "answer 1");
    assert_eq!(dialled.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn requests_that_change_something_are_sent_once() {
    let (redial, dialled) = closing_engine();
    let mut client = used_client(redial).await;
    client.post::<Value>("/swarm/leave", None).await.unwrap_err();
    client.delete("/nodes/x").await.unwrap_err();
    assert_eq!(dialled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn get_dials_again_only_once() {
    let dialled = Arc::new(AtomicUsize::new(0));
    let count = dialled.clone();
    let redial = Redial::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok(engine(&[]).0) }
    });
    used_client(redial).await.get::<Value>("/x").await.unwrap_err();
    assert_eq!(dialled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_never_answered_is_not_dialled_again() {
    let (redial, dialled) = closing_engine();
    client(&[]).await.redial_with(redial).get::<Value>("/x").await.unwrap_err();
    assert_eq!(dialled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_failed_second_dial_is_the_error() {
    let redial = Redial::new(|| async {
        Err::<DuplexStream, _>(EngineError::Dial {
            address: Some("10.0.0.5:2376".to_owned()),
            reason: "connect: connection refused".to_owned(),
            source: std::io::ErrorKind::ConnectionRefused.into(),
        })
    });
    let error = used_client(redial).await.get::<Value>("/x").await.unwrap_err();
    assert_eq!(error.to_string(), "dial tcp 10.0.0.5:2376: connect: connection refused");
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
