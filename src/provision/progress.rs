//! What a running script says, line by line: marks for us, and the words of the commands that it runs.

use std::collections::VecDeque;

use rmachine_driver::{MachineName, Reporter};

/// As much of the commands' own words as an error shows.
const SAID: usize = 10;

/// Hears a script out.
pub(super) struct Progress<'a> {
    machine: &'a MachineName,
    reporter: &'a dyn Reporter,
    done: bool,
    failure: Failure,
    said: VecDeque<String>,
}

/// How a script failed. Without a code it just ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) detail: String,
    /// The engine's words.
    pub(super) log: Vec<String>,
    /// The last words of the commands it ran.
    pub(super) said: Vec<String>,
}

impl Failure {
    /// Whether the script itself said what went wrong.
    pub(super) fn is_told(&self) -> bool {
        !self.code.is_empty()
    }
}

impl<'a> Progress<'a> {
    pub(super) fn new(machine: &'a MachineName, reporter: &'a dyn Reporter) -> Self {
        Self { machine, reporter, done: false, failure: Failure::default(), said: VecDeque::new() }
    }

    pub(super) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        tracing::debug!(machine = %self.machine, "{line}");
        match line.strip_prefix("@rmachine ") {
            Some(mark) => self.mark(mark),
            None if line.is_empty() => {}
            None => self.word(line),
        }
    }

    fn mark(&mut self, mark: &str) {
        let (verb, text) = mark.split_once(' ').unwrap_or((mark, ""));
        match verb {
            "step" => self.reporter.step(self.machine, text),
            "info" => self.reporter.info(self.machine, text),
            "warn" => self.reporter.warn(self.machine, text),
            "log" => self.failure.log.push(text.to_owned()),
            "done" => self.done = true,
            "error" if !self.failure.is_told() => {
                let (code, detail) = text.split_once(' ').unwrap_or((text, ""));
                self.failure.code = code.to_owned();
                self.failure.detail = detail.trim().to_owned();
            }
            _ => {}
        }
    }

    fn word(&mut self, line: &str) {
        self.reporter.detail(self.machine, line);
        if self.said.len() == SAID {
            self.said.pop_front();
        }
        self.said.push_back(line.to_owned());
    }

    /// A script that did not say that it is done is not.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if self.done && !self.failure.is_told() {
            return Ok(());
        }
        self.failure.said = self.said.into();
        Err(self.failure)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn add(&self, verb: &str, text: &str) {
            self.0.lock().unwrap().push(format!("{verb}: {text}"));
        }
    }

    impl Reporter for Heard {
        fn step(&self, _: &MachineName, text: &str) {
            self.add("step", text);
        }
        fn detail(&self, _: &MachineName, text: &str) {
            self.add("detail", text);
        }
        fn info(&self, _: &MachineName, text: &str) {
            self.add("info", text);
        }
        fn warn(&self, _: &MachineName, text: &str) {
            self.add("warn", text);
        }
        fn finish(&self, _: &MachineName, _: bool) {}
    }

    fn hear(lines: &str) -> (Vec<String>, Result<(), Failure>) {
        let heard = Heard::default();
        let machine = MachineName::parse("m").unwrap();
        let mut progress = Progress::new(&machine, &heard);
        lines.lines().for_each(|line| progress.line(line));
        let end = progress.finish();
        (heard.0.into_inner().unwrap(), end)
    }

    #[test]
    fn marks_are_reported_and_words_shown_in_passing() {
        let (heard, end) =
            hear("@rmachine step One...\nGet:1 x\r\n\n@rmachine info b\n@rmachine warn c\n@rmachine done\n");
        assert_eq!(heard, ["step: One...", "detail: Get:1 x", "info: b", "warn: c"]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_failure_carries_the_log_and_the_last_words() {
        let words: String = (0..20).map(|i| format!("word {i}\n")).collect();
        let (_, end) =
            hear(&format!("{words}@rmachine log bad driver\n@rmachine error rolled-back it is down\n"));
        let failure = end.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.detail.as_str()), ("rolled-back", "it is down"));
        assert_eq!(failure.log, ["bad driver"]);
        assert_eq!(failure.said.first().map(String::as_str), Some("word 10"));
        assert_eq!(failure.said.len(), SAID);
    }

    #[test]
    fn without_done_it_failed() {
        let (_, end) = hear("@rmachine step One...\nhalf\n");
        assert_eq!(end.unwrap_err(), Failure { said: vec!["half".into()], ..Failure::default() });
    }
}
