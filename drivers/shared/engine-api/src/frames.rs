//! The output of containers as an engine sends it: pieces with a header that says which voice spoke, and how long it did.

use std::collections::VecDeque;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::{EngineClient, EngineError};

/// Longer than any piece that an engine sends.
const LONGEST: usize = 4 * 1024 * 1024;
const HEADER: usize = 8;
const STDERR: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub stderr: bool,
    pub data: Vec<u8>,
}

#[derive(Debug)]
pub struct Frames<'a> {
    /// The connection lives as long as this.
    _client: &'a mut EngineClient,
    body: Incoming,
    path: String,
    buffer: VecDeque<u8>,
    /// A container with a terminal has one voice, and no headers.
    plain: bool,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(client: &'a mut EngineClient, body: Incoming, path: &str) -> Self {
        Self { _client: client, body, path: path.to_owned(), buffer: VecDeque::new(), plain: false }
    }

    /// The next piece, however long it takes to come.
    pub async fn next(&mut self) -> Result<Option<Frame>, EngineError> {
        loop {
            if let Some(frame) = take(&mut self.buffer, &mut self.plain) {
                return Ok(Some(frame));
            }
            if self.buffer.len() > LONGEST {
                return Err(EngineError::TooLong { path: self.path.clone(), limit: LONGEST });
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(e)) => return Err(EngineError::broken(&self.path, e)),
                Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
            }
        }
    }
}

fn take(buffer: &mut VecDeque<u8>, plain: &mut bool) -> Option<Frame> {
    if buffer.is_empty() || (!*plain && buffer.len() < HEADER) {
        return None;
    }
    let looks_like_a_header = buffer[0] <= STDERR && buffer.range(1..4.min(buffer.len())).all(|b| *b == 0);
    if *plain || !looks_like_a_header {
        *plain = true;
        return Some(Frame { stderr: false, data: buffer.drain(..).collect() });
    }
    let length = buffer.range(4..HEADER).fold(0, |n, byte| n << 8 | usize::from(*byte));
    if buffer.len() < HEADER + length {
        return None;
    }
    let stderr = buffer[0] == STDERR;
    Some(Frame { stderr, data: buffer.drain(..HEADER + length).skip(HEADER).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], cut: usize) -> Vec<(bool, String)> {
        let (mut buffer, mut plain, mut out) = (VecDeque::new(), false, Vec::new());
        for piece in bytes.chunks(cut) {
            buffer.extend(piece);
            while let Some(frame) = take(&mut buffer, &mut plain) {
                out.push((frame.stderr, String::from_utf8(frame.data).unwrap()));
            }
        }
        assert!(buffer.is_empty(), "{buffer:?}");
        out
    }

    #[test]
    fn pieces_are_whole_however_they_come() {
        let bytes = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x04err\n\x01\0\0\0\0\0\0\0";
        let expected = [(false, "out".to_owned()), (true, "err\n".to_owned()), (false, String::new())];
        for cut in [1, 3, 8, 100] {
            assert_eq!(all(bytes, cut), expected, "{cut}");
        }
        let long = [&[1, 0, 0, 0, 0, 0, 1, 2], "x".repeat(258).as_bytes()].concat();
        assert_eq!(all(&long, 100), [(false, "x".repeat(258))]);
    }

    #[test]
    fn a_terminal_has_no_headers() {
        let pieces = all(b"plain words\x01\0\0\0\0\0\0\x01x", 11);
        assert_eq!(pieces, [(false, "plain words".to_owned()), (false, "\x01\0\0\0\0\0\0\x01x".to_owned())]);
    }
}
