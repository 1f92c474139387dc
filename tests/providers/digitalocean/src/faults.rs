//! What goes wrong, at which call, and whether the call had its effect before it did.

use std::time::Duration;

use crate::{Outcome, Reply, Request};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

#[derive(Debug, Clone)]
pub enum At {
    /// Of all calls, counted from one.
    Call(usize),
    /// Of this method, to a path that begins so.
    Path(&'static str, &'static str),
}

#[derive(Debug, Clone)]
pub enum What {
    Status(u16),
    /// A 429 that says after how many seconds to come back.
    RetryAfter(u64),
    /// A 429 that says when the limit is renewed, in seconds since 1970.
    Renewed(u64),
    Truncated,
    Garbage,
    Reset,
    Hang,
    Slow(Duration),
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub at: At,
    pub when: When,
    pub what: What,
    pub left: usize,
}

impl At {
    pub(crate) fn is(&self, nth: usize, request: &Request) -> bool {
        match self {
            Self::Call(n) => *n == nth,
            Self::Path(method, path) => request.method == *method && request.path.starts_with(path),
        }
    }
}

impl What {
    pub(crate) fn outcome(self, reply: Reply, _request: &Request) -> Outcome {
        let refused = |headers: Vec<(&str, String)>| {
            let mut reply = Reply::error(429, "API Rate limit exceeded.");
            reply.headers = headers.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            Outcome::Answer(reply)
        };
        match self {
            Self::Status(status) => Outcome::Answer(Reply::error(status, "as the test demands")),
            Self::RetryAfter(seconds) => refused(vec![("Retry-After", seconds.to_string())]),
            Self::Renewed(at) => {
                refused(vec![("ratelimit-remaining", "0".to_owned()), ("ratelimit-reset", at.to_string())])
            }
            Self::Truncated => Outcome::Truncated(reply),
            Self::Garbage => Outcome::Garbage(reply.status),
            Self::Reset => Outcome::Reset,
            Self::Hang => Outcome::Hang,
            Self::Slow(pause) => Outcome::Slow(pause, reply),
        }
    }
}
