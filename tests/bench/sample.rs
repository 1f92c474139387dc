//! Runs of the same thing, and what is said of them.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Times of several runs, in the order in which they were run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn of(runs: usize, mut run: impl FnMut() -> Duration) -> Self {
        Self((0..runs).map(|_| run()).collect())
    }

    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2 }
    }
}

/// Seconds, as they came; of many, the spread.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALL: usize = 12;
        if self.0.len() <= ALL {
            let all: Vec<_> = self.0.iter().map(|t| format!("{:.2}", t.as_secs_f64())).collect();
            return write!(f, "{} s", all.join(" "));
        }
        let (least, most) = (self.0.iter().min().expect("runs"), self.0.iter().max().expect("runs"));
        write!(f, "{} to {} in {} runs", ms(*least), ms(*most), self.0.len())
    }
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Waits, not for long, until the computer has done with what came before: namespaces, for one, go away behind one's back.
pub(crate) fn settle() {
    for _ in 0..50 {
        let (idle, all) = ticks();
        std::thread::sleep(Duration::from_millis(200));
        let (idle, all) = (ticks().0 - idle, ticks().1 - all);
        if idle * 100 >= all * 97 {
            return;
        }
    }
}

/// Idle ones, and all.
fn ticks() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/stat").expect("/proc/stat");
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    (ticks.iter().skip(3).take(2).sum(), ticks.iter().sum())
}

/// From its start to its end. It has to succeed.
pub(crate) fn timed(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    let took = began.elapsed();
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{out}{err}");
    took
}
