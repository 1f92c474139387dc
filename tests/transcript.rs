//! Pages of documentation as programs: their ```console blocks are commands with the output that they print.
//!
//! In such a block, a line that begins with `$ ` is a command, `> ` continues it, and all other lines are its output. A
//! fence with a second word (```toml cluster.toml) is a file that the reader writes. In output, the line `...` stands
//! for any lines and `[..]` for any text within a line. Addresses, ids, versions, times and column widths are not
//! compared: see [`comparable`].

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// One thing that a reader of the page does.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    File {
        name: String,
        text: String,
    },
    Command {
        text: String,
        output: Range<usize>,
    },
    /// A line `<!-- test: WORDS -->`: what the tests' surroundings need and a reader's do not.
    Prepare(String),
}

pub struct Page {
    pub path: PathBuf,
    lines: Vec<String>,
}

impl Page {
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self::new(path, &text)
    }

    fn new(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = 0;
        while at < self.lines.len() {
            let line = &self.lines[at];
            if let Some(words) = line.strip_prefix("<!-- test: ").and_then(|l| l.strip_suffix(" -->")) {
                steps.push(Step::Prepare(words.to_owned()));
            }
            if let Some(info) = line.strip_prefix("```") {
                let end = self.end_of_block(at);
                self.read_block(info, at + 1..end, &mut steps);
                at = end;
            }
            at += 1;
        }
        steps
    }

    /// The language and the second word of each fence.
    pub fn fences(&self) -> Vec<String> {
        let mut infos = Vec::new();
        let mut at = 0;
        while at < self.lines.len() {
            if let Some(info) = self.lines[at].strip_prefix("```") {
                infos.push(info.to_owned());
                at = self.end_of_block(at);
            }
            at += 1;
        }
        infos
    }

    pub fn output(&self, range: &Range<usize>) -> &[String] {
        &self.lines[range.clone()]
    }

    /// The page with these outputs instead of its own. They are in the order of the page.
    pub fn with_outputs(&self, outputs: &[(Range<usize>, Vec<String>)]) -> String {
        let mut lines = self.lines.clone();
        for (range, output) in outputs.iter().rev() {
            lines.splice(range.clone(), output.iter().cloned());
        }
        lines.join("\n") + "\n"
    }

    fn end_of_block(&self, start: usize) -> usize {
        let end = (start + 1..self.lines.len()).find(|&at| self.lines[at] == "```");
        end.unwrap_or_else(|| panic!("{}:{}: the block has no end", self.path.display(), start + 1))
    }

    fn read_block(&self, info: &str, body: Range<usize>, steps: &mut Vec<Step>) {
        if info == "console" {
            self.read_commands(body, steps);
        } else if let Some((_, name)) = info.split_once(' ') {
            let text = self.lines[body].join("\n") + "\n";
            steps.push(Step::File { name: name.to_owned(), text });
        }
    }

    fn read_commands(&self, body: Range<usize>, steps: &mut Vec<Step>) {
        for at in body {
            let line = &self.lines[at];
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step::Command { text: command.to_owned(), output: at + 1..at + 1 });
                continue;
            }
            let Some(Step::Command { text, output }) = steps.last_mut() else {
                panic!("{}:{}: output without a command", self.path.display(), at + 1);
            };
            match line.strip_prefix("> ").filter(|_| *output == (at..at)) {
                Some(more) => {
                    *text += &format!("\n{more}");
                    *output = at + 1..at + 1;
                }
                None => output.end = at + 1,
            }
        }
    }
}

pub fn matches(expected: &[String], actual: &[String]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((dots, rest)) if dots == "..." => (0..=actual.len()).any(|skip| matches(rest, &actual[skip..])),
        Some((line, rest)) => {
            actual.split_first().is_some_and(|(first, more)| is_like(line, first) && matches(rest, more))
        }
    }
}

/// What a page should say instead: the actual output, shortened where the page shortens it.
pub fn updated(expected: &[String], actual: &[String]) -> Vec<String> {
    let Some(dots) = expected.iter().position(|line| line == "...") else { return actual.to_vec() };
    let (head, tail) = (dots, expected.len() - dots - 1);
    if head + tail >= actual.len() {
        return actual.to_vec();
    }
    let end = actual.len() - tail;
    [&actual[..head], &["...".to_owned()], &actual[end..]].concat()
}

fn is_like(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (comparable(pattern), comparable(line));
    let Some((first, rest)) = pattern.split_once("[..]") else { return pattern == line };
    let (middle, last) = rest.rsplit_once("[..]").unwrap_or(("", rest));
    let Some(line) = line.strip_prefix(first) else { return false };
    let Some(mut line) = line.strip_suffix(last) else { return false };
    middle.split("[..]").all(|piece| {
        let Some(at) = line.find(piece) else { return false };
        line = &line[at + piece.len()..];
        true
    })
}

/// A line without what differs from run to run.
fn comparable(line: &str) -> String {
    static KINDS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"SWMTKN-\S+", "TOKEN"),
            (r"SHA256:\S+", "FINGERPRINT"),
            (r"\b\d{1,3}(\.\d{1,3}){3}\b", "ADDRESS"),
            (r"\b\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?Z?", "DATE"),
            (r"\b\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", "DATE"),
            (r"\bv?\d+\.\d+\.\d+([+~]\S+)?", "VERSION"),
            (r"\b[0-9]+(\.[0-9]+)? ?(ms|s|seconds?|minutes?|hours?)\b", "TIME"),
            (r"\b([0-9a-f]{64}|[0-9a-f]{12}|[0-9a-z]{25})\b", "ID"),
            (r"-{4,}", "----"),
            (r"\s+", " "),
        ]
        .map(|(pattern, kind)| (Regex::new(pattern).expect("a pattern"), kind))
        .into()
    });
    let line =
        KINDS.iter().fold(line.to_owned(), |line, (kind, word)| kind.replace_all(&line, *word).into_owned());
    line.trim_end().to_owned()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn page_is_read_as_files_commands_and_outputs() {
    let text = "# T\n```toml a.toml\nx = 1\n```\n<!-- test: load images -->\n\
        ```console\n$ one \\\n> two\nout\n> not more\n$ three\n```\n```text\n$ not a command\n```\n";
    let page = Page::new(Path::new("t.md"), text);
    let command = |text: &str, output| Step::Command { text: text.to_owned(), output };
    let file = Step::File { name: "a.toml".to_owned(), text: "x = 1\n".to_owned() };
    let prepare = Step::Prepare("load images".to_owned());
    assert_eq!(page.steps(), [file, prepare, command("one \\\ntwo", 8..10), command("three", 11..11)]);
    assert_eq!(page.output(&(8..10)), ["out", "> not more"]);
    assert_eq!(page.fences(), ["toml a.toml", "console", "text"]);
    let blessed = page.with_outputs(&[(8..10, vec!["new".to_owned()]), (11..11, vec!["more".to_owned()])]);
    assert!(blessed.contains("> two\nnew\n$ three\nmore\n```\n"), "{blessed}");
}

#[test]
fn output_matches_whatever_differs_from_run_to_run() {
    for (expected, actual) in [
        ("a  172.18.0.2:2376  b", "a 10.0.0.117:2376    b"),
        ("id mj9ax82wc7qapmzc7s6151qq5 *", "id ibgxfwgj9n6dvfsl9wkgxa3kd *"),
        ("took 1.5s", "took 12.0s"),
        ("v26.1.5+dfsg1 ready", "v28.5.1 ready"),
        ("x\n...\nz", "x\ny\ny\nz"),
        ("x\n...", "x"),
        ("a [..] c [..] e", "a b c d e"),
    ] {
        assert!(matches(&lines(expected), &lines(actual)), "{expected:?} {actual:?}");
    }
}

#[test]
fn output_with_other_words_does_not_match() {
    for (expected, actual) in [
        ("3 nodes", "4 nodes"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("x\n...\nz", "x\ny"),
        ("a [..] c", "a b d"),
        ("node1 Running", "node2 Running"),
    ] {
        assert!(!matches(&lines(expected), &lines(actual)), "{expected:?} {actual:?}");
    }
}

#[test]
fn updated_output_stays_shortened() {
    let actual = lines("1\n2\n3\n4\n5");
    assert_eq!(updated(&lines("x\n...\ny"), &actual), ["1", "...", "5"]);
    assert_eq!(updated(&lines("...\ny"), &actual), ["...", "5"]);
    assert_eq!(updated(&lines("x"), &actual), actual);
}
