//! Swarms of real engines: machines that are containers, on a network of the test's own.

use std::process::Command;

use serde_json::Value;

use crate::e2e::lab::{Done, User, until};

/// A user whose machines are containers on a network of the test's own. Whatever a failed test leaves goes with it.
struct Owner {
    user: User,
    network: String,
}

impl Owner {
    fn new(network: &str) -> Self {
        let owner = Self { user: User::new(), network: format!("rm-swarm-{network}") };
        // What a run that was killed left would be in the way.
        docker(&["network", "rm", &owner.network]);
        owner
    }

    /// `create` or `swarm create` with the docker driver.
    fn made<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let mut args = words.to_vec();
        args.splice(args.len() - 1..args.len() - 1, ["-d", "docker", "--docker-network", &self.network]);
        args
    }

    fn make(&self, words: &[&str]) -> Done {
        self.user.rmachine(&self.made(words))
    }

    fn rm(&self, args: &[&str]) -> Done {
        self.user.rmachine(args)
    }

    fn status(&self, cluster: &str) -> Value {
        let told = self.user.rmachine(&["swarm", "status", "-o", "json", cluster]);
        serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"))
    }

    /// A node of the status.
    fn node(&self, cluster: &str, name: &str) -> Value {
        let status = self.status(cluster);
        let nodes = status["nodes"].as_array().expect("nodes");
        nodes.iter().find(|n| n["name"] == name).cloned().unwrap_or(Value::Null)
    }

    fn leader(&self, cluster: &str) -> String {
        let status = self.status(cluster);
        let nodes = status["nodes"].as_array().expect("nodes");
        let leader = nodes.iter().find(|n| n["leader"] == true);
        leader.map_or(String::new(), |n| n["name"].as_str().expect("a name").to_owned())
    }

    /// How a node's engine sees itself.
    fn local(&self, name: &str) -> String {
        let told = self.user.docker(name, &["info", "-f", "{{.Swarm.LocalNodeState}}"]);
        told.out.trim().to_owned()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let label = format!("label=rmachine.store={}", self.user.store().display());
        for id in docker(&["ps", "-aq", "--filter", &label]).lines() {
            docker(&["rm", "-fv", id]);
        }
        docker(&["network", "rm", &self.network]);
    }
}

/// The outer engine's CLI.
fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An image of what a node has itself, since there may be no registry: `sleep`, `getent`, and what they are linked to.
const PACK: &str = "set -e; files=$(for p in /usr/bin/sleep /usr/bin/getent; do echo $p; ldd $p | grep -o '/[^ ]*'; done | sort -u); \
    tar -C / -ch $files 2>/dev/null | docker import - sleeper >/dev/null";

/// A service of so many pieces that do nothing.
fn sleepers<'a>(name: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["service", "create", "--quiet", "--detach", "--name", name, "--no-resolve-image"];
    args.extend(["--stop-grace-period", "0s", "--endpoint-mode", "dnsrr"]);
    args.extend(extra);
    args.extend(["sleeper", "/usr/bin/sleep", "1000000"]);
    args
}

#[test]
fn a_swarm_from_its_first_to_its_last_day() {
    let owner = Owner::new("life");
    let user = &owner.user;
    let made = owner.make(&["swarm", "create", "--managers", "3", "--workers", "1", "swl"]).ok();
    assert!(made.out.contains("4 of 4 nodes are in the swarm swl: 3 managers, 1 workers"), "{}", made.out);
    assert!(
        made.out.contains("(swl-w1) Advertising ") && made.out.contains("the managers are in"),
        "{}",
        made.out
    );
    let status = owner.status("swl");
    assert_eq!(status["words"], "3 managers, majority 2, can lose 1");
    let nodes = status["nodes"].as_array().expect("nodes");
    let ready = nodes.iter().filter(|n| n["state"] == "ready" && n["machine"] == true).count();
    assert_eq!(ready, 4, "{status}");
    assert_eq!(status["absent"], serde_json::json!([]));
    let list = owner.rm(&["swarm", "ls"]).ok().out;
    assert!(list.contains("swl       3          1         swl-m1 swl-m2 swl-m3 swl-w1\n"), "{list}");
    // The same words again: nothing to do, nothing done.
    let again = owner.make(&["swarm", "create", "--managers", "3", "--workers", "1", "swl"]).ok();
    assert!(!again.out.contains("Creating machine..."), "{}", again.out);

    commands_run_everywhere(&owner);
    old_tokens_let_nobody_in(&owner);
    tasks_move(&owner);
    roles_change(&owner);
    locked_managers_wait(&owner);
    another_leads(&owner);
    a_cut_off_node_is_seen(&owner);

    // Nodes go one by one, and the swarm knows.
    owner.rm(&["rm", "-y", "swl-w1"]).ok();
    let nodes = owner.status("swl")["nodes"].as_array().expect("nodes").len();
    assert_eq!(nodes, 3, "its node went with it");
    owner.rm(&["rm", "-y", "swl-m3"]).ok();
    assert_eq!(
        owner.status("swl")["words"],
        "2 managers: worse than 1, for losing either of them stops the swarm"
    );
    let done = owner.rm(&["rm", "-y", "swl-m1", "swl-m2"]).ok();
    assert!(!done.out.contains("Leaving"), "a swarm that goes as a whole needs no goodbyes: {}", done.out);
    assert_eq!(user.rmachine(&["swarm", "ls", "-q"]).ok().out, "");
}

fn commands_run_everywhere(owner: &Owner) {
    let user = &owner.user;
    let done = user.rmachine(&["run", "swl", "--", "hostname; hostname >&2"]).ok();
    let mut lines: Vec<_> = done.out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["swl-m1: swl-m1", "swl-m2: swl-m2", "swl-m3: swl-m3", "swl-w1: swl-w1"]);
    assert_eq!(done.err.lines().count(), 4, "{}", done.err);
    let done = user.rmachine(&[
        "run",
        "swl",
        "--role",
        "manager",
        "--name",
        "[23]$",
        "--",
        "test $(hostname) != swl-m3 || exit 7",
    ]);
    done.failed(7, &["It failed on 1 of 2 machines", "swl-m3: exit status 7"]);
    owner.rm(&["swarm", "label", "swl-w1", "disk=ssd", "zone=a"]).ok();
    owner.rm(&["swarm", "label", "swl-w1", "zone-"]).ok();
    assert_eq!(owner.node("swl", "swl-w1")["labels"], serde_json::json!({"disk": "ssd"}));
    let json =
        user.rmachine(&["run", "swl", "--label", "disk=ssd", "-o", "json", "--", "echo", "hi"]).ok().out;
    let first: Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first, serde_json::json!({"machine": "swl-w1", "stream": "stdout", "line": "hi"}));
    let all = user.rmachine(&["ssh", "--all", "--", "echo", "there"]).ok().out;
    assert_eq!(all.lines().count(), 4, "{all}");

    // Ctrl-C ends it there, too.
    let running =
        user.start_until(&["run", "swl", "--role", "worker", "--", "echo begun; exec sleep 4242"], "begun");
    running.signal("-INT").failed(130, &["ends on every machine"]);
    let sleeps = || user.rmachine(&["ssh", "swl-w1", "pgrep -fx 'sleep 4242' | wc -l"]).ok().out;
    until("the command has ended there", || sleeps() == "0\n");
}

fn old_tokens_let_nobody_in(owner: &Owner) {
    let user = &owner.user;
    let old = user.rmachine(&["swarm", "token", "swl"]).ok().out.trim().to_owned();
    let new = user.rmachine(&["swarm", "token", "swl", "worker", "--rotate"]).ok().out.trim().to_owned();
    assert!(old.starts_with("SWMTKN-1-") && new.starts_with("SWMTKN-1-") && old != new);
    let manager = user.rmachine(&["swarm", "token", "swl", "manager"]).ok().out.trim().to_owned();
    assert_ne!(manager, new);
    owner.rm(&["swarm", "leave", "swl-w1"]).ok();
    assert_eq!(owner.local("swl-w1"), "inactive");
    assert_eq!(owner.node("swl", "swl-w1"), Value::Null, "it is struck off");
    let at = format!("{}:2377", user.rmachine(&["ip", "swl-m1"]).ok().out.trim());
    let refused = user.docker("swl-w1", &["swarm", "join", "--token", &old, &at]);
    assert!(refused.code != 0 && refused.err.contains("valid join token"), "{refused:?}");
    // Back in, told of everything, and no token in what is told.
    let joined = user.rmachine(&["--debug", "swarm", "join", "swl-w1", "--cluster", "swl"]).ok();
    let told = format!("{}{}", joined.out, joined.err);
    assert!(told.contains("Joining the swarm swl as a worker"), "{told}");
    assert!(!told.contains("SWMTKN"), "{told}");
    let store = Command::new("grep").args(["-rl", "SWMTKN"]).arg(user.store()).output().expect("grep runs");
    assert_eq!(String::from_utf8_lossy(&store.stdout), "", "no token is kept");
}

fn tasks_move(owner: &Owner) {
    let user = &owner.user;
    user.rmachine(&["run", "swl", "--", PACK]).ok();
    user.docker("swl-m1", &["network", "create", "--driver", "overlay", "mesh"]).ok();
    user.docker("swl-m1", &sleepers("spread", &["--network", "mesh", "--replicas", "4"])).ok();
    user.docker("swl-m1", &sleepers("everywhere", &["--network", "mesh", "--mode", "global"])).ok();
    let tasks = || {
        owner.status("swl")["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|n| n["tasks"].as_u64().expect("a number"))
            .sum::<u64>()
    };
    until("all tasks run", || tasks() == 8);
    let find = user.docker("swl-w1", &["ps", "-q", "--filter", "name=everywhere"]).ok().out;
    let found = || {
        user.docker("swl-w1", &["exec", find.trim(), "/usr/bin/getent", "ahostsv4", "tasks.everywhere"]).out
    };
    until("each of the four is found by the name of its service", || {
        found().lines().filter(|l| l.contains("STREAM")).count() == 4
    });
    owner.rm(&["swarm", "drain", "swl-w1"]).ok();
    let node = owner.node("swl", "swl-w1");
    assert_eq!((&node["availability"], &node["tasks"]), (&"drain".into(), &0.into()));
    until("what was there runs elsewhere", || tasks() == 7);
    owner.rm(&["swarm", "activate", "swl-w1"]).ok();
    until("the global one is back", || owner.node("swl", "swl-w1")["tasks"] == 1);
    user.docker("swl-m1", &["service", "rm", "spread"]).ok();
}

fn roles_change(owner: &Owner) {
    owner.rm(&["swarm", "promote", "swl-w1"]).ok();
    assert_eq!(owner.status("swl")["words"], "4 managers, majority 3, can lose 1");
    owner.rm(&["swarm", "demote", "swl-w1"]).ok();
    owner.rm(&["swarm", "demote", "swl-w1"]).ok();
    assert_eq!(owner.status("swl")["words"], "3 managers, majority 2, can lose 1");
    owner
        .rm(&["swarm", "init", "swl-w1"])
        .failed(1, &["\"swl-w1\" is in the swarm \"swl\" already", "swarm leave swl-w1"]);
    owner.rm(&["swarm", "status", "nosuch"]).failed(1, &["no cluster \"nosuch\"", "there are: swl"]);
}

fn locked_managers_wait(owner: &Owner) {
    let user = &owner.user;
    owner.rm(&["swarm", "unlock-key", "swl"]).failed(1, &["has no key", "swarm lock swl"]);
    owner.rm(&["swarm", "lock", "swl"]).ok();
    let key = owner.rm(&["swarm", "unlock-key", "swl"]).ok().out;
    assert!(key.starts_with("SWMKEY-1-"), "{key}");
    let restart = |name| user.rmachine(&["ssh", name, "sudo systemctl restart docker"]).ok();
    restart("swl-m2");
    until("the engine is back and locked", || owner.local("swl-m2") == "locked");
    until("the others see it", || owner.node("swl", "swl-m2")["reachability"] == "unreachable");
    // With the others open nobody needs to type anything.
    let told = user.rmachine(&["--debug", "swarm", "unlock", "swl"]).ok();
    assert!(told.out.contains("Unlocked swl-m2") && !format!("{told:?}").contains("SWMKEY"), "{told:?}");
    until("it is back", || owner.node("swl", "swl-m2")["reachability"] == "reachable");
    // A wrong key opens nothing; the new one does, from standard input, when nobody is open.
    let new = owner.rm(&["swarm", "unlock-key", "swl", "--rotate"]).ok().out;
    assert_ne!(new, key);
    for name in ["swl-m1", "swl-m2", "swl-m3"] {
        restart(name);
    }
    until("all are locked", || ["swl-m1", "swl-m2", "swl-m3"].iter().all(|n| owner.local(n) == "locked"));
    owner.rm(&["swarm", "status", "swl"]).failed(1, &[]);
    owner.rm(&["swarm", "token", "swl"]).failed(1, &["are locked", "swarm unlock swl"]);
    user.rmachine_with(&["swarm", "unlock", "swl"], b"nonsense").failed(1, &["begins with SWMKEY-"]);
    user.rmachine_with(&["swarm", "unlock", "swl"], key.as_bytes()).failed(1, &["cannot be unlocked"]);
    user.rmachine_with(&["swarm", "unlock", "swl"], new.as_bytes()).ok();
    until("all are back", || owner.status("swl")["words"] == "3 managers, majority 2, can lose 1");
    owner.rm(&["swarm", "lock", "--off", "swl"]).ok();
}

fn another_leads(owner: &Owner) {
    let first = owner.leader("swl");
    owner.rm(&["kill", &first]).ok();
    until("another leads", || {
        let now = owner.leader("swl");
        !now.is_empty() && now != first
    });
    until("and the loss is told", || {
        owner.status("swl")["words"] == "3 managers, majority 2, 2 answer, can lose no more"
    });
    let told = owner.rm(&["swarm", "status", "swl"]).ok().out;
    assert!(told.contains("Advice: bring back the managers that do not answer"), "{told}");
    // Now each of the two that are left is needed.
    let left = owner.leader("swl");
    owner.rm(&["swarm", "demote", &left]).failed(1, &["stays a manager", "only 1 answers, and it takes 2"]);
    owner.rm(&["rm", "-y", &left]).failed(1, &["stays a manager", "--force"]);
    assert_eq!(owner.user.phase(&left), "ready", "a refused removal has begun nothing");
    owner.rm(&["start", &first]).ok();
    until("it is whole again", || owner.status("swl")["words"] == "3 managers, majority 2, can lose 1");
}

fn a_cut_off_node_is_seen(owner: &Owner) {
    let address = owner.user.rmachine(&["ip", "swl-w1"]).ok().out;
    docker(&["network", "disconnect", &owner.network, "swl-w1"]);
    until("its silence is noticed", || owner.node("swl", "swl-w1")["state"] == "down");
    let told = owner.rm(&["swarm", "status", "swl"]).ok().out;
    assert!(told.contains("swl-w1 is down"), "{told}");
    docker(&["network", "connect", "--ip", address.trim(), &owner.network, "swl-w1"]);
    until("it is back", || owner.node("swl", "swl-w1")["state"] == "ready");
}
