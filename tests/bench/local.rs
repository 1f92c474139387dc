//! What needs no network, what waits for one in vain, and the binary itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::report::Report;
use crate::sample::{Samples, ms, seconds, timed};
use crate::store;

const MANY: usize = 1000;
const SIZES: [usize; 3] = [1, 100, MANY];
const UNREACHABLE: usize = 200;
const TIMEOUT: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(1);
const QUICK_RUNS: usize = 50;
const SLOW_RUNS: usize = 5;
const MB: u64 = 1_000_000;

/// `template` is a store that holds one machine.
pub(crate) fn measure(report: &mut Report, rmachine: &Path, template: &Path, scratch: &Path) {
    let local = Local {
        rmachine,
        sizes: SIZES.map(|n| store::of_one_host(template, scratch.join(format!("of-{n}")), n)),
        unreachable: store::of_many(template, scratch.join("unreachable"), UNREACHABLE),
        usage: scratch.join("usage"),
    };
    local.sizes(report);
    local.memory(report);
    local.lost(report);
    local.version(report);
    size(report, rmachine);
}

struct Local<'a> {
    rmachine: &'a Path,
    /// One for each of `SIZES`.
    sizes: [PathBuf; SIZES.len()],
    unreachable: PathBuf,
    /// What `time` writes to.
    usage: PathBuf,
}

impl Local<'_> {
    fn memory(&self, report: &mut Report) {
        const MEMORY: u64 = 20 * MB;
        let (_, memory) = self.used(&[], self.sizes.last().expect("a store"), &["ls", "-q"]);
        let what = format!("`ls -q` with {MANY} machines: memory at its peak");
        report.goal(&what, "at most 20 MB", mb(memory), memory <= MEMORY);
    }

    fn lost(&self, report: &mut Report) {
        let words = ["ls", "--timeout", &TIMEOUT.as_secs().to_string()];
        let mut memory = 0;
        let times = Samples::of(SLOW_RUNS, || {
            let (time, most) = self.used(&["tests/bench/void"], &self.unreachable, &words);
            memory = memory.max(most);
            time
        });
        let what =
            format!("`ls --timeout {}` with {UNREACHABLE} machines that do not answer", TIMEOUT.as_secs());
        let measured = format!("{} (and {})", seconds(times.median()), mb(memory));
        let met = times.median() <= TIMEOUT + SLACK;
        report.goal(&format!("{what}: time"), "at most 3 s", measured, met);
        report.raw(&what, &times);
    }

    /// The engine of one real host answers for all machines, where it is asked.
    fn sizes(&self, report: &mut Report) {
        const TIME: Duration = Duration::from_millis(20);
        for command in ["ls -q", "ip", "inspect", "env"] {
            let medians = self.medians(report, command, QUICK_RUNS);
            let what = format!("`{command}` with {}: time", SIZES.map(counted).join(", "));
            let met = medians.last().is_some_and(|most| *most <= TIME);
            report.goal(&what, "at most 20 ms", in_a_row(&medians), met);
        }
        for command in ["config", "ls"] {
            let medians = self.medians(report, command, SLOW_RUNS);
            let what = format!("`{command}` with {}, asking engines: time", SIZES.map(counted).join(", "));
            report.interest(&what, in_a_row(&medians));
        }
        let most = self.sizes.last().expect("a store");
        let list = self.of(most).args(["ls", "-f", "{{.DockerVersion}}"]).output().expect("ls").stdout;
        let answered = String::from_utf8_lossy(&list).lines().filter(|l| l.starts_with('v')).count();
        report.interest(&format!("engines that answered such an `ls` with {MANY}"), answered.to_string());
    }

    fn medians(&self, report: &mut Report, command: &str, runs: usize) -> Vec<Duration> {
        let mut words: Vec<&str> = command.split(' ').collect();
        let name = store::name(0);
        if words[0] != "ls" {
            words.push(&name);
        }
        let of = |(count, store): (usize, &PathBuf)| {
            let times = Samples::of(runs, || timed(self.of(store).args(&words)));
            report.raw(&format!("`{command}` with {}", counted(count)), &times);
            times.median()
        };
        SIZES.into_iter().zip(&self.sizes).map(of).collect()
    }

    fn version(&self, report: &mut Report) {
        const TIME: Duration = Duration::from_millis(5);
        let ours = Samples::of(QUICK_RUNS, || timed(Command::new(self.rmachine).arg("--version")));
        let nothing = Samples::of(QUICK_RUNS, || timed(&mut Command::new("/bin/true")));
        report.goal(
            "`rmachine --version`: time",
            "at most 5 ms",
            format!("{} (`/bin/true`: {})", ms(ours.median()), ms(nothing.median())),
            ours.median() <= TIME,
        );
        report.raw("`rmachine --version`", &ours);
        report.raw("`/bin/true`", &nothing);
    }

    fn of(&self, store: &Path) -> Command {
        let mut command = Command::new(self.rmachine);
        command.arg("--storage-path").arg(store);
        command
    }

    /// How long it took, to a hundredth of a second, and the bytes it had resident at most: what wait4 told `time`.
    fn used(&self, around: &[&str], store: &Path, words: &[&str]) -> (Duration, u64) {
        let time = ["/usr/bin/time", "--format", "%e %M", "--output"];
        let mut all = around.iter().chain(&time);
        let mut command = Command::new(all.next().expect("time"));
        command.args(all).arg(&self.usage).arg(self.rmachine).arg("--storage-path").arg(store).args(words);
        timed(&mut command);
        let text = fs::read_to_string(&self.usage).expect("what time wrote");
        let (time, memory) = text.trim().split_once(' ').expect("two numbers");
        let time = Duration::from_secs_f64(time.parse().expect("seconds"));
        (time, memory.parse::<u64>().expect("kilobytes") * 1024)
    }
}

fn size(report: &mut Report, rmachine: &Path) {
    const SIZE: u64 = 15 * MB;
    let size = fs::metadata(rmachine).expect("the binary").len();
    report.goal("size of the release binary", "at most 15 MB", mb(size), size <= SIZE);
}

fn counted(machines: usize) -> String {
    if machines == 1 { "1 machine".to_owned() } else { machines.to_string() }
}

fn in_a_row(times: &[Duration]) -> String {
    times.iter().map(|t| ms(*t)).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "a tenth is enough")]
fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / MB as f64)
}
