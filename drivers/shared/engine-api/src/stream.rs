//! What goes up and comes down in pieces: archives, and answers of a JSON object a line.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use serde_json::Value;
use tokio::time::timeout;

use crate::{EngineClient, EngineError};

pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// More than any line of progress.
const LONGEST_LINE: usize = 1024 * 1024;

/// What a request brings along.
pub enum Payload<'a> {
    Empty,
    Json(&'a Value),
    Tar(Vec<u8>),
    /// An archive that is still being made. An error in it ends the request, so that no half of it is taken for all.
    TarStream(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>),
}

impl Payload<'_> {
    pub(crate) fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Empty => None,
            Self::Json(_) => Some("application/json"),
            Self::Tar(_) | Self::TarStream(_) => Some("application/x-tar"),
        }
    }

    pub(crate) fn into_body(self) -> RequestBody {
        match self {
            Self::Empty => whole(Bytes::new()),
            Self::Json(value) => whole(Bytes::from(value.to_string())),
            Self::Tar(bytes) => whole(Bytes::from(bytes)),
            Self::TarStream(stream) => StreamBody::new(stream.map_ok(Frame::data)).boxed_unsync(),
        }
    }
}

fn whole(bytes: Bytes) -> RequestBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// An answer that comes as it is made: one JSON object a line.
#[derive(Debug)]
pub struct JsonLines<'a> {
    /// The connection lives as long as this.
    _client: &'a mut EngineClient,
    body: Incoming,
    buffer: Vec<u8>,
    path: String,
    /// The longest time between two pieces.
    silence: Duration,
    ended: bool,
}

impl<'a> JsonLines<'a> {
    pub(crate) fn new(client: &'a mut EngineClient, body: Incoming, path: &str, silence: Duration) -> Self {
        Self { _client: client, body, buffer: Vec::new(), path: path.to_owned(), silence, ended: false }
    }

    /// The next object. One that tells of an error is an error: the status was sent long before.
    pub async fn next(&mut self) -> Result<Option<Value>, EngineError> {
        loop {
            if let Some(line) = self.take_line() {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return self.understand(&line).map(Some);
            }
            if self.ended {
                return Ok(None);
            }
            self.more().await?;
        }
    }

    /// Reads to the end, showing each object.
    pub async fn each(mut self, mut show: impl FnMut(&Value) + Send) -> Result<(), EngineError> {
        while let Some(value) = self.next().await? {
            show(&value);
        }
        Ok(())
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|b| *b == b'\n');
        match end {
            Some(end) => Some(self.buffer.drain(..=end).collect()),
            None if self.ended && !self.buffer.is_empty() => Some(std::mem::take(&mut self.buffer)),
            None => None,
        }
    }

    async fn more(&mut self) -> Result<(), EngineError> {
        let Ok(frame) = timeout(self.silence, self.body.frame()).await else {
            return Err(EngineError::Timeout { what: self.path.clone() });
        };
        match frame {
            None => self.ended = true,
            Some(Err(e)) => return Err(EngineError::broken(&self.path, e)),
            Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
        }
        if self.buffer.len() > LONGEST_LINE {
            return Err(EngineError::TooLong { path: self.path.clone(), limit: LONGEST_LINE });
        }
        Ok(())
    }

    fn understand(&self, line: &[u8]) -> Result<Value, EngineError> {
        let value: Value = serde_json::from_slice(line)
            .map_err(|e| EngineError::NotJson { path: self.path.clone(), source: e.into() })?;
        let detail = value.pointer("/errorDetail/message").or_else(|| value.get("error"));
        match detail.and_then(Value::as_str) {
            Some(message) => {
                Err(EngineError::Failed { message: message.trim().to_owned(), path: self.path.clone() })
            }
            None => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use hyper::Method;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    async fn answered(text: &'static str) -> (Vec<String>, Option<String>) {
        let (ours, mut theirs) = duplex(4096);
        tokio::spawn(async move {
            drop(theirs.read(&mut [0; 4096]).await);
            drop(theirs.write_all(text.as_bytes()).await);
        });
        let mut client = EngineClient::over(ours, SOON).await.unwrap();
        let mut lines = match client.stream(Method::POST, "/build", Payload::Tar(vec![1]), SOON).await {
            Ok(lines) => lines,
            Err(e) => return (Vec::new(), Some(e.to_string())),
        };
        let mut seen = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(value)) => seen.push(value.to_string()),
                Ok(None) => return (seen, None),
                Err(e) => return (seen, Some(e.to_string())),
            }
        }
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_were_cut() {
        let (seen, error) = answered(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n9\r\n:1}\r\n\r\n{}\r\n2\r\n\n7\r\n0\r\n\r\n",
        )
        .await;
        assert_eq!((seen, error), (vec!["{\"a\":1}".into(), "{}".into(), "7".into()], None));
    }

    #[tokio::test]
    async fn an_error_after_the_status_is_an_error() {
        let (seen, error) = answered(
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"stream\":\"x\"}\n\
             {\"errorDetail\":{\"code\":1,\"message\":\"no space\\n\"},\"error\":\"no\"}\n",
        )
        .await;
        assert_eq!((seen.len(), error.as_deref()), (1, Some("no space")));
        let (_, error) =
            answered("HTTP/1.1 500 X\r\nContent-Length: 19\r\n\r\n{\"message\":\"nope!\"}").await;
        assert_eq!(error.as_deref(), Some("nope! (HTTP 500 for /build)"));
    }

    /// The engine must not take what came so far for the whole archive.
    #[tokio::test]
    async fn a_body_that_fails_is_cut_off() {
        let (ours, mut theirs) = duplex(4096);
        let seen = tokio::spawn(async move {
            let mut all = Vec::new();
            drop(theirs.read_to_end(&mut all).await);
            String::from_utf8_lossy(&all).into_owned()
        });
        let pieces = [Ok(Bytes::from("half")), Err(io::Error::other("tar failed"))];
        let pieces = futures_util::stream::iter(pieces).then(async |piece| {
            tokio::time::sleep(Duration::from_millis(20)).await;
            piece
        });
        let body = Payload::TarStream(Box::pin(pieces));
        let mut client = EngineClient::over(ours, SOON).await.unwrap();
        client.stream(Method::POST, "/images/create", body, SOON).await.unwrap_err();
        drop(client);
        let seen = seen.await.unwrap();
        assert!(seen.contains("transfer-encoding: chunked") && !seen.ends_with("0\r\n\r\n"), "{seen}");
    }
}
