//! Reporters: docker-machine's plain lines, live lines on a terminal, JSON lines, or nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rmachine_driver::{MachineName, Reporter, Silent};

use crate::ui::Printer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Progress {
    /// Fancy on a terminal, plain otherwise
    #[default]
    Auto,
    /// A line as each step begins, as docker-machine prints them
    Plain,
    /// A live line for each machine, with the time its step takes
    Fancy,
    /// A JSON object a line
    Json,
    /// Errors only
    None,
}

/// Who will see the progress, and of how much.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Audience {
    /// The terminal, if there is one, cannot or should not be drawn on.
    pub(crate) poor_terminal: bool,
    /// Several machines are worked on at once.
    pub(crate) several: bool,
}

pub(crate) fn reporter(progress: Progress, printer: Printer, audience: Audience) -> Arc<dyn Reporter> {
    let terminal = printer.stdout_is_terminal() && printer.stderr_is_terminal() && !audience.poor_terminal;
    match progress {
        Progress::Fancy => Arc::new(Fancy::default()),
        Progress::Auto if terminal => Arc::new(Fancy::default()),
        Progress::Auto | Progress::Plain => {
            Arc::new(Plain { printer, several: audience.several, lines: Mutex::default() })
        }
        Progress::Json => Arc::new(Json { printer, began: Instant::now() }),
        Progress::None => Arc::new(Silent),
    }
}

struct Plain {
    printer: Printer,
    several: bool,
    /// When a machine had its last line.
    lines: Mutex<HashMap<MachineName, Instant>>,
}

/// A step that takes longer tells in a pipe, too, what it is at.
const QUIET: Duration = Duration::from_secs(5);

impl Plain {
    /// Whether a machine had no line for so long; if so, it has one now.
    fn quiet_for(&self, machine: &MachineName, at_least: Duration) -> bool {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let last = lines.entry(machine.clone()).or_insert_with(Instant::now);
        let quiet = last.elapsed() >= at_least;
        if quiet {
            *last = Instant::now();
        }
        quiet
    }
}

impl Reporter for Plain {
    fn step(&self, machine: &MachineName, text: &str) {
        self.quiet_for(machine, Duration::ZERO);
        if self.several {
            self.info(machine, text);
        } else {
            self.printer.line(text);
        }
    }
    fn detail(&self, machine: &MachineName, text: &str) {
        if self.quiet_for(machine, QUIET) {
            self.info(machine, text);
        }
    }
    fn info(&self, machine: &MachineName, text: &str) {
        self.printer.line(&format!("({machine}) {text}"));
    }
    fn warn(&self, machine: &MachineName, text: &str) {
        self.printer.line(&format!("({machine}) Warning: {text}"));
    }
    fn finish(&self, _: &MachineName, _: bool) {}
}

struct Json {
    printer: Printer,
    began: Instant,
}

impl Json {
    fn event(&self, machine: &MachineName, event: &str, text: &str) {
        let line = serde_json::json!({
            "machine": machine.as_str(),
            "event": event,
            "text": text,
            "ms": u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        self.printer.line(&line.to_string());
    }
}

impl Reporter for Json {
    fn step(&self, machine: &MachineName, text: &str) {
        self.event(machine, "step", text);
    }
    fn detail(&self, machine: &MachineName, text: &str) {
        self.event(machine, "detail", text);
    }
    fn info(&self, machine: &MachineName, text: &str) {
        self.event(machine, "info", text);
    }
    fn warn(&self, machine: &MachineName, text: &str) {
        self.event(machine, "warning", text);
    }
    fn finish(&self, machine: &MachineName, done: bool) {
        self.event(machine, if done { "done" } else { "failed" }, "");
    }
}

#[derive(Default)]
struct Fancy {
    screen: MultiProgress,
    lines: Mutex<HashMap<MachineName, Step>>,
}

struct Step {
    bar: ProgressBar,
    text: String,
    began: Instant,
}

const TICK: Duration = Duration::from_millis(100);

impl Fancy {
    fn lines(&self) -> MutexGuard<'_, HashMap<MachineName, Step>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, machine: &MachineName, mark: &str) {
        if let Some(step) = self.lines().remove(machine) {
            step.bar.finish_and_clear();
            let seconds = step.began.elapsed().as_secs_f64();
            self.print(&format!("{mark} {machine}: {} {seconds:.1}s", step.text.trim_end_matches("...")));
        }
    }

    fn print(&self, line: &str) {
        // A terminal that went away is nobody to tell.
        let _ = self.screen.println(line);
    }

    fn bar(&self, machine: &MachineName, text: &str) -> ProgressBar {
        let bar = self.screen.add(ProgressBar::new_spinner());
        let template = "{spinner:.cyan} {prefix:.bold}: {msg} {elapsed:.dim}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(machine.to_string());
        bar.set_message(text.to_owned());
        bar.enable_steady_tick(TICK);
        bar
    }
}

impl Reporter for Fancy {
    fn step(&self, machine: &MachineName, text: &str) {
        self.end(machine, "\u{2713}");
        let step = Step { bar: self.bar(machine, text), text: text.to_owned(), began: Instant::now() };
        self.lines().insert(machine.clone(), step);
    }
    fn detail(&self, machine: &MachineName, text: &str) {
        if let Some(step) = self.lines().get(machine) {
            let short: String = text.chars().take(60).collect();
            step.bar.set_message(format!("{} {short}", step.text));
        }
    }
    fn info(&self, machine: &MachineName, text: &str) {
        self.print(&format!("  {machine}: {text}"));
    }
    fn warn(&self, machine: &MachineName, text: &str) {
        self.print(&format!("! {machine}: {text}"));
    }
    fn finish(&self, machine: &MachineName, done: bool) {
        self.end(machine, if done { "\u{2713}" } else { "\u{2717}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_hears_of_details_only_after_a_while_without_a_line() {
        let plain = Plain { printer: Printer, several: false, lines: Mutex::default() };
        let [one, two] = ["one", "two"].map(|name| MachineName::parse(name).unwrap());
        assert!(!plain.quiet_for(&one, QUIET), "the first detail of all waits, too");
        let earlier = Instant::now().checked_sub(QUIET).unwrap();
        plain.lines.lock().unwrap().insert(one.clone(), earlier);
        assert!(!plain.quiet_for(&two, QUIET), "each machine has a quiet of its own");
        assert!(plain.quiet_for(&one, QUIET));
        assert!(!plain.quiet_for(&one, QUIET), "it has just had a line");
    }
}
