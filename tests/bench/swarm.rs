//! A swarm of three machines at once, against one machine; and how soon after the last machine all nodes are ready.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::report::Report;
use crate::sample::{Samples, seconds, settle, timed};

/// Made with the first machine and removed with the last, as users have it.
const NETWORK: &str = "bench-swarm";
const RUNS: usize = 5;

pub(crate) fn measure(report: &mut Report, rmachine: &Path, scratch: &Path) {
    let bench = Swarms { rmachine, store: scratch.join("swarms") };
    timed(bench.rmachine(&["node-image", "build", "-d", "docker"]).env("HOME", scratch));
    // Also makes the certificates, which are made once for all machines.
    bench.create("bench-swarm-0");
    bench.remove(&["bench-swarm-0"]);
    let (mut one, mut three, mut ready) = (Samples::default(), Samples::default(), Samples::default());
    let (mut managers, mut managers_ready) = (Samples::default(), Samples::default());
    for _ in 0..RUNS {
        one.push(bench.create("bench-swarm-0"));
        bench.remove(&["bench-swarm-0"]);
        bench.swarm("1", "2", &mut three, &mut ready);
        bench.remove(&["bench-swarm-m1", "bench-swarm-w1", "bench-swarm-w2"]);
        bench.swarm("3", "0", &mut managers, &mut managers_ready);
        bench.remove(&["bench-swarm-m1", "bench-swarm-m2", "bench-swarm-m3"]);
    }
    let ratio = |a: &Samples| a.median().as_secs_f64() / one.median().as_secs_f64();
    let told = |a: &Samples| {
        format!("{:.2} x ({} against {})", ratio(a), seconds(a.median()), seconds(one.median()))
    };
    report.goal(
        "`swarm create` of a manager and two workers, against one machine",
        "at most 1.6 x",
        told(&three),
        ratio(&three) <= 1.6,
    );
    report.goal(
        "from the last machine being ready until all nodes are",
        "at most 2 s",
        seconds(ready.median()),
        ready.median() <= Duration::from_secs(2),
    );
    report.interest("the same with three managers, against one machine", told(&managers));
    report.interest(
        "the same with three managers, until all nodes are ready",
        seconds(managers_ready.median()),
    );
    report.raw("create -d docker, before a swarm", &one);
    report.raw("swarm create, one manager and two workers", &three);
    report.raw("all ready after the last machine", &ready);
    report.raw("swarm create, three managers", &managers);
    report.raw("all ready after the last machine, three managers", &managers_ready);
}

struct Swarms<'a> {
    rmachine: &'a Path,
    store: std::path::PathBuf,
}

impl Swarms<'_> {
    fn rmachine(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.rmachine);
        command.env("MACHINE_STORAGE_PATH", &self.store).args(args);
        command
    }

    fn create(&self, name: &str) -> Duration {
        settle();
        timed(&mut self.rmachine(&["create", "-d", "docker", "--docker-network", NETWORK, name]))
    }

    fn remove(&self, names: &[&str]) {
        timed(self.rmachine(&["rm", "-y"]).args(names));
    }

    /// The time of the whole command, and from the moment when it said that the last machine is up until a manager
    /// lists every node as ready.
    fn swarm(&self, managers: &str, workers: &str, whole: &mut Samples, ready: &mut Samples) {
        let words = ["--progress", "json", "swarm", "create", "-d", "docker", "--docker-network", NETWORK];
        let counts = ["--managers", managers, "--workers", workers, "bench-swarm"];
        settle();
        let began = Instant::now();
        let output = self.rmachine(&words).args(counts).output().expect("rmachine runs");
        let took = began.elapsed();
        assert!(output.status.success(), "{output:?}");
        while !self.all_ready() {
            assert!(began.elapsed() < Duration::from_secs(120), "never all ready");
        }
        let seen = began.elapsed();
        let events = String::from_utf8_lossy(&output.stdout).into_owned();
        let events = events.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let up = events.filter(|e| e["text"] == "Docker is up and running!").filter_map(|e| e["ms"].as_u64());
        let last = Duration::from_millis(up.max().expect("a machine came up"));
        whole.push(took);
        ready.push(seen.saturating_sub(last));
    }

    fn all_ready(&self) -> bool {
        let mut status = self.rmachine(&["swarm", "status", "-o", "json", "bench-swarm"]);
        let output = status.output().expect("rmachine runs");
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        let good =
            |n: &Value| n["state"] == "ready" && (n["role"] == "worker" || n["reachability"] == "reachable");
        nodes.len() == 3 && nodes.iter().all(good)
    }
}
