//! Machines as containers: `create -d docker` against the container by itself, and three at once against one.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::report::Report;
use crate::sample::{Samples, seconds, settle, timed};

const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/container.sh");
const NAME: &str = "bench-docker";
/// One that was made for it, as a machine's is.
const NETWORK: &str = "bench-docker";
const RUNS: usize = 5;

pub(crate) fn measure(report: &mut Report, rmachine: &Path, scratch: &Path) {
    let bench = Containers { rmachine, store: scratch.join("containers") };
    timed(bench.rmachine(&["node-image", "build", "-d", "docker"]).env("HOME", scratch));
    // Also makes the certificates, which are made once for all machines.
    bench.create(&[NAME]);
    let image = inspect("{{.Config.Image}}");
    let caps = inspect("{{range .HostConfig.CapAdd}}{{println .}}{{end}}");
    bench.remove(&[NAME]);
    let caps: Vec<&str> = caps.split_whitespace().collect();
    timed(Command::new("docker").args(["network", "create", NETWORK]));
    let (mut by_hand, mut one, mut three) = (Samples::default(), Samples::default(), Samples::default());
    let names = ["bench-docker-1", "bench-docker-2", "bench-docker-3"];
    for _ in 0..RUNS {
        settle();
        by_hand.push(timed(Command::new(RUN).args([NAME, NETWORK, image.trim()]).args(&caps)));
        timed(Command::new("docker").args(["rm", "-fv", NAME]));
        one.push(bench.create(&[NAME]));
        bench.remove(&[NAME]);
        three.push(bench.create(&names));
        bench.remove(&names);
    }
    timed(Command::new("docker").args(["network", "rm", NETWORK]));
    let ratio = |a: &Samples, b: &Samples| a.median().as_secs_f64() / b.median().as_secs_f64();
    let (alone, together) = (ratio(&one, &by_hand), ratio(&three, &one));
    let times = |a: &Samples, b: &Samples| format!("{} against {}", seconds(a.median()), seconds(b.median()));
    report.goal(
        "`create -d docker`, against `docker run` until the engine inside answers",
        "at most 1.3 x",
        format!("{alone:.2} x ({})", times(&one, &by_hand)),
        alone <= 1.3,
    );
    report.goal(
        "three machines at once, against one",
        "at most 1.8 x",
        format!("{together:.2} x ({})", times(&three, &one)),
        together <= 1.8,
    );
    report.raw("docker run, by hand", &by_hand);
    report.raw("create -d docker", &one);
    report.raw("create -d docker, three", &three);
}

struct Containers<'a> {
    rmachine: &'a Path,
    store: std::path::PathBuf,
}

impl Containers<'_> {
    fn rmachine(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.rmachine);
        command.env("MACHINE_STORAGE_PATH", &self.store).args(args);
        command
    }

    fn create(&self, names: &[&str]) -> Duration {
        settle();
        timed(self.rmachine(&["create", "-d", "docker"]).args(names))
    }

    fn remove(&self, names: &[&str]) {
        timed(self.rmachine(&["rm", "-y"]).args(names));
    }
}

fn inspect(format: &str) -> String {
    let output = Command::new("docker").args(["inspect", "-f", format, NAME]).output();
    String::from_utf8_lossy(&output.expect("docker runs").stdout).into_owned()
}
