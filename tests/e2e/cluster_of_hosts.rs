//! A cluster of hosts that are there already: they are provisioned, form a swarm, are worked on one after the other, and
//! outlive it with their engines.

use serde_json::Value;

use crate::e2e::lab::{Done, Host, User, key, until};

struct Site {
    user: User,
    hosts: Vec<Host>,
}

impl Site {
    fn new() -> Self {
        let names = ["gcl-a", "gcl-b", "gcl-c"];
        let hosts = std::thread::scope(|scope| {
            let up = names.map(|name| scope.spawn(move || Host::up(name, &["--engine"])));
            up.into_iter().map(|host| host.join().expect("a host")).collect()
        });
        Self { user: User::new(), hosts }
    }

    /// A manager, and so many workers; `rest` is what else the file says.
    fn declare(&self, workers: usize, rest: &str) {
        let listed = |hosts: &[Host]| -> String {
            let one = |(i, host): (usize, &Host)| {
                format!("{{ name = \"{}\", options = {{ ip-address = \"{}\" }} }},", i + 1, host.ip)
            };
            hosts.iter().enumerate().map(one).collect()
        };
        let text = format!(
            "name = \"gcl\"\ndriver = \"generic\"\noptions = {{ ssh-key = {:?} }}\n\
             [groups.m]\nrole = \"manager\"\nnodes = [{}]\n\
             [groups.w]\nrole = \"worker\"\nnodes = [{}]\n{rest}\n",
            key(),
            listed(&self.hosts[..1]),
            listed(&self.hosts[1..=workers])
        );
        std::fs::write(self.user.home().join("cluster.toml"), text).expect("the file");
    }

    fn cluster(&self, words: &str) -> Done {
        let words: Vec<&str> = ["cluster"].into_iter().chain(words.split(' ')).collect();
        self.user.rmachine(&words)
    }

    fn nodes(&self) -> Vec<Value> {
        let told = self.user.rmachine(&["cluster", "status", "-o", "json"]);
        let status: Value = serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"));
        status["nodes"].as_array().expect("nodes").clone()
    }

    /// Of all that are ready and take tasks.
    fn standing(&self) -> Vec<String> {
        let nodes = self.nodes();
        let good = nodes.iter().filter(|n| n["state"] == "ready" && n["availability"] == "active");
        let text = |n: &Value, key: &str| n[key].as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = good.map(|n| format!("{} {}", text(n, "name"), text(n, "role"))).collect();
        all.sort();
        all
    }

    fn is_as_declared(&self) {
        until("all are ready", || self.standing() == ["gcl-m-1 manager", "gcl-w-1 worker", "gcl-w-2 worker"]);
        self.cluster("plan --detailed-exitcode").ok();
        let configs = self.user.docker("gcl-m-1", &["config", "ls", "--format", "{{.Name}}"]).ok().out;
        assert_eq!(configs, "kept\n", "what the swarm knows is still known");
    }

    fn engine_starts(&self) -> Vec<String> {
        self.hosts.iter().map(Host::engine_start).collect()
    }
}

fn in_swarm(host: &Host) -> String {
    host.run("docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'").trim().to_owned()
}

#[test]
fn a_cluster_of_hosts_that_are_there_already() {
    let site = Site::new();
    site.declare(2, "");
    site.cluster("up").ok();
    assert_eq!(site.standing(), ["gcl-m-1 manager", "gcl-w-1 worker", "gcl-w-2 worker"]);
    site.hosts[0].run("echo kept | docker config create kept -");
    let starts = site.engine_starts();
    assert_eq!(site.cluster("up").ok().out, "No changes: the cluster is as its file says.\n");
    site.is_as_declared();
    assert_eq!(site.engine_starts(), starts, "nothing was restarted");

    a_killed_roll_goes_on(&site);
    other_addresses(&site);

    // One that is taken out of the file leaves the swarm, and keeps its engine.
    site.declare(1, "");
    let plan = site.cluster("plan").ok().out;
    assert!(plan.contains("0 to add, 0 to change, 0 to replace, 1 to remove"), "{plan}");
    // Cut short before and after it has left.
    for word in ["1 to remove", "Leaving the swarm"] {
        site.user.start_until(&["cluster", "up", "-y"], word).kill_9();
    }
    site.cluster("up -y").ok();
    until("it is gone", || site.standing() == ["gcl-m-1 manager", "gcl-w-1 worker"]);
    assert_eq!(in_swarm(&site.hosts[2]), "inactive false");
    assert_eq!(site.user.rmachine(&["ls", "-q"]).ok().out, "gcl-m-1\ngcl-w-1\n");
    // And is taken in again.
    site.declare(2, "");
    site.cluster("up").ok();
    site.is_as_declared();

    for word in ["About to remove", "Leaving the swarm"] {
        site.user.start_until(&["cluster", "down", "-y", "gcl"], word).kill_9();
    }
    site.cluster("down -y").ok();
    for host in &site.hosts {
        assert_eq!(in_swarm(host), "inactive false", "{}", host.name);
        assert!(host.engine_is_up(), "{} keeps its engine", host.name);
    }
    assert_eq!(site.user.rmachine(&["ls", "-q"]).ok().out, "");
}

/// Killed before a node is touched, while a worker stands in for the only manager, and when that one is out of office.
fn a_killed_roll_goes_on(site: &Site) {
    let roll = |round: usize| site.declare(2, &format!("[engine]\nlabel = {{ round = {round} }}"));
    for (round, word) in ["[1/3]", "[2/3] Provisioning gcl-w-"].into_iter().enumerate() {
        roll(round);
        site.user.start_until(&["cluster", "up"], word).kill_9();
        site.cluster("up").ok();
        site.is_as_declared();
        for machine in ["gcl-m-1", "gcl-w-1", "gcl-w-2"] {
            assert!(
                site.user.labels(machine).contains(&format!("round={round}")),
                "{machine}, killed at {word:?}"
            );
        }
    }
    let managers = || site.hosts.iter().map(in_swarm).filter(|s| s == "active true").count();
    for (round, out_of_office) in [(7, false), (8, true)] {
        roll(round);
        let mut up = site.user.start_until(&["cluster", "up"], "[3/3] Provisioning gcl-m-1");
        let mut tries = 0;
        let is_caught =
            || if out_of_office { in_swarm(&site.hosts[0]) == "active false" } else { managers() == 2 };
        until("a worker stands in for it", || {
            // A roll may be over before anybody looks; the next one with another label is looked at then.
            if up.has_ended() && tries < 5 {
                tries += 1;
                roll(round + 10 * tries);
                up = site.user.start_until(&["cluster", "up"], "[3/3] Provisioning gcl-m-1");
            }
            is_caught()
        });
        up.kill_9();
        site.cluster("up").ok();
        site.is_as_declared();
        let round = round + 10 * tries;
        assert!(site.user.labels("gcl-m-1").contains(&format!("round={round}")), "{out_of_office}");
    }
}

/// A node joins anew for another address, one after the other; what others made of it stays.
fn other_addresses(site: &Site) {
    let ids = || -> Vec<Value> { site.nodes().iter().map(|n| n["id"].clone()).collect() };
    let before = ids();
    site.user.rmachine(&["swarm", "label", "gcl-w-2", "mine=1"]).ok();
    let label = "[engine]\nlabel = { round = 8 }\n";
    site.declare(2, &format!("{label}[swarm]\nadvertise-addr = \"eth0\""));
    let plan = site.cluster("plan").ok().out;
    assert!(plan.contains("advertise-addr: (chosen) -> eth0, for which it joins anew"), "{plan}");
    assert!(plan.contains("0 to add, 3 to change"), "{plan}");
    let starts = site.engine_starts();
    // It leaves, and its way back is closed: the roll stops there, and goes on once it is open.
    let rule = format!("INPUT -p tcp --syn --dport 2377 -s {} -j DROP", site.hosts[1].ip);
    site.hosts[0].run(&format!("iptables -I {rule}"));
    site.cluster("up").failed(
        1,
        &["gcl-w-1", "TCP 2377 of", "is closed", "the roll stopped here, with 2 more nodes to go"],
    );
    assert_eq!(in_swarm(&site.hosts[1]), "inactive false");
    let plan = site.cluster("plan").ok().out;
    assert!(plan.contains("it has not joined the swarm"), "{plan}");
    site.hosts[0].run(&format!("iptables -D {rule}"));
    site.cluster("up").ok();
    site.is_as_declared();
    assert!(ids().iter().all(|id| !before.contains(id)), "each is another node");
    assert_eq!(site.engine_starts(), starts, "no engine was restarted");
    let worker = site.nodes().into_iter().find(|n| n["name"] == "gcl-w-2").expect("the worker");
    assert_eq!(worker["labels"], serde_json::json!({"mine": "1"}));

    site.declare(
        2,
        &format!("{label}[swarm]\nadvertise-addr = \"eth0\"\ndefault-addr-pool = \"10.66.0.0/16\""),
    );
    for words in ["plan", "up"] {
        let told = site.cluster(words).ok().out;
        assert!(
            told.contains("Cannot be changed: default-addr-pool is 10.0.0.0/8, the file says 10.66.0.0/16"),
            "{words}: {told}"
        );
        assert!(told.contains("but for what cannot be changed"), "{words}: {told}");
    }
    site.declare(2, "");
    site.cluster("up").ok();
    site.is_as_declared();
}
