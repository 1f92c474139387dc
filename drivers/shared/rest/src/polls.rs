use std::time::Duration;

use tokio::time::{Instant, sleep};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5);

/// Pauses between requests that ask whether a resource has reached a state: from one second to five.
#[derive(Debug)]
pub struct Polls {
    pause: Duration,
    deadline: Instant,
}

impl Polls {
    pub fn within(limit: Duration) -> Self {
        Self { pause: FIRST, deadline: Instant::now() + limit }
    }

    /// False after the deadline.
    pub async fn wait(&mut self) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        sleep(self.pause).await;
        self.pause = LONGEST.min(self.pause * 3 / 2);
        true
    }
}
