use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn checks_are_repeated_until_the_deadline() {
    let (began, poll) = (Instant::now(), Poll::new(Duration::from_secs(10), Duration::from_secs(3)));
    let mut checks = 1;
    while poll.again().await {
        checks += 1;
    }
    assert_eq!((checks, began.elapsed()), (5, Duration::from_secs(12)));
    assert!(!Poll::new(Duration::ZERO, Duration::from_secs(3)).again().await);
}
