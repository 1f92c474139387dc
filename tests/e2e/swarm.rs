//! Swarms of real engines: machines that are containers, on a network of the test's own.

use std::process::Command;

use serde_json::Value;

use crate::e2e::docker_user::{Owner, PACK, answering, docker};
use crate::e2e::lab::{Done, until};

impl Owner {
    /// `create` or `swarm create` with the docker driver.
    fn made<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let mut args = words.to_vec();
        args.splice(args.len() - 1..args.len() - 1, ["-d", "docker", "--docker-network", &self.network]);
        args
    }

    fn make(&self, words: &[&str]) -> Done {
        self.user.rmachine(&self.made(words))
    }

    fn run(&self, args: &[&str]) -> Done {
        self.user.rmachine(args)
    }

    fn swarm(&self, cluster: &str) -> Value {
        let told = self.user.rmachine(&["swarm", "status", "-o", "json", cluster]);
        serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"))
    }

    /// A node of the status.
    fn node(&self, cluster: &str, name: &str) -> Value {
        let status = self.swarm(cluster);
        let nodes = status["nodes"].as_array().expect("nodes");
        nodes.iter().find(|n| n["name"] == name).cloned().unwrap_or(Value::Null)
    }

    fn leader(&self, cluster: &str) -> String {
        let status = self.swarm(cluster);
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

/// Asks each task of a service, by the name of them all, for 100 kB over their network; who answered in full.
const ASK: &str = "use IO::Socket::INET; my @all = gethostbyname(shift); for (@all[4..$#all]) { \
    my $s = IO::Socket::INET->new(PeerAddr => join('.', unpack('C4', $_)), PeerPort => 80, Timeout => 3) or next; \
    print $s \"GET / HTTP/1.0\\r\\n\\r\\n\"; local $/; my $t = <$s>; \
    print \"$1\\n\" if length($t) > 100000 && $t =~ /from (\\S+) [.]+hello$/ }";

#[test]
fn a_swarm_from_its_first_to_its_last_day() {
    let owner = Owner::new("rm-swarm-life");
    let user = &owner.user;
    let made = owner.make(&["swarm", "create", "--managers", "3", "--workers", "1", "swl"]).ok();
    assert!(made.out.contains("4 of 4 nodes are in the swarm swl: 3 managers, 1 workers"), "{}", made.out);
    assert!(
        made.out.contains("(swl-w1) Advertising ") && made.out.contains("the managers are in"),
        "{}",
        made.out
    );
    let status = owner.swarm("swl");
    assert_eq!(status["words"], "3 managers, majority 2, can lose 1");
    let nodes = status["nodes"].as_array().expect("nodes");
    let ready = nodes.iter().filter(|n| n["state"] == "ready" && n["machine"] == true).count();
    assert_eq!(ready, 4, "{status}");
    assert_eq!(status["absent"], serde_json::json!([]));
    let list = owner.run(&["swarm", "ls"]).ok().out;
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
    let removed = owner.run(&["rm", "-y", "swl-w1"]).ok();
    let status = owner.swarm("swl");
    let nodes = status["nodes"].as_array().expect("nodes").len();
    assert_eq!(nodes, 3, "its node went with it: {}{}{status}", removed.out, removed.err);
    owner.run(&["rm", "-y", "swl-m3"]).ok();
    assert_eq!(
        owner.swarm("swl")["words"],
        "2 managers: worse than 1, for losing either of them stops the swarm"
    );
    let done = owner.run(&["rm", "-y", "swl-m1", "swl-m2"]).ok();
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
    owner.run(&["swarm", "label", "swl-w1", "disk=ssd", "zone=a"]).ok();
    owner.run(&["swarm", "label", "swl-w1", "zone-"]).ok();
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
    owner.run(&["swarm", "leave", "swl-w1"]).ok();
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

/// Packets go from node to node over an overlay network, before and after tasks have moved.
fn tasks_move(owner: &Owner) {
    let user = &owner.user;
    user.rmachine(&["run", "swl", "--", PACK]).ok();
    user.docker("swl-m1", &["network", "create", "--driver", "overlay", "mesh"]).ok();
    let mesh = ["--network", "mesh", "--env", "BULK=100000"];
    user.docker("swl-m1", &answering("spread", &[&mesh[..], &["--replicas", "4"]].concat())).ok();
    user.docker("swl-m1", &answering("everywhere", &[&mesh[..], &["--mode", "global"]].concat())).ok();
    let tasks = || {
        owner.swarm("swl")["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|n| n["tasks"].as_u64().expect("a number"))
            .sum::<u64>()
    };
    until("all tasks run", || tasks() == 8);
    // From the task of a node to all of a service.
    let heard = |node: &str, service: &str| {
        let here = user.docker(node, &["ps", "-q", "--filter", "name=everywhere"]).ok().out;
        let name = format!("tasks.{service}");
        let told = user.docker(node, &["exec", here.trim(), "/usr/bin/perl", "-e", ASK, &name]);
        let mut nodes: Vec<String> = told.out.lines().map(str::to_owned).collect();
        nodes.sort();
        nodes
    };
    let (all, managers) = (["swl-m1", "swl-m2", "swl-m3", "swl-w1"], ["swl-m1", "swl-m2", "swl-m3"]);
    for node in all {
        until("each hears all four", || heard(node, "everywhere") == all);
    }
    assert_eq!(heard("swl-w1", "spread").len(), 4);
    owner.run(&["swarm", "drain", "swl-w1"]).ok();
    let node = owner.node("swl", "swl-w1");
    assert_eq!((&node["availability"], &node["tasks"]), (&"drain".into(), &0.into()));
    until("what was there runs elsewhere", || tasks() == 7);
    for node in managers {
        until("each hears the other two", || heard(node, "everywhere") == managers);
        until("and those that have moved", || {
            let spread = heard(node, "spread");
            spread.len() == 4 && spread.iter().all(|n| managers.contains(&n.as_str()))
        });
    }
    owner.run(&["swarm", "activate", "swl-w1"]).ok();
    until("the global one is back", || owner.node("swl", "swl-w1")["tasks"] == 1);
    until("and is heard from afar", || heard("swl-m1", "everywhere") == all);
    user.docker("swl-m1", &["service", "rm", "spread"]).ok();
}

fn roles_change(owner: &Owner) {
    owner.run(&["swarm", "promote", "swl-w1"]).ok();
    assert_eq!(owner.swarm("swl")["words"], "4 managers, majority 3, can lose 1");
    owner.run(&["swarm", "demote", "swl-w1"]).ok();
    owner.run(&["swarm", "demote", "swl-w1"]).ok();
    assert_eq!(owner.swarm("swl")["words"], "3 managers, majority 2, can lose 1");
    owner
        .run(&["swarm", "init", "swl-w1"])
        .failed(1, &["\"swl-w1\" is in the swarm \"swl\" already", "swarm leave swl-w1"]);
    owner.run(&["swarm", "status", "nosuch"]).failed(1, &["no cluster \"nosuch\"", "there are: swl"]);
}

fn locked_managers_wait(owner: &Owner) {
    let user = &owner.user;
    owner.run(&["swarm", "unlock-key", "swl"]).failed(1, &["has no key", "swarm lock swl"]);
    owner.run(&["swarm", "lock", "swl"]).ok();
    let key = owner.run(&["swarm", "unlock-key", "swl"]).ok().out;
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
    let new = owner.run(&["swarm", "unlock-key", "swl", "--rotate"]).ok().out;
    assert_ne!(new, key);
    for name in ["swl-m1", "swl-m2", "swl-m3"] {
        restart(name);
    }
    until("all are locked", || ["swl-m1", "swl-m2", "swl-m3"].iter().all(|n| owner.local(n) == "locked"));
    owner.run(&["swarm", "status", "swl"]).failed(1, &[]);
    owner.run(&["swarm", "token", "swl"]).failed(1, &["are locked", "swarm unlock swl"]);
    user.rmachine_with(&["swarm", "unlock", "swl"], b"nonsense").failed(1, &["begins with SWMKEY-"]);
    user.rmachine_with(&["swarm", "unlock", "swl"], key.as_bytes()).failed(1, &["cannot be unlocked"]);
    user.rmachine_with(&["swarm", "unlock", "swl"], new.as_bytes()).ok();
    until("all are back", || owner.swarm("swl")["words"] == "3 managers, majority 2, can lose 1");
    owner.run(&["swarm", "lock", "--off", "swl"]).ok();
}

fn another_leads(owner: &Owner) {
    let first = owner.leader("swl");
    owner.run(&["kill", &first]).ok();
    until("another leads", || {
        let now = owner.leader("swl");
        !now.is_empty() && now != first
    });
    until("and the loss is told", || {
        owner.swarm("swl")["words"] == "3 managers, majority 2, 2 answer, can lose no more"
    });
    let told = owner.run(&["swarm", "status", "swl"]).ok().out;
    assert!(told.contains("Advice: bring back the managers that do not answer"), "{told}");
    // Now each of the two that are left is needed.
    let left = owner.leader("swl");
    owner.run(&["swarm", "demote", &left]).failed(1, &["stays a manager", "only 1 answers, and it takes 2"]);
    owner.run(&["rm", "-y", &left]).failed(1, &["stays a manager", "--force"]);
    assert_eq!(owner.user.phase(&left), "ready", "a refused removal has begun nothing");
    owner.run(&["start", &first]).ok();
    until("it is whole again", || owner.swarm("swl")["words"] == "3 managers, majority 2, can lose 1");
}

fn a_cut_off_node_is_seen(owner: &Owner) {
    let address = owner.user.rmachine(&["ip", "swl-w1"]).ok().out;
    docker(&["network", "disconnect", &owner.network, "swl-w1"]);
    until("its silence is noticed", || owner.node("swl", "swl-w1")["state"] == "down");
    let told = owner.run(&["swarm", "status", "swl"]).ok().out;
    assert!(told.contains("swl-w1 is down"), "{told}");
    docker(&["network", "connect", "--ip", address.trim(), &owner.network, "swl-w1"]);
    until("it is back", || owner.node("swl", "swl-w1")["state"] == "ready");
}

/// The words of the old Swarm workshops on engines of today, agents before their master too.
#[test]
fn the_old_workshop_loop() {
    let owner = Owner::new("rm-swarm-shop");
    let user = &owner.user;
    let swarm = ["create", "--swarm", "--swarm-discovery", "token://shop"];
    let early = owner.make(&[&swarm[..], &["sws-early"]].concat()).ok();
    assert!(early.out.contains("the swarm shop has no manager yet"), "{}", early.out);
    assert!(user.ls_row("sws-early").contains("not in the swarm shop yet"));
    let master = ["--swarm-master", "--swarm-strategy", "binpack", "sws-master"];
    let master = owner.make(&[&swarm[..], &master].concat()).ok();
    assert!(
        master.out.contains("Without meaning in a swarm of today's engines: --swarm-strategy"),
        "{}",
        master.out
    );
    owner.make(&[&swarm[..], &["sws-late"]].concat()).ok();

    let rows = user.rmachine(&["ls", "-f", "{{.Name}}: {{.Swarm}}"]).ok().out;
    assert_eq!(rows, "sws-early: sws-master\nsws-late: sws-master\nsws-master: sws-master (master)\n");
    assert_eq!(user.rmachine(&["ls", "-q", "--filter", "swarm=sws-master"]).ok().out.lines().count(), 3);
    let options = "{{.HostOptions.SwarmOptions.IsSwarm}} {{.HostOptions.SwarmOptions.Master}} {{.HostOptions.SwarmOptions.Discovery}}";
    assert_eq!(user.rmachine(&["inspect", "-f", options, "sws-master"]).ok().out, "true true token://shop\n");
    user.rmachine(&["env", "--swarm", "sws-late"]).failed(
        1,
        &["\"sws-late\" is not a swarm master. The --swarm flag is intended for use with swarm masters"],
    );
    let url = user.rmachine(&["url", "sws-master"]).ok().out;
    let config = user.rmachine(&["config", "--swarm", "sws-master"]).ok().out;
    assert!(config.ends_with(&format!("-H={url}")), "{config}");
    let script = format!(
        "eval $({} env --swarm sws-master) && docker node ls -q | wc -l",
        env!("CARGO_BIN_EXE_rmachine")
    );
    let nodes = user.command("bash").args(["-c", &script]).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&nodes.stdout), "3\n", "{nodes:?}");

    what_cannot_join(&owner);

    // Without its manager a machine can still be removed; what that leaves is told.
    owner.run(&["kill", "sws-master"]).ok();
    let gone = owner.run(&["rm", "-y", "sws-early"]).ok();
    assert!(
        gone.out.contains("could not be told") && gone.out.contains("swarm rm-node --cluster shop sws-early"),
        "{}",
        gone.out
    );
    owner.run(&["start", "sws-master"]).ok();
    until("its node counts as down", || owner.swarm("shop").to_string().contains("\"down\""));
    owner.run(&["swarm", "rm", "--cluster", "shop", "sws-early"]).ok();
    assert_eq!(owner.swarm("shop")["nodes"].as_array().expect("nodes").len(), 2);
}

/// Each is refused by name, with nothing half joined; the next try gets in.
fn what_cannot_join(owner: &Owner) {
    let user = &owner.user;
    let on = |name: &str, command: &str| user.rmachine(&["ssh", name, command]).ok();
    let ip = |name: &str| user.rmachine(&["ip", name]).ok().out.trim().to_owned();
    let join = || owner.run(&["swarm", "join", "sws-late", "--cluster", "shop"]);
    let out = || {
        assert_eq!(owner.local("sws-late"), "inactive", "nothing half joined");
        let left = user.rmachine(&["swarm", "ls"]).ok().out;
        assert!(!left.contains("sws-late"), "{left}");
    };
    owner.run(&["swarm", "leave", "sws-late"]).ok();
    // An engine that has been in a swarm may keep UDP 4789; of a port that is taken nothing can be known.
    owner.run(&["restart", "sws-late"]).ok();
    on("sws-master", "iptables -I INPUT -p tcp --dport 2377 -j DROP");
    join().failed(
        1,
        &[&format!("TCP 2377 of {} is closed", ip("sws-master")), "firewall", "nothing was changed"],
    );
    out();
    on("sws-master", "iptables -F INPUT");
    on("sws-late", "iptables -I INPUT -p tcp --dport 7946 -j REJECT --reject-with icmp-admin-prohibited");
    join().failed(1, &[&format!("TCP 7946 of {} is closed", ip("sws-late"))]);
    on("sws-late", "iptables -F INPUT");
    for port in ["4789", "7946"] {
        on("sws-late", &format!("iptables -I INPUT -p udp --dport {port} -j DROP"));
        let message =
            format!("UDP {port} of {} is closed: what is sent there does not arrive", ip("sws-late"));
        join().failed(1, &[&message, "nothing was changed"]);
        out();
        on("sws-late", "iptables -F INPUT");
    }
    // A firewall that swallows the refusal is no firewall on the way.
    on("sws-late", "iptables -I OUTPUT -p icmp -j DROP");
    join().ok();
    on("sws-late", "iptables -F OUTPUT");
    owner.run(&["swarm", "leave", "sws-late"]).ok();

    user.docker("sws-late", &["swarm", "init"]).ok();
    join().failed(1, &["sws-late is a node of another swarm already", "swarm leave --force sws-late"]);
    assert_eq!(owner.local("sws-late"), "active", "it is left where it was");
    owner.run(&["swarm", "leave", "--force", "sws-late"]).ok();
    owner.run(&["kill", "sws-master"]).ok();
    join().failed(1, &["no manager of the swarm \"shop\" answers", "sws-master: "]);
    out();
    owner.run(&["start", "sws-master"]).ok();
    let joined = join().ok();
    assert!(!joined.out.contains("UDP "), "its ways are known to be free: {}", joined.out);
}

#[test]
fn a_killed_swarm_create_goes_on_with_the_same_words() {
    let owner = Owner::new("rm-swarm-cut");
    let words = owner.made(&["swarm", "create", "--managers", "1", "--workers", "1", "swc"]);
    for word in ["Creating machine...", "Starting the swarm", "Joining the swarm"] {
        owner.user.start_until(&words, word).kill_9();
        owner.user.rmachine(&words).ok();
        let status = owner.swarm("swc");
        assert_eq!(status["nodes"].as_array().expect("nodes").len(), 2, "killed at {word:?}: {status}");
        assert_eq!(status["absent"], serde_json::json!([]), "killed at {word:?}");
        owner.run(&["rm", "-y", "swc-m1", "swc-w1"]).ok();
    }
    // One that cannot be made does not keep the others, and says so.
    docker(&["create", "--name", "swc-w1", "rmachine-lab:trixie", "true"]);
    let made = owner.make(&["swarm", "create", "--managers", "1", "--workers", "1", "swc"]);
    docker(&["rm", "-f", "swc-w1"]);
    let made = made.failed(1, &["swc-w1: "]);
    assert!(made.out.contains("1 of 2 nodes are in the swarm swc: 1 managers, 0 workers"), "{}", made.out);
    // Another way in: a single create that joins.
    owner.make(&["create", "--swarm-cluster", "swc", "--swarm-role", "worker", "swc-extra"]).ok();
    assert_eq!(owner.node("swc", "swc-extra")["role"], "worker");
    owner
        .make(&["create", "--swarm-cluster", "nosuch", "swc-no"])
        .failed(2, &["no manager of the cluster \"nosuch\""]);
}

#[test]
fn swarm_rm_removes_the_swarm_with_its_machines_after_asking() {
    let owner = Owner::new("rm-swarm-rm");
    let user = &owner.user;
    owner.make(&["swarm", "create", "--managers", "1", "--workers", "2", "swr"]).ok();
    let kept = user.rmachine_with(&["swarm", "rm", "swr"], b"n\n").ok();
    assert!(
        kept.out.contains("About to remove the swarm swr") && kept.out.contains("swr-m1"),
        "{}",
        kept.out
    );
    assert_eq!(owner.swarm("swr")["nodes"].as_array().expect("nodes").len(), 3);
    let removed = user.rmachine_with(&["swarm", "rm", "swr"], b"y\n").ok();
    assert!(removed.out.contains("Removed 3 machines: swr-m1 swr-w1 swr-w2"), "{}", removed.out);
    assert_eq!(owner.run(&["ls", "-q"]).ok().out, "");
    assert_eq!(owner.left(), "", "rmachine left resources at the engine");
}

#[test]
fn lost_managers_and_kept_state() {
    let owner = Owner::new("rm-swarm-lost");
    let user = &owner.user;
    owner.make(&["swarm", "create", "--managers", "3", "swo"]).ok();
    user.rmachine_with(&["ssh", "swo-m1", "docker config create marker -"], b"kept").ok();
    let file = user.home().join("swo.backup");
    let path = file.to_string_lossy().into_owned();
    user.rmachine(&["swarm", "backup", "swo-m1", "-o", &path]).ok();
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("a backup").permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds keys");
    let command = format!("{} swarm backup swo-m1", env!("CARGO_BIN_EXE_rmachine"));
    let terminal =
        user.command("script").args(["-qec", &command, "/dev/null"]).output().expect("script runs");
    assert!(String::from_utf8_lossy(&terminal.stdout).contains("no text for a terminal"), "{terminal:?}");
    until("its engine is back among the managers", || {
        owner.swarm("swo")["words"] == "3 managers, majority 2, can lose 1"
    });

    owner.run(&["kill", "swo-m2"]).ok();
    owner.run(&["kill", "swo-m3"]).ok();
    until("the quorum is gone", || owner.swarm("swo")["words"] == "quorum lost: 1 of 3 answers");
    let told = owner.run(&["swarm", "status", "swo"]).failed(1, &[]);
    assert!(
        told.out.contains("bring back 1 of the managers") && told.out.contains("swarm recover"),
        "{}",
        told.out
    );
    owner.run(&["swarm", "token", "swo"]).failed(1, &["quorum lost: 1 of 3 answers", "swarm recover"]);
    owner.run(&["swarm", "recover", "swo-m2"]).failed(1, &[]);
    let told = user.rmachine_with(&["swarm", "recover", "swo-m1"], b"n\n").ok();
    assert!(told.out.contains("only when they are gone for good"), "{}", told.out);
    owner.run(&["swarm", "recover", "-y", "swo-m1"]).ok();
    until("it leads alone", || owner.swarm("swo")["words"] == "1 manager: the swarm is lost with it");
    let configs = || user.docker("swo-m1", &["config", "ls", "--format", "{{.Name}}"]).out;
    assert_eq!(configs(), "marker\n", "what the swarm knew is still known");
    owner.run(&["rm", "-y", "swo-m2", "swo-m3"]).ok();
    assert_eq!(owner.swarm("swo")["nodes"].as_array().expect("nodes").len(), 1);

    // All is lost but the file.
    owner.run(&["swarm", "leave", "--force", "swo-m1"]).ok();
    assert_eq!(owner.local("swo-m1"), "inactive");
    let restore = ["swarm", "restore", "swo-m1", "--cluster", "swo"];
    user.rmachine_with(&restore, b"nonsense").failed(1, &["no backup of a manager: nothing was changed"]);
    assert_eq!(owner.local("swo-m1"), "inactive");
    user.rmachine_with(&restore, &std::fs::read(&file).expect("a backup")).ok();
    until("it leads again", || owner.leader("swo") == "swo-m1");
    assert_eq!(configs(), "marker\n");
}
