//! Clusters of real engines, declared in a file: machines that are containers, on a network of the test's own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::e2e::docker_user::{Owner, PACK, answering, docker};
use crate::e2e::lab::{Done, until};

/// A user with a file.
struct Site {
    owner: Owner,
    name: &'static str,
}

impl Deref for Site {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl Site {
    fn new(name: &'static str) -> Self {
        Self { owner: Owner::new(&format!("rm-cluster-{name}")), name }
    }

    /// `groups` and what else the file is to say.
    fn declare(&self, rest: &str) {
        let (name, network) = (self.name, &self.network);
        let text = format!(
            "name = \"{name}\"\ndriver = \"docker\"\noptions = {{ network = \"{network}\" }}\n{rest}"
        );
        std::fs::write(self.user.home().join("cluster.toml"), text).expect("the file");
    }

    fn cluster(&self, words: &str) -> Done {
        let words: Vec<&str> = ["cluster"].into_iter().chain(words.split(' ')).collect();
        self.user.rmachine(&words)
    }

    fn nodes(&self) -> Vec<Value> {
        let told = self.user.rmachine(&["swarm", "status", "-o", "json", self.name]);
        let status: Value = serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"));
        status["nodes"].as_array().expect("nodes").clone()
    }

    /// `NAME ROLE AVAILABILITY DISK`, of all that are ready.
    fn standing(&self) -> Vec<String> {
        let text = |n: &Value, key: &str| n[key].as_str().unwrap_or_default().to_owned();
        let mut all: Vec<String> = self
            .nodes()
            .iter()
            .filter(|n| n["state"] == "ready")
            .map(|n| {
                let disk = n["labels"]["disk"].as_str().unwrap_or("-").to_owned();
                format!("{} {} {} {disk}", text(n, "name"), text(n, "role"), text(n, "availability"))
            })
            .collect();
        all.sort();
        all
    }
}

/// Changes with every start of a machine's engine.
fn engine_start(machine: &str) -> String {
    let started =
        docker(&["exec", machine, "systemctl", "show", "-p", "InvocationID", "--value", "docker.service"])
            .out;
    assert!(started.len() > 30, "{machine}: {started:?}");
    started
}

fn engine_starts(machines: &[&str]) -> Vec<String> {
    machines.iter().map(|m| engine_start(m)).collect()
}

const THREE: &str = "
[groups.m]
role = \"manager\"
count = 1
[groups.w]
role = \"worker\"
count = 2
[networks.web]
attachable = true
";

#[test]
fn a_cluster_from_its_file_to_nothing() {
    let site = Site::new("clf");
    site.declare(THREE);
    let plan = site.cluster("plan --detailed-exitcode").failed(2, &[]);
    assert!(plan.out.contains("4 to add, 0 to change, 0 to replace, 0 to remove"), "{}", plan.out);

    // Killed when machines are half made, and again when the swarm is half there.
    site.user.start_until(&["cluster", "up"], "Waiting for SSH").kill_9();
    site.user.start_until(&["cluster", "up"], "Joining the swarm").kill_9();
    site.cluster("up").ok();
    let all = ["clf-m-1 manager active -", "clf-w-1 worker active -", "clf-w-2 worker active -"];
    assert_eq!(site.standing(), all);
    assert_eq!(docker(&["ps", "-q", "--filter", "name=^clf-"]).out.lines().count(), 3);

    // Again: no change, no restart.
    let machines = ["clf-m-1", "clf-w-1", "clf-w-2"];
    let starts = engine_starts(&machines);
    let again = site.cluster("up").ok();
    assert_eq!(again.out, "No changes: the cluster is as its file says.\n");
    site.cluster("plan --detailed-exitcode").ok();
    assert_eq!(engine_starts(&machines), starts);

    scaled_up_and_down(&site);
    a_stopped_node_is_started(&site);
    a_node_is_replaced(&site);

    let asked = site.user.rmachine_with(&["cluster", "down"], b"n\n").ok();
    assert!(asked.out.contains("About to remove the cluster clf") && asked.out.contains("clf-m-1, clf-w-1"));
    assert_eq!(site.standing().len(), 2, "it was not removed");
    site.cluster("down -y").ok();
    assert_eq!(site.left(), "");
    assert_eq!(site.user.rmachine(&["ls", "-q"]).ok().out, "");
    let nothing = site.cluster("down -y").ok();
    assert!(nothing.out.starts_with("Nothing to remove"), "{}", nothing.out);
}

fn scaled_up_and_down(site: &Site) {
    let starts = engine_starts(&["clf-m-1", "clf-w-1"]);
    site.declare(
        &THREE.replace("count = 2", "count = 3\nlabels = { disk = \"ssd\" }\navailability = \"pause\""),
    );
    site.cluster("up").ok();
    let bigger = [
        "clf-m-1 manager active -",
        "clf-w-1 worker pause ssd",
        "clf-w-2 worker pause ssd",
        "clf-w-3 worker pause ssd",
    ];
    assert_eq!(site.standing(), bigger);
    // A label of somebody else's stays, one that the file no longer has goes.
    site.user.rmachine(&["swarm", "label", "clf-w-1", "mine=1"]).ok();
    site.declare(&THREE.replace("count = 2", "count = 1").replace("[networks.web]", "[networks.db]"));
    let asked = site.user.rmachine_with(&["cluster", "up"], b"n\n").ok();
    assert!(asked.out.contains("1 to add, 1 to change, 0 to replace, 3 to remove"), "{}", asked.out);
    assert_eq!(site.standing(), bigger, "nothing is removed unasked");
    site.cluster("up -y").ok();
    assert_eq!(site.standing(), ["clf-m-1 manager active -", "clf-w-1 worker active -"]);
    let worker = site.nodes().into_iter().find(|n| n["name"] == "clf-w-1").expect("the worker");
    assert_eq!(worker["labels"], serde_json::json!({"mine": "1"}));
    let networks = site.user.docker(
        "clf-m-1",
        &[
            "network",
            "ls",
            "--filter",
            "driver=overlay",
            "-f",
            "label=rmachine.cluster=clf",
            "--format",
            "{{.Name}}",
        ],
    );
    assert_eq!(networks.ok().out, "db\n");
    assert_eq!(
        docker(&["ps", "-aq", "--filter", "name=^clf-"]).out.lines().count(),
        2,
        "the others are gone"
    );
    assert_eq!(engine_starts(&["clf-m-1", "clf-w-1"]), starts);
}

fn a_stopped_node_is_started(site: &Site) {
    for stopped in [&["clf-m-1", "clf-w-1"][..], &["clf-w-1"]] {
        site.user.rmachine(&[&["stop"], stopped].concat()).ok();
        if stopped.len() == 1 {
            // The swarm takes a while to miss a worker.
            until("the swarm misses the worker", || site.standing().len() == 1);
        }
        let done = site.cluster("up").ok();
        assert!(done.out.contains("it is stopped"), "{}", done.out);
        assert_eq!(site.standing().len(), 2);
    }
}

/// The only manager, while a worker stands in for it.
fn a_node_is_replaced(site: &Site) {
    let id = |machine: &str| docker(&["inspect", "-f", "{{.Id}}", machine]).out;
    let before = (id("clf-m-1"), id("clf-w-1"));
    site.user.docker("clf-m-1", &["config", "create", "kept", "/etc/hostname"]).ok();
    let done = site.cluster("roll --replace -y m").ok();
    assert!(done.out.contains("[1/1] Replacing clf-m-1"), "{}", done.out);
    assert!(
        id("clf-m-1") != before.0 && id("clf-w-1") == before.1,
        "the manager is another, the worker is not"
    );
    // The worker may be missed for a moment when it finds the other manager.
    let both = ["clf-m-1 manager active -", "clf-w-1 worker active -"];
    until("both are ready", || site.standing() == both);
    let kept = site.user.docker("clf-m-1", &["config", "ls", "--format", "{{.Name}}"]).ok().out;
    assert_eq!(kept, "kept\n", "what the swarm knows went from manager to manager");
    let again = site.cluster("up").ok();
    assert_eq!(again.out, "No changes: the cluster is as its file says.\n");
}

/// As `1/1`.
fn replicas(site: &Site, service: &str) -> String {
    let filter = format!("name={service}");
    let list = ["service", "ls", "--filter", &filter, "--format", "{{.Replicas}}"];
    let listed = site.user.docker("clr-m-1", &list).out;
    listed.split_whitespace().next().unwrap_or_default().to_owned()
}

const FOUR: &str = "
[engine]
label = { round = 1 }
[groups.m]
role = \"manager\"
count = 3
[groups.w]
role = \"worker\"
count = 1
";

#[test]
fn a_roll_over_four_nodes_while_every_request_is_answered() {
    let site = Site::new("clr");
    site.declare(FOUR);
    site.cluster("up --parallel 2").ok();
    let machines = ["clr-m-1", "clr-m-2", "clr-m-3", "clr-w-1"];
    std::thread::scope(|scope| {
        for machine in machines {
            let user = &site.user;
            scope.spawn(move || user.rmachine(&["ssh", machine, PACK]).ok());
        }
    });
    let web = ["--replicas", "2", "--publish", "mode=host,target=80,published=8080"];
    site.user.docker("clr-m-1", &answering("web", &web)).ok();
    let addresses: Vec<SocketAddr> = machines.iter().map(|m| at_8080(&site, m)).collect();
    until("two of them answer", || addresses.iter().filter(|a| answers(a)).count() == 2);

    a_roll_that_cannot_go_on_stops(&site);

    let leader = site.nodes().into_iter().find(|n| n["leader"] == true).expect("a leader");
    let leader = leader["name"].as_str().expect("a name").to_owned();
    let starts = engine_starts(&machines);
    site.declare(&FOUR.replace("round = 1", "round = 2"));
    // What is bound to one node waits for it, and keeps nobody from going on.
    site.user.docker("clr-m-1", &answering("tied", &["--constraint", "node.hostname==clr-w-1"])).ok();
    until("it runs", || replicas(&site, "tied") == "1/1");
    let (done, asked, lost) = asking(&addresses, || site.cluster("up"));
    let done = done.ok();
    assert!(
        (done.out.clone() + &done.err).contains("tied waits for this node"),
        "{}\n{}",
        done.out,
        done.err
    );
    assert_eq!(replicas(&site, "tied"), "1/1", "it runs again");
    assert!(asked > 50, "{asked} requests are too few to tell anything");
    assert_eq!(lost, 0, "of {asked} requests\n{}", done.out);
    assert!(done.out.contains("[1/4] Provisioning clr-w-1"), "{}", done.out);
    assert!(
        done.out.contains(&format!("[4/4] Provisioning {leader}")),
        "the leader {leader} is last: {}",
        done.out
    );
    for (machine, before) in machines.iter().zip(&starts) {
        assert!(engine_start(machine) != *before, "{machine} was not restarted");
        assert!(site.user.labels(machine).contains(&"round=2".to_owned()));
    }
    let whole =
        machines.map(|m| format!("{m} {} active -", if m.contains("-m-") { "manager" } else { "worker" }));
    assert_eq!(site.standing(), whole);
    assert_eq!(site.cluster("up").ok().out, "No changes: the cluster is as its file says.\n");
    site.cluster("down -y").ok();
    assert_eq!(site.left(), "");
}

/// A service that needs as many nodes as there are keeps each of them from being emptied.
fn a_roll_that_cannot_go_on_stops(site: &Site) {
    site.user
        .docker("clr-m-1", &answering("full", &["--replicas", "4", "--replicas-max-per-node", "1"]))
        .ok();
    until("it runs", || replicas(site, "full") == "4/4");
    let start = engine_start("clr-w-1");
    let stopped = site.cluster("roll --wait 3");
    stopped.failed(
        1,
        &[
            "clr-w-1: after 3 s services do not run",
            "full: 3 of 4 tasks run",
            "nothing was done to it",
            "the roll stopped here, with 3 more",
        ],
    );
    assert_eq!(engine_start("clr-w-1"), start, "it was not touched");
    assert!(site.standing().contains(&"clr-w-1 worker active -".to_owned()), "it is given tasks again");
    let plan = site.cluster("plan").ok().out;
    assert!(
        plan.contains("0 to add, 4 to change") && plan.contains("a roll over it is not finished"),
        "{plan}"
    );
    site.user.docker("clr-m-1", &["service", "rm", "full"]).ok();
    // Nothing of it is to be seen in what follows.
    until("two of them answer", || site.standing().len() == 4);
}

fn at_8080(site: &Site, machine: &str) -> SocketAddr {
    let ip = site.user.rmachine(&["ip", machine]).ok().out;
    format!("{}:8080", ip.trim()).parse().expect("an address")
}

fn answers(address: &SocketAddr) -> bool {
    let patience = Duration::from_millis(700);
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().is_ok_and(|text| text.ends_with("hello"))
}

/// Asks, as a client with a list of addresses does, until `work` is done: how many requests there were, and how many of them
/// nobody answered.
fn asking(addresses: &[SocketAddr], work: impl FnOnce() -> Done) -> (Done, usize, usize) {
    let (over, asked, lost) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                asked.fetch_add(1, Ordering::Relaxed);
                if !addresses.iter().any(answers) {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(50).saturating_sub(began.elapsed()));
            }
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        done
    });
    (done, asked.into_inner(), lost.into_inner())
}

/// The example as it is written, killed wherever it can be.
#[test]
fn the_example_cut_short_everywhere() {
    let owner = Owner::new("rm-cluster-example");
    let user = &owner.user;
    let cluster = |words: &[&str]| user.rmachine(&[&["cluster"], words].concat());
    let nodes = || {
        let told = cluster(&["status", "-o", "json"]);
        let status: Value = serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"));
        let ready =
            status["nodes"].as_array().expect("nodes").iter().filter(|n| n["state"] == "ready").count();
        (ready, status["absent"].as_array().expect("absent").len())
    };
    let containers = || docker(&["ps", "-aq", "--filter", &owner.label()]).out.lines().count();
    cluster(&["init", "cle"]).ok();
    for word in ["Creating machine...", "Joining the swarm"] {
        user.start_until(&["cluster", "up"], word).kill_9();
    }
    cluster(&["up"]).ok();
    assert_eq!((nodes(), containers()), ((3, 0), 3));
    cluster(&["plan", "--detailed-exitcode"]).ok();

    let rm = ["rm", "-y", "cle-workers-2"];
    for struck_off in [false, true] {
        user.start_until(&rm, "About to remove").kill_9();
        let going = user.start_until(&rm, "Leaving the swarm");
        if struck_off {
            until("the swarm has struck it off", || nodes().0 == 2);
        }
        going.kill_9();
        // Killed that late, it may have been gone already.
        let again = user.rmachine(&rm);
        assert!(again.code == 0 || again.err.contains("does not exist"), "{again:?}");
        assert_eq!((nodes(), containers()), ((2, 0), 2));
        cluster(&["up"]).ok();
        assert_eq!((nodes(), containers()), ((3, 0), 3));
    }

    user.start_until(&["cluster", "down", "-y"], "About to remove the cluster").kill_9();
    let down = user.start_until(&["cluster", "down", "-y"], "About to remove the cluster");
    until("something is gone", || containers() < 3);
    down.kill_9();
    cluster(&["down", "-y"]).ok();
    assert_eq!(owner.left(), "");
    assert_eq!(user.rmachine(&["ls", "-q"]).ok().out, "");
}
