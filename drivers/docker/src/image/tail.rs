//! Passes progress on and remembers the end of it, where the reason of a failure stands.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rmachine_driver::Progress;

const KEPT: usize = 30;

pub(super) struct Tail<'a> {
    progress: Progress<'a>,
    lines: Mutex<VecDeque<String>>,
    /// Of a line that has not ended yet.
    begun: Mutex<String>,
}

impl<'a> Tail<'a> {
    pub(super) fn of(progress: Progress<'a>) -> Self {
        Self { progress, lines: Mutex::default(), begun: Mutex::default() }
    }

    /// Output as it was written: half a line, or many.
    pub(super) fn piece(&self, text: &str) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push_str(text);
        while let Some(end) = begun.find('\n') {
            let line: String = begun.drain(..=end).collect();
            self.tell(&line);
        }
    }

    pub(super) fn tell(&self, line: &str) {
        let line = &plain(line);
        if line.is_empty() {
            return;
        }
        (self.progress)(line.trim_start_matches("I: "));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// The first complaint, which those after it follow from; apt, dpkg and debootstrap begin theirs with a letter.
    pub(super) fn reason(&self) -> Option<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let complaint = lines.iter().find(|l| l.contains("No space left") || l.starts_with("E: "));
        complaint.or_else(|| lines.back()).map(|l| l.trim_start_matches("E: ").trim().to_owned())
    }
}

/// Without the colours that the engine gives to what a build says on its error output.
fn plain(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complaint_is_the_reason() {
        let reason = |lines: &[&str]| {
            let tail = Tail::of(&|_| {});
            lines.iter().for_each(|l| tail.tell(l));
            tail.reason()
        };
        assert_eq!(
            reason(&[
                "Reading...",
                "\u{1b}[0m",
                "\u{1b}[91mE: Unable to locate package x\u{1b}[0m",
                "E: setup failed",
                "done"
            ])
            .as_deref(),
            Some("Unable to locate package x")
        );
        assert_eq!(reason(&["one", "two", "\u{1b}[0m"]).as_deref(), Some("two"));
        assert_eq!(reason(&[]), None);
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(reason(&many).as_deref(), Some("99"));
    }
}
