//! Whether the clocks of two nodes agree. Certificates of a swarm are valid from an hour before they are made, and every
//! event and token has its time: a node whose clock is far off joins and then is refused for no visible reason.

use std::time::Duration;

use jiff::Timestamp;

/// From here on it is worth a line.
pub(crate) const WORTH_A_WORD: Duration = Duration::from_secs(30);
/// From here on a node does not join.
pub(crate) const TOO_MUCH: Duration = Duration::from_secs(300);

/// How far the first clock is from the second. `between` is the time that passed from reading the one to reading the other.
pub(crate) fn skew(first: &str, second: &str, between: Duration) -> Option<Duration> {
    let (first, second): (Timestamp, Timestamp) = (first.parse().ok()?, second.parse().ok()?);
    let apart = second.duration_since(first).abs();
    let apart = Duration::try_from(apart).ok()?;
    // What passed in between is nobody's fault.
    Some(apart.saturating_sub(between))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let none = Duration::ZERO;
        let between = |a, b| skew(a, b, none).map(|d| d.as_secs());
        assert_eq!(between("2026-11-21T11:00:00.123456789Z", "2026-11-21T11:00:40Z"), Some(39));
        assert_eq!(between("2026-11-21T12:00:00+01:00", "2026-11-21T10:00:00Z"), Some(3600));
        assert_eq!(between("2026-11-21T10:00:00Z", "2026-11-21T12:00:00+01:00"), Some(3600));
        assert_eq!(between("", "2026-11-21T10:00:00Z"), None, "an engine that does not say");
        let passed = skew("2026-11-21T10:00:00Z", "2026-11-21T10:00:05Z", Duration::from_secs(6));
        assert_eq!(passed, Some(none));
    }
}
