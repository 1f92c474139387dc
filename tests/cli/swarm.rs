//! `swarm` without hosts: words that make no sense, and engines of this process that answer as a test wants them to.

use std::sync::{Arc, Mutex};

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::fake_engine::Port;
use super::harness::Sandbox;

const TOKEN: &str = "SWMTKN-1-secretsecret-worker";

/// An engine that plays a node. What it was asked is kept.
#[derive(Clone, Default)]
struct Node {
    info: Arc<Mutex<Value>>,
    nodes: Arc<Mutex<Value>>,
    joins: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Node {
    fn new(state: &str, id: &str, manager: bool, time: &str) -> Self {
        let node = Self::default();
        *node.info.lock().unwrap() = json!({
            "Name": id, "SystemTime": time, "DockerRootDir": "/var/lib/docker",
            "Swarm": {"LocalNodeState": state, "NodeID": id, "NodeAddr": "10.0.0.1", "ControlAvailable": manager,
                      "RemoteManagers": [{"NodeID": "mid", "Addr": "10.0.0.1:2377"}]},
        });
        *node.nodes.lock().unwrap() = managers(&[("mid", "reachable")]);
        *node.joins.lock().unwrap() = (200, String::new());
        node
    }

    /// A machine of this name, whose engine this is.
    fn serve(&self, lab: &Sandbox, name: &str) {
        let port = Port::open();
        lab.ok(&format!("create -d none --url {} {name}", port.url()));
        let node = self.clone();
        port.serve_each(lab, move |request, body| node.answer(request, body));
    }

    fn answer(&self, request: &str, body: &str) -> (u16, String) {
        self.asked.lock().unwrap().push(format!("{request} {body}"));
        match request {
            "GET /info" => (200, self.info.lock().unwrap().to_string()),
            "GET /nodes" => (200, self.nodes.lock().unwrap().to_string()),
            _ if request.starts_with("GET /services?") => (200, "[]".to_owned()),
            _ if request.starts_with("GET /nodes?") => (200, self.nodes.lock().unwrap().to_string()),
            _ if request.starts_with("GET /nodes/") => {
                let id = request.trim_start_matches("GET /nodes/");
                let nodes = self.nodes.lock().unwrap();
                match nodes.as_array().unwrap().iter().find(|n| n["ID"] == id) {
                    Some(node) => (200, node.to_string()),
                    None => (404, json!({"message": format!("node {id} not found")}).to_string()),
                }
            }
            _ if request.starts_with("GET /tasks") || request.starts_with("GET /networks") => {
                (200, "[]".to_owned())
            }
            "GET /swarm" => {
                let pools = ["10.0.0.0/8"];
                let swarm = json!({"ID": "s", "DefaultAddrPool": pools, "JoinTokens": {"Worker": TOKEN, "Manager": "M"}});
                (200, swarm.to_string())
            }
            "POST /swarm/join" => {
                let (status, said) = self.joins.lock().unwrap().clone();
                let state = if status == 200 { "active" } else { "pending" };
                self.info.lock().unwrap()["Swarm"]["LocalNodeState"] = state.into();
                (status, said)
            }
            _ if request.starts_with("POST /swarm/leave") => (200, String::new()),
            _ => (404, json!({"message": format!("no {request}")}).to_string()),
        }
    }

    fn was_asked(&self, begin: &str) -> Option<String> {
        self.asked.lock().unwrap().iter().find(|a| a.starts_with(begin)).cloned()
    }
}

/// The list of nodes, all of them managers; the first one leads.
fn managers(list: &[(&str, &str)]) -> Value {
    let one = |(id, reachability): &(&str, &str)| {
        json!({"ID": id, "Version": {"Index": 1}, "Spec": {"Role": "manager", "Availability": "active"},
            "Description": {"Hostname": id}, "Status": {"State": "ready", "Addr": "10.0.0.1"},
            "ManagerStatus": {"Leader": *id == list[0].0, "Reachability": reachability, "Addr": "10.0.0.1:2377"}})
    };
    list.iter().map(one).collect()
}

/// Writes down that a machine is a node of the swarm `lab`.
fn record(lab: &Sandbox, name: &str, id: &str) {
    let path = format!("S/machines/{name}/rmachine.json");
    let member = format!(r#""Swarm": {{"Cluster": "lab", "Role": "manager", "Node": "{id}"}}, "Journal""#);
    lab.write(&path, &lab.read(&path).replace("\"Journal\"", &member));
}

/// A manager `m` of the swarm `lab`, at this time of the day.
fn swarm_at(lab: &Sandbox, time: &str) -> Node {
    let manager = Node::new("active", "mid", true, time);
    manager.serve(lab, "m");
    record(lab, "m", "mid");
    manager
}

fn joining(time: &str) -> Node {
    Node::new("inactive", "", false, time)
}

#[test]
fn swarm_join_refuses_a_node_whose_clock_is_wrong() {
    let lab = Sandbox::new();
    swarm_at(&lab, "2026-11-21T12:00:00.5Z");
    let late = joining("2026-11-21T10:00:00Z");
    late.serve(&lab, "late");
    let said = lab.run("swarm join late --cluster lab");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.starts_with("the clock of late is 7"), "{said}");
    assert!(said.stderr.contains("away from that of m: more than 300 s, it does not join"), "{said}");
    assert!(said.stderr.contains("timedatectl set-ntp true"), "{said}");
    assert_eq!(late.was_asked("POST"), None, "nothing was changed");
    assert!(!lab.read("S/machines/late/rmachine.json").contains("Swarm"), "and nothing is recorded");

    let near = joining("2026-11-21T11:59:00Z");
    near.serve(&lab, "near");
    let said = lab.run("swarm join near --cluster lab");
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains("Warning: the clock of near is 6"), "{said}");
    assert!(near.was_asked("POST /swarm/join").is_some());
}

#[test]
fn join_tokens_are_sent_in_bodies_and_never_printed() {
    let lab = Sandbox::new();
    swarm_at(&lab, "2026-11-21T12:00:00Z");
    let node = joining("2026-11-21T12:00:00Z");
    *node.joins.lock().unwrap() =
        (503, json!({"message": "Timeout was reached before node joined."}).to_string());
    node.serve(&lab, "n");
    let said = lab.run("-D swarm join n --cluster lab");
    assert!(node.was_asked("POST /swarm/join").unwrap().contains(TOKEN), "the engine gets it");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(!said.to_string().contains("SWMTKN"), "{said}");
    assert!(said.stderr.contains("n cannot join: Timeout was reached before node joined."), "{said}");
    assert!(said.stderr.contains("nothing of it was left behind"), "{said}");
    assert!(node.was_asked("POST /swarm/leave?force=true").is_some(), "what was half done is undone");
    assert_eq!(lab.run("swarm token lab").stdout, format!("{TOKEN}\n"), "but to who asks for it");
}

#[test]
fn swarm_status_ignores_a_manager_without_quorum() {
    let lab = Sandbox::new();
    for (name, id, list) in [
        ("cut", "a", [("a", "reachable"), ("b", "unreachable"), ("c", "unreachable")]),
        ("whole", "b", [("b", "reachable"), ("a", "unreachable"), ("c", "reachable")]),
    ] {
        let node = Node::new("active", id, true, "2026-11-21T12:00:00Z");
        *node.nodes.lock().unwrap() = managers(&list);
        node.serve(&lab, name);
        record(&lab, name, id);
    }
    let said = lab.run("swarm status lab");
    assert_eq!(said.code, Some(0), "{said}");
    assert!(
        said.stdout.starts_with("Swarm lab: 3 managers, majority 2, 2 answer, can lose no more\n"),
        "{said}"
    );
    lab.ok("rm -f whole");
    let said = lab.run("swarm status lab");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stdout.starts_with("Swarm lab: quorum lost: 1 of 3 answers\n"), "{said}");
    let said = lab.run("swarm token lab");
    assert!(said.stderr.contains("cannot be asked: quorum lost: 1 of 3 answers"), "{said}");
}

/// Names of keys, with those inside; of a list those of its first.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let free = |key: &str| key == "labels";
            map.iter().map(|(k, v)| (k.clone(), if free(k) { Value::Null } else { shape(v) })).collect()
        }
        Value::Array(list) => list.first().map(shape).into_iter().collect(),
        _ => Value::Null,
    }
}

#[test]
fn swarm_status_json_has_the_documented_shape() {
    let text = include_str!("../../COMPATIBILITY.md");
    let documented: Vec<Value> = text
        .split("```json\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("```").next().unwrap()).unwrap())
        .collect();
    let [plan, status, ls] = &documented[..] else { panic!("{} shapes", documented.len()) };

    let lab = Sandbox::new();
    swarm_at(&lab, "2026-11-21T12:00:00Z");
    let late = joining("2026-11-21T12:00:00Z");
    late.serve(&lab, "late");
    record(&lab, "late", "gone");
    let path = "S/machines/late/rmachine.json";
    lab.write(path, &lab.read(path).replace(r#", "Node": "gone""#, ""));
    let file = "name = \"lab\"\ndriver = \"docker\"\nswarm = { default-addr-pool = \"10.20.0.0/16\" }\n\
                [groups.m]\nrole = \"manager\"\ncount = 1\n";
    lab.write("H/cluster.toml", file);
    for (words, documented) in [
        ("cluster plan -o json", plan),
        ("swarm status -o json lab", status),
        ("cluster status -o json", status),
        ("swarm ls -o json", ls),
    ] {
        let said = lab.run(words);
        let json: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
        let (mut is, mut wants) = (shape(&json), shape(documented));
        // Nobody is a worker here, and there is advice and nothing to note.
        for shape in [&mut is, &mut wants] {
            for key in ["advice", "notes"] {
                shape.as_object_mut().into_iter().for_each(|map| drop(map.get_mut(key).map(Value::take)));
            }
            shape.as_array_mut().into_iter().flatten().for_each(|one| one["workers"] = Value::Null);
        }
        assert_eq!(is, wants, "{words}: {said}");
    }
    let plan = lab.run("cluster plan").stdout;
    assert!(
        plan.contains("Cannot be changed: default-addr-pool is 10.0.0.0/8, the file says 10.20.0.0/16: "),
        "{plan}"
    );
    lab.run("swarm ls -q -o json").to_string().find("cannot be used with").unwrap();
}

#[test]
fn swarm_requests_time_out() {
    let lab = Sandbox::new();
    let silent = Port::open();
    lab.ok(&format!("create -d none --url {} m", silent.url()));
    record(&lab, "m", "mid");
    let began = std::time::Instant::now();
    let said = lab.run("swarm status -t 1 lab");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stdout.contains("m (manager): no answer within 1 s"), "{said}");
}

#[test]
fn swarm_refuses_invalid_arguments() {
    let lab = Sandbox::new();
    lab.create_none("a");
    let said = |words: &str| lab.run(words).to_string();
    assert_snapshot!(said("swarm create -d docker --managers 0 lab"), @r#"
    exit 2
    --- stderr
    a swarm has at least one manager
    "#);
    assert_snapshot!(said("swarm create -d none --url u lab"), @r#"
    exit 2
    --- stderr
    the driver "none" makes one machine of one address
    Hint: make each with `create --swarm-cluster NAME --swarm-role manager` or `worker`
    "#);
    assert_snapshot!(said("swarm create -d docker a_b"), @r#"
    exit 2
    --- stderr
    Invalid hostname specified. Allowed hostname chars are: 0-9a-zA-Z . -
    "#);
    assert_snapshot!(said("swarm create -d docker --default-addr-pool x lab"), @r#"
    exit 2
    --- stderr
    --default-addr-pool must be a network like 10.20.0.0/16, not "x"
    "#);
    assert_snapshot!(said("swarm create -d docker --managers 400 --workers 400 lab"), @r#"
    exit 2
    --- stderr
    that are more than 500 machines
    "#);
    assert_snapshot!(said("swarm create --resume lab"), @r#"
    exit 1
    --- stderr
    There is no cluster "lab" in this store
    Hint: `rmachine swarm init NODE` makes one of a machine
    "#);
    assert_snapshot!(said("swarm init nosuch"), @r#"
    exit 1
    --- stderr
    Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
    assert_snapshot!(said("swarm init a --cluster ../x"), @r#"
    exit 2
    --- stderr
    "../x" is not the name of a cluster: letters, digits, and inside also . - and _ make one
    "#);
    assert_snapshot!(said("swarm init a --advertise-addr 'a b'"), @r#"
    exit 2
    --- stderr
    --advertise-addr must be an address or an interface, not "a b"
    "#);
    assert_snapshot!(said("swarm join a --cluster lab"), @r#"
    exit 1
    --- stderr
    There is no cluster "lab" in this store
    Hint: `rmachine swarm init NODE` makes one of a machine
    "#);
    assert_snapshot!(said("swarm join a b --advertise-addr 10.0.0.1 --cluster lab"), @r#"
    exit 2
    --- stderr
    an address belongs to one node: name only that one, or an interface that all have
    "#);
    assert_snapshot!(said("swarm drain a"), @r#"
    exit 1
    --- stderr
    Docker machine "a" belongs to no swarm
    Hint: rmachine swarm join a --cluster C, or rmachine swarm init a
    "#);
    assert_snapshot!(said("swarm label a"), @r#"
    exit 2
    --- stderr
    name labels to set as KEY=VALUE, or to remove as KEY-
    "#);
    assert_snapshot!(said("swarm label a =x"), @r#"
    exit 2
    --- stderr
    "=x" has no key
    "#);
    assert_snapshot!(said("swarm status"), @r#"
    exit 1
    --- stderr
    No machine of this store belongs to a swarm
    Hint: rmachine swarm init NODE
    "#);
    assert_snapshot!(said("swarm ls"), @r#"
    exit 0
    --- stdout
    CLUSTER   MANAGERS   WORKERS   MACHINES
    "#);
    assert_snapshot!(said("run lab"), @r#"
    exit 2
    --- stderr
    the following required arguments were not provided:
      <COMMAND>...
    Hint: see `rmachine run --help`
    "#);
    assert_snapshot!(said("run lab -- id"), @r#"
    exit 1
    --- stderr
    There is no cluster "lab" in this store
    Hint: `rmachine swarm init NODE` makes one of a machine
    "#);
    assert_snapshot!(said("ssh --all"), @r#"
    exit 2
    --- stderr
    ssh --all wants a command: a terminal is on one machine alone
    "#);
    assert_snapshot!(said("ssh --all id"), @r#"
    exit 1
    --- stderr
    no machine is left to run it on
    "#);
    assert_snapshot!(said("ssh --name x a id"), @r#"
    exit 2
    --- stderr
    --label, --name and --output are for ssh --all
    "#);
    assert_snapshot!(said("create -d none --url u --swarm-cluster lab b"), @r#"
    exit 2
    --- stderr
    --swarm-cluster: the driver "none" makes no hosts that could join
    "#);
    assert_snapshot!(said("create -d docker --swarm-role manager bb"), @r#"
    exit 2
    --- stderr
    --swarm-role says nothing without --swarm-cluster
    "#);
    assert_snapshot!(said("create -d docker --swarm-cluster lab bb"), @r#"
    exit 2
    --- stderr
    no manager of the cluster "lab" is known
    Hint: its first machine: rmachine create --swarm-cluster lab --swarm-role manager NAME
    "#);
    assert_snapshot!(said("env --swarm a"), @r#"
    exit 1
    --- stderr
    Error checking TLS connection: "a" is not a swarm master. The --swarm flag is intended for use with swarm masters
    "#);
}

#[test]
fn swarm_dry_run_warns_of_an_even_number_of_managers_and_creates_nothing() {
    let lab = Sandbox::new();
    let said = lab.run("swarm create -d docker --managers 2 --workers 1 --dry-run lab");
    assert_snapshot!(said, @r#"
    exit 0
    --- stdout
    Warning: 2 managers are worse than 1: losing either stops the swarm; take 1 or 3
    Would create lab-m1
    Would create lab-m2
    Would create lab-w1
    "#);
    assert!(lab.machines().is_empty());
}
