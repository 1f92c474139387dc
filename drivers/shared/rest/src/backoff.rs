use std::time::Duration;

use rmachine_driver::Uuid;
use tokio::time::{Instant, sleep};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(20);

/// Pauses between attempts, each twice as long as the one before.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// False, without a pause, if it would end after the deadline.
    pub(crate) async fn wait(&mut self, deadline: Instant) -> bool {
        if Instant::now() + self.0 > deadline {
            return false;
        }
        sleep(jittered(self.0)).await;
        self.0 = LONGEST.min(self.0 * 2);
        true
    }
}

/// Between half of the pause and all of it, so that requests that failed together are not repeated together.
fn jittered(pause: Duration) -> Duration {
    let thousandths = u32::try_from(Uuid::new_v4().as_u128() % 500).unwrap_or_default();
    pause * (500 + thousandths) / 1000
}
