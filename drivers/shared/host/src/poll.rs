use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Repeats a check until it succeeds or a deadline passes.
///
/// The loop stays with the caller, because callers differ in what counts as success and in what they report after the
/// deadline: `while !is_done().await? { if !poll.again().await { return Err(late()) } }`
#[derive(Debug)]
pub struct Poll {
    deadline: Instant,
    pause: Duration,
}

impl Poll {
    /// Begins now. There is always at least one check, however small the limit is.
    pub fn new(limit: Duration, pause: Duration) -> Self {
        Self { deadline: Instant::now() + limit, pause }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Pauses before the next check. Returns false, without a pause, once the deadline has passed.
    pub async fn again(&self) -> bool {
        if self.is_over() {
            return false;
        }
        sleep(self.pause).await;
        true
    }
}
