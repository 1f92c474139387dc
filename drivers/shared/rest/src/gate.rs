//! The rate limit holds for an account: once the provider refuses one request for it, all requests of this process wait, and then
//! go out one after the other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Slow enough for a limit that is not known.
const FIRST_PACE: Duration = Duration::from_millis(250);
const SLOWEST_PACE: Duration = Duration::from_secs(4);
/// After this time without a refusal, requests do not wait any more.
const FORGIVEN: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct RateGate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the next request may be sent; `None` before the first refusal.
    next: Option<Instant>,
    pace: Duration,
    refused: Option<Instant>,
    /// The number of refusals, where those of requests that were sent together count as one.
    epoch: u64,
}

impl RateGate {
    /// Waits until a request may be sent, and returns the epoch in which it is.
    pub(crate) async fn pass(&self) -> u64 {
        loop {
            let (epoch, turn) = self.with(State::turn);
            let Some(turn) = turn else { return epoch };
            sleep_until(turn).await;
            // A refusal in the meantime postpones all requests.
            if self.with(|s| s.epoch) == epoch {
                return epoch;
            }
        }
    }

    pub(crate) fn refused(&self, epoch: u64, pause: Duration) {
        self.with(|state| state.close(epoch, pause));
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn turn(&mut self) -> (u64, Option<Instant>) {
        let now = Instant::now();
        if self.refused.is_some_and(|at| now > at + FORGIVEN && self.next.is_none_or(|next| next < now)) {
            *self = Self { epoch: self.epoch, ..Self::default() };
        }
        let turn = self.next.map(|next| next.max(now));
        self.next = turn.map(|turn| turn + self.pace);
        (self.epoch, turn)
    }

    fn close(&mut self, epoch: u64, pause: Duration) {
        let now = Instant::now();
        let open = now + pause;
        self.next = Some(self.next.map_or(open, |next| next.max(open)));
        self.refused = Some(now);
        if epoch == self.epoch {
            self.epoch += 1;
            self.pace = if self.pace.is_zero() { FIRST_PACE } else { SLOWEST_PACE.min(self.pace * 2) };
            self.next = Some(open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_refusal_slows_all_requests_for_a_minute() {
        let gate = RateGate::default();
        let began = Instant::now();
        let epoch = gate.pass().await;
        assert_eq!(gate.pass().await, epoch);
        assert_eq!(began.elapsed(), Duration::ZERO, "nobody waits without a reason");
        gate.refused(epoch, Duration::from_secs(2));
        gate.refused(epoch, Duration::from_secs(2));
        for expected in [2000, 2250, 2500] {
            gate.pass().await;
            assert_eq!(began.elapsed().as_millis(), expected);
        }
        gate.refused(epoch + 1, Duration::from_secs(1));
        gate.pass().await;
        gate.pass().await;
        assert_eq!(began.elapsed().as_millis(), 4000, "twice as slow");
        tokio::time::sleep(FORGIVEN + FORGIVEN).await;
        let later = Instant::now();
        gate.pass().await;
        gate.pass().await;
        assert_eq!(later.elapsed(), Duration::ZERO);
    }
}
