//! `create` on a host with an engine, against a script that does the same over one ssh; near and far.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::Args;
use crate::host::Host;
use crate::proxy::{self, Counter, Way};
use crate::report::Report;
use crate::sample::{Samples, seconds, timed};

/// What is created.
pub(crate) const MACHINE: &str = "bench-machine";
const SSH: u16 = 2222;
const ENGINE: u16 = 2376;
const LATE: Duration = Duration::from_millis(50);

/// Three ways to the same host, each an address of its own on loopback.
pub(crate) struct Lanes {
    near: Lane,
    delayed: Lane,
    far: Lane,
    /// Carries them.
    _runtime: Runtime,
}

struct Lane {
    address: &'static str,
    ssh: Counter,
}

impl Lanes {
    pub(crate) fn open(host: &Host) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let near = runtime.block_on(Lane::open("127.77.0.1", host, Way::Delayed(Duration::ZERO)));
        let delayed = runtime.block_on(Lane::open("127.77.0.2", host, Way::Delayed(LATE)));
        let far = runtime.block_on(Lane::open("127.77.0.3", host, Way::Far(LATE)));
        Self { near, delayed, far, _runtime: runtime }
    }
}

impl Lane {
    async fn open(address: &'static str, host: &Host, way: Way) -> Self {
        let at = |ip: &str, port| SocketAddr::new(ip.parse().expect("an address"), port);
        let ssh = proxy::start(at(address, SSH), at(&host.address, 22), way).await;
        proxy::start(at(address, ENGINE), at(&host.address, ENGINE), way).await;
        Self { address, ssh }
    }
}

/// What one of the two needed for one thing.
#[derive(Debug, Default)]
struct Seen {
    times: Samples,
    /// The most in any run.
    connections: usize,
    restarts: usize,
}

/// Who creates a machine, from a folder of its own to an engine that answers.
#[derive(Clone, Copy)]
enum Who {
    Rmachine,
    Script,
}

/// One thing to be done by both.
struct Task<'a> {
    lane: &'a Lane,
    /// Whether there is a CA, and a client certificate, already.
    ca: bool,
    rmachine: Seen,
    script: Seen,
}

/// The most that rmachine may take, in times of what the script takes.
const RATIO: f64 = 1.25;
const EXTRA: Duration = Duration::from_millis(1500);

/// Answers with a store that holds one machine.
pub(crate) fn measure(
    report: &mut Report,
    args: &Args,
    host: &Host,
    lanes: &Lanes,
    scratch: &Path,
) -> PathBuf {
    let bench = Bench { args, host, scratch };
    bench.prepare(lanes);
    let task = |lane, ca| Task { lane, ca, rmachine: Seen::default(), script: Seen::default() };
    let mut tasks = [
        task(&lanes.near, true),
        task(&lanes.near, false),
        task(&lanes.delayed, true),
        task(&lanes.far, true),
    ];
    for run in 0..args.runs {
        for task in &mut tasks {
            bench.round(task, run);
        }
    }
    // What stays is for others to ask, and no late one.
    bench.one(Who::Rmachine, &lanes.near, true, &mut Seen::default());
    let [warm, cold, delayed, far] = tasks;
    tell_work(report, &warm.rmachine, &cold.rmachine);
    tell_ratio(report, "`create`, CA there", &warm);
    tell_ratio(report, "`create`, CA and client certificate made too", &cold);
    tell_distance(report, &warm, &delayed, &far);
    bench.folder(Who::Rmachine)
}

struct Bench<'a> {
    args: &'a Args,
    host: &'a Host,
    scratch: &'a Path,
}

impl Bench<'_> {
    /// One run of both, in turns who goes first.
    fn round(&self, task: &mut Task<'_>, run: usize) {
        let order =
            if run.is_multiple_of(2) { [Who::Script, Who::Rmachine] } else { [Who::Rmachine, Who::Script] };
        for who in order {
            let (lane, ca) = (task.lane, task.ca);
            let seen = match who {
                Who::Rmachine => &mut task.rmachine,
                Who::Script => &mut task.script,
            };
            self.one(who, lane, ca, seen);
        }
    }

    fn one(&self, who: Who, lane: &Lane, ca: bool, seen: &mut Seen) {
        self.fresh_folder(who, ca);
        self.host.reset();
        let (starts, connections) = (self.host.engine_starts(), lane.ssh.get());
        let took = timed(&mut self.command(who, lane));
        self.host.must_be_configured(MACHINE);
        seen.times.push(took);
        seen.connections = seen.connections.max(lane.ssh.get() - connections);
        seen.restarts = seen.restarts.max(self.host.engine_starts() - starts);
        eprintln!(
            "{} at {}, {}: {}",
            who.name(),
            lane.address,
            if ca { "CA there" } else { "no CA" },
            seconds(took)
        );
    }

    /// One run that does not count, and leaves a CA for those that want one.
    fn prepare(&self, lanes: &Lanes) {
        for who in [Who::Script, Who::Rmachine] {
            self.one(who, &lanes.near, false, &mut Seen::default());
            let kept = self.kept(who);
            fs::create_dir(&kept).expect("a folder for the CA");
            for name in who.ca_files() {
                fs::copy(self.folder(who).join(name), kept.join(base(name))).expect("a copy of the CA");
            }
        }
    }

    fn fresh_folder(&self, who: Who, ca: bool) {
        let folder = self.folder(who);
        // Not there the first time.
        let _ = fs::remove_dir_all(&folder);
        for name in who.ca_files() {
            let to = folder.join(name);
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            if ca {
                fs::copy(self.kept(who).join(base(name)), to).expect("a copy of the CA");
            }
        }
    }

    fn folder(&self, who: Who) -> PathBuf {
        self.scratch.join(who.name())
    }

    fn kept(&self, who: Who) -> PathBuf {
        self.scratch.join(format!("{}-ca", who.name()))
    }

    fn command(&self, who: Who, lane: &Lane) -> Command {
        match who {
            Who::Rmachine => self.rmachine(lane),
            Who::Script => self.script(lane),
        }
    }

    fn rmachine(&self, lane: &Lane) -> Command {
        let mut command = Command::new(&self.args.rmachine);
        command.arg("--storage-path").arg(self.folder(Who::Rmachine));
        command.args(["create", "-d", "generic", "--engine-install", "none"]);
        command.args(["--generic-ip-address", lane.address, "--generic-ssh-port", &SSH.to_string()]);
        command.args(["--generic-ssh-user", "debian", "--generic-ssh-key"]).arg(&self.host.key).arg(MACHINE);
        command
    }

    fn script(&self, lane: &Lane) -> Command {
        let mut command = Command::new("tests/bench/baseline.sh");
        command.arg(self.folder(Who::Script)).args([MACHINE, lane.address, &SSH.to_string(), "debian"]);
        command.arg(&self.host.key);
        command
    }
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Rmachine => "rmachine",
            Self::Script => "script",
        }
    }

    fn ca_files(self) -> [&'static str; 4] {
        match self {
            Self::Rmachine => ["certs/ca.pem", "certs/ca-key.pem", "certs/cert.pem", "certs/key.pem"],
            Self::Script => ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"],
        }
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn tell_work(report: &mut Report, warm: &Seen, cold: &Seen) {
    let connections = warm.connections.max(cold.connections);
    let what = "`create` on a host with an engine: TCP connections to its SSH port";
    report.goal(what, "at most 2", connections.to_string(), connections <= 2);
    let (least, most) = (warm.restarts.min(cold.restarts), warm.restarts.max(cold.restarts));
    report.goal("the same: restarts of the engine", "1", most.to_string(), (least, most) == (1, 1));
}

fn tell_ratio(report: &mut Report, what: &str, task: &Task<'_>) {
    let (ours, theirs) = (task.rmachine.times.median(), task.script.times.median());
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    report.goal(
        &format!("{what}: time against a shell script over one ssh"),
        &format!("at most {RATIO} x"),
        format!("{ratio:.2} x ({} / {})", seconds(ours), seconds(theirs)),
        ratio <= RATIO,
    );
    report.raw(&format!("{what}, rmachine"), &task.rmachine.times);
    report.raw(&format!("{what}, script"), &task.script.times);
}

fn tell_distance(report: &mut Report, near: &Task<'_>, delayed: &Task<'_>, far: &Task<'_>) {
    let extra = |far: &Seen, near: &Seen| far.times.median().saturating_sub(near.times.median());
    let both = |task: &Task<'_>| (extra(&task.rmachine, &near.rmachine), extra(&task.script, &near.script));
    let (ours, theirs) = both(delayed);
    report.goal(
        "the same, every byte 50 ms late each way: time more than without",
        &format!("at most {} s", EXTRA.as_secs_f64()),
        format!("{} (the script: {})", seconds(ours), seconds(theirs)),
        ours <= EXTRA,
    );
    let (ours, theirs) = both(far);
    report.interest(
        "the same, and the TCP handshakes 50 ms late each way too",
        format!("{} (the script: {})", seconds(ours), seconds(theirs)),
    );
    for (what, task) in [("bytes", delayed), ("bytes and handshakes", far)] {
        report.raw(&format!("`create`, CA there, {what} 50 ms late, rmachine"), &task.rmachine.times);
        report.raw(&format!("`create`, CA there, {what} 50 ms late, script"), &task.script.times);
    }
}
