//! The file on its way to a plan, and plans on their way to nothing left to do.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rmachine_driver::{MachineName, OptionKind, OptionSpec, Value};

use crate::cluster::file::{Read, Surroundings, parse, place_of};
use crate::cluster::model::{Given, Network, Node, Stack, Wanted};
use crate::cluster::plan::{
    Action, Found, Live, Made, Plan, Present, Step, Subject, Swarm, Work, plan, quorum,
};
use crate::cluster::read::{Place, Remark};
use crate::cluster::schedule::{Schedule, Setting};
use crate::model::{Availability, ClusterName, Declared, Due, Role, SwarmSettings};
use crate::registry::Registry;
use crate::swarm::NodeChange;

fn shared() -> Vec<OptionSpec> {
    let list = |name| OptionSpec::new(name, OptionKind::list(), "");
    let text = |name| OptionSpec::new(name, OptionKind::text(""), "");
    let secret = text("engine-token").env("TOKEN").secret();
    vec![list("engine-opt"), list("engine-label"), text("engine-version"), text("ttl"), secret]
}

fn reading(text: &str) -> Result<Read, Vec<Remark>> {
    let (registry, shared) = (Registry::default(), shared());
    let env = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    parse(text, &Surroundings { registry: &registry, shared: &shared, env: &env })
}

#[track_caller]
fn read(text: &str) -> Wanted {
    reading(text).unwrap_or_else(|e| panic!("{}", told(&e))).wanted
}

fn told(remarks: &[Remark]) -> String {
    remarks.iter().map(|r| format!("{}: {}\n", r.at, r.text)).collect()
}

/// All that is wrong with a file.
#[track_caller]
fn wrong(text: &str) -> String {
    told(&reading(text).expect_err("it was taken"))
}

const LAB: &str = r#"
name = "lab"
driver = "docker"
ttl = "8h"

[options]
memory = "1g"
docker-port = ["8080:80"]

[engine]
label = { env = "test", rack = 2 }
opt = { log-driver = "json-file", log-opt = ["max-size=10m", "max-file=3"] }
token = { env = "TOKEN" }

[swarm]
autolock = true
default-addr-pool = "10.20.0.0/16"

[groups.managers]
role = "manager"
count = 1
availability = "drain"

[groups.workers]
role = "worker"
count = 2
labels = { disk = "ssd" }
options = { memory = "2g" }

[groups.racks]
role = "worker"
driver = "generic"
nodes = [{ name = "a", options = { ip-address = "192.0.2.5" }, labels = { rack = "1" } }]

[networks.web]
attachable = true
subnet = ["10.30.0.0/24"]

[stacks.monitoring]
retention = "15d"
image.prometheus = "p:1"
publish = true

[stacks.blue]
from = "./mine"
certificate_days = 7
"#;

#[test]
fn a_whole_file() {
    let wanted = read(LAB);
    assert!(wanted.settings.autolock);
    assert_eq!(wanted.settings.address_pools, ["10.20.0.0/16"]);
    let names: Vec<_> = wanted.nodes.iter().map(|n| format!("{} {}", n.name, n.role)).collect();
    assert_eq!(
        names,
        ["lab-managers-1 manager", "lab-workers-1 worker", "lab-workers-2 worker", "lab-racks-a worker"],
        "in the order of the file"
    );
    let [manager, worker, _, rack] = &wanted.nodes[..] else { panic!() };
    assert_eq!(manager.availability, Availability::Drain);
    assert_eq!(manager.asked()["docker-memory"], "1g");
    assert_eq!(worker.asked()["docker-memory"], "2g", "a group's own option wins");
    assert_eq!(worker.asked()["docker-port"], "8080:80", "and the others stay");
    assert_eq!(rack.asked(), [("generic-ip-address".to_owned(), "192.0.2.5".to_owned())].into());
    assert_eq!(rack.labels["rack"], "1");
    let list = |name: &str| match &worker.shared[name].value {
        Value::List(list) => list.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(list("engine-label"), ["env=test", "rack=2"]);
    assert_eq!(list("engine-opt"), ["log-driver=json-file", "log-opt=max-size=10m", "log-opt=max-file=3"]);
    assert!(worker.shared.contains_key("ttl"));
    assert_eq!(wanted.networks[0].subnets, ["10.30.0.0/24"]);
    let [monitoring, blue] = &wanted.stacks[..] else { panic!() };
    let told = |stack: &Stack| {
        let pairs = stack.parameters.iter().map(|(k, p)| format!("{k}={} at {}", p.value, p.at));
        pairs.collect::<Vec<_>>()
    };
    assert_eq!(told(monitoring), ["image.prometheus=p:1 at 41:20", "retention=15d at 40:13"]);
    assert!(monitoring.publish && monitoring.from.is_none() && !blue.publish);
    assert_eq!(
        (blue.from.as_deref(), told(blue)),
        (Some("./mine"), vec!["certificate_days=7 at 46:20".to_owned()])
    );
    assert!(!format!("{wanted:?}").contains("s3cret"), "a secret does not show");
}

#[test]
fn the_example_is_read() {
    let text = include_str!("../../templates/clusters/cluster.toml");
    let lines = text.lines().filter(|l| !l.contains("{%") && !l.contains("{{ option"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text.replace("{{ name }}", "lab").replace("{{ driver }}", "docker");
    assert_eq!(read(&text).nodes.len(), 3);
    // Every line that is commented out, too.
    let toml = |l: &&str| l.contains(" = ") || l.starts_with("# [") || l.starts_with("# ]");
    let all: Vec<String> = text
        .lines()
        .map(|l| match l.strip_prefix("# ") {
            Some(bare) if toml(&l) && !l.contains("token") && !l.contains("advertise-addr") => {
                bare.to_owned()
            }
            Some(bare) if l.starts_with("#     {") => bare.to_owned(),
            _ => l.to_owned(),
        })
        .filter(|l| !l.starts_with("registry-mirror"))
        .collect();
    let wanted = read(&all.join("\n").replace("\noptions = { }", "").replace("\nengine = { }", ""));
    assert_eq!((wanted.nodes.len(), wanted.networks.len()), (5, 1), "{all:#?}");
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let text = r#"name = "lab"
drivr = "docker"
driver = "dockr"

[groups.workers]
role = "boss"
cuont = 2
count = -1
labels = 3
"#;
    insta::assert_snapshot!(wrong(text), @r#"
    2:1: unknown key "drivr"; did you mean "driver"?
    3:10: there is no driver "dockr"; did you mean "docker"?
    6:8: "role" must be manager or worker, not "boss"
    7:1: unknown key "cuont" in [groups.workers]; did you mean "count"?
    8:9: "count" must be from 0 to 1000, not -1
    9:10: "labels" must be a table, not a whole number
    "#);
}

#[test]
fn options_are_those_of_the_driver() {
    let file = |options: &str| {
        format!(
            "name = \"x\"\ndriver = \"docker\"\noptions = {options}\n[groups.m]\nrole = \"manager\"\ncount = 1\n"
        )
    };
    for (options, said) in [
        (
            "{ memroy = \"1g\" }",
            r#"3:13: the driver "docker" has no option "memroy" (in [options]); did you mean "memory"?"#,
        ),
        (
            "{ generic-ip-address = \"x\" }",
            r#"3:13: the driver "docker" has no option "generic-ip-address" (in [options]); it belongs to the driver "generic""#,
        ),
        ("{ publish = \"yes\" }", r#"3:23: "publish" must be true or false, not a text"#),
        ("{ port = [true, []] }", r#"3:27: "port" must be a list of texts, not a list"#),
        ("{ memory = \"1g\", docker-memory = \"2g\" }", r#"is given twice: it is "docker-memory" too"#),
        ("{ publish = { env = \"TOKEN\" } }", "only texts come from the environment"),
        ("{ memory = { env = \"NOPE\" } }", r#"3:30: the environment has no "NOPE""#),
        ("{ memory = { enw = \"TOKEN\" } }", r#""memory" must be a text, not a table"#),
    ] {
        let wrong = wrong(&file(options));
        assert!(wrong.contains(said), "{options}: {wrong}");
    }
    assert_eq!(read(&file("{ cpus = 1.5 }")).nodes[0].asked()["docker-cpus"], "1.5");
}

#[test]
fn a_secret_does_not_belong_into_the_file() {
    let text = "name = \"x\"\ndriver = \"docker\"\n[engine]\ntoken = \"s3cret\"\n[groups.m]\nrole = \"manager\"\ncount = 1\n";
    let wrong = wrong(text);
    assert!(
        wrong.starts_with("4:9: \"token\" is a secret") && wrong.contains("token = { env = \"TOKEN\" }"),
        "{wrong}"
    );
    assert!(!wrong.contains("s3cret"), "{wrong}");
}

#[test]
fn what_makes_no_cluster() {
    let head = "name = \"x\"\ndriver = \"docker\"\n";
    for (text, said) in [
        ("", "1:1: the cluster has no name"),
        ("name = \"a b\"", "1:8: \"a b\" is not the name of a cluster"),
        ("name = ", "1:"),
        ("name = \"x\"\nname = \"y\"", "2:1: duplicate key"),
        ("name = \"x\"\n[groups.m]\nrole = \"manager\"\ncount = 1", "2:9: [groups.m] has no driver"),
        ("name = \"x\"\n[options]\nmemory = \"1g\"", "3:1: options of which driver?"),
        (
            "name = \"x\"\ndriver = \"none\"",
            "2:10: the driver \"none\" makes no hosts that could join a swarm",
        ),
        (head, "a cluster has at least one manager"),
        (
            &format!("{head}[groups.m]\nrole = \"manager\"\ncount = 1001"),
            "5:9: \"count\" must be from 0 to 1000",
        ),
        (&format!("{head}[groups.m]\nrole = \"manager\""), "3:9: [groups.m] has no count"),
        (&format!("{head}[groups.m]\ncount = 1"), "3:9: [groups.m] has no role"),
        (
            &format!("{head}[groups.\"a b\"]\nrole = \"manager\"\ncount = 1"),
            "\"x-a b-1\" is no name for a machine",
        ),
        (
            &format!("{head}[groups.m]\nrole = \"manager\"\ndriver = \"generic\"\ncount = 1"),
            "6:9: the driver \"generic\" makes no machines: in place of count",
        ),
        (
            &format!(
                "{head}[groups.m]\nrole = \"manager\"\nnodes = [{{ name = \"1\" }}, {{ name = \"1\" }}]"
            ),
            "the node x-m-1 is in the group \"m\" already",
        ),
        (&format!("{head}[networks.ingress]"), "3:11: \"ingress\" is no name for a network of yours"),
        (
            &format!("{head}[networks.n]\ndriver = \"bridge\""),
            "4:10: the networks of a cluster are overlay networks",
        ),
        (&format!("{head}[networks.n]\nsubnet = \"10.0.0.0\""), "4:10: \"subnet\" must be a network"),
        (
            &format!("{head}[swarm]\nadvertise-addr = \"10.0.0.5\""),
            "4:18: \"advertise-addr\" holds for all nodes",
        ),
    ] {
        let wrong = wrong(text);
        assert!(wrong.contains(said), "{text}: {wrong}");
    }
}

#[test]
fn an_even_number_of_managers_is_worth_a_word() {
    let text = "name = \"x\"\ndriver = \"docker\"\n[groups.m]\nrole = \"manager\"\ncount = 4\n";
    let read = reading(text).unwrap();
    assert_eq!(read.warnings.len(), 1);
    assert!(
        read.warnings[0].at.line == 3 && read.warnings[0].text.contains("4 managers"),
        "{:?}",
        read.warnings
    );
}

#[test]
fn what_create_refuses_has_a_place() {
    let wanted = read(LAB);
    let at = |node: &Node, message: &str| place_of(node, message).to_string();
    assert_eq!(at(&wanted.nodes[0], "--docker-memory \"1g\" is too little"), "7:10");
    assert_eq!(at(&wanted.nodes[1], "--docker-memory \"2g\" is too little"), "28:22");
    assert_eq!(at(&wanted.nodes[1], "the engine option mtu takes a number"), "12:7");
    assert_eq!(at(&wanted.nodes[1], "who knows"), "24:9");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z=\\[\\]\"{}.,\n 0-9é-]{0,120}") {
        let _ = reading(&text);
        let _ = reading(&format!("{LAB}\n{text}"));
    }
}

fn node(name: &str, role: Role) -> Node {
    Node {
        name: MachineName::parse(name).unwrap(),
        group: "g".into(),
        role,
        availability: Availability::Active,
        labels: BTreeMap::new(),
        driver: "docker".into(),
        options: BTreeMap::new(),
        shared: BTreeMap::new(),
        at: Place::default(),
    }
}

fn cluster(nodes: Vec<Node>) -> Wanted {
    Wanted {
        name: ClusterName::parse("lab").unwrap(),
        settings: SwarmSettings::default(),
        nodes,
        networks: Vec::new(),
        stacks: Vec::new(),
    }
}

/// A machine just as the file has it.
fn as_wanted(node: &Node) -> Found {
    Found {
        name: node.name.clone(),
        role: node.role,
        driver: node.driver.clone(),
        made: Made::Ready,
        joined: true,
        declared: Some(node.declared()),
        engine: Vec::new(),
        told: SwarmSettings::default(),
        live: Some(Live {
            role: node.role,
            leader: false,
            ready: true,
            availability: node.availability,
            labels: node.labels.clone(),
        }),
    }
}

/// The same, told what the file says of the swarm.
fn joined(wanted: &Wanted, node: &Node) -> Found {
    Found { told: node.settings(&wanted.settings), ..as_wanted(node) }
}

fn said(plan: &Plan) -> String {
    let line = |s: &Step| format!("{:?} {:?}: {}\n", s.action, s.subject, s.reasons.join("; "));
    plan.steps.iter().map(line).collect::<String>().replace("MachineName", "")
}

#[test]
fn a_plan_says_what_and_why() {
    let mut changed = node("lab-w-1", Role::Worker);
    changed.labels = [("disk".to_owned(), "ssd".to_owned())].into();
    changed.availability = Availability::Drain;
    let mut other = node("lab-w-2", Role::Worker);
    other
        .options
        .insert("docker-memory".into(), Given { value: Value::Text("2g".into()), at: Place::default() });
    let wanted = cluster(vec![
        node("lab-m-1", Role::Manager),
        node("lab-m-2", Role::Manager),
        changed,
        other,
        node("lab-w-3", Role::Worker),
    ]);
    let mut w1 = as_wanted(&node("lab-w-1", Role::Worker));
    w1.declared = Some(Declared { labels: vec!["old".into()], ..Declared::default() });
    w1.engine = vec!["label: (none) -> a=b".into()];
    let labels = [("old", "1"), ("theirs", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    w1.live.as_mut().unwrap().labels = labels.into();
    let mut w2 = as_wanted(&node("lab-w-2", Role::Worker));
    w2.declared.as_mut().unwrap().options = [("docker-memory".to_owned(), "1g".to_owned())].into();
    let present = Present {
        nodes: vec![
            as_wanted(&node("lab-m-1", Role::Manager)),
            as_wanted(&node("lab-m-2", Role::Worker)),
            w1,
            w2,
            as_wanted(&node("lab-w-9", Role::Worker)),
        ],
        swarm: Some(Swarm {
            autolock: true,
            pools: vec!["10.0.0.0/8".into()],
            networks: vec![Network { name: "old".into(), ..Network::default() }],
        }),
        silent: false,
    };
    insta::assert_snapshot!(said(&plan(&wanted, &present)), @r#"
    Add Machine(("lab-w-3"), Worker): in the group "g"
    Change Machine(("lab-m-2"), Manager): role: worker -> manager
    Change Machine(("lab-w-1"), Worker): engine: label: (none) -> a=b; availability: active -> drain; labels: +disk=ssd -old
    Change Swarm: autolock: true -> false
    Replace Machine(("lab-w-2"), Worker): docker-memory: "1g" -> "2g"
    Remove Machine(("lab-w-9"), Worker): it is not in the file
    Remove Network("old"): it is not in the file
    "#);
}

#[test]
fn every_kind_of_work_is_scheduled() {
    let mut labelled = node("lab-w-1", Role::Worker);
    labelled.labels.insert("disk".to_owned(), "ssd".to_owned());
    let wanted = cluster(vec![node("lab-m-1", Role::Manager), labelled]);
    let network = || Network { name: "net".into(), ..Network::default() };
    let step = |name: &str, work: Vec<Work>| Step {
        action: Action::Change,
        subject: Subject::Machine(MachineName::parse(name).unwrap(), Role::Worker),
        work,
        reasons: Vec::new(),
    };
    let swarm =
        Step { subject: Subject::Swarm, ..step("x", vec![Work::Autolock(true), Work::Network(network())]) };
    let gone = Step {
        subject: Subject::Network("old".into()),
        ..step("x", vec![Work::RemoveNetwork("old".into())])
    };
    let plan = Plan {
        steps: vec![
            step("lab-m-1", vec![Work::Start, Work::Promote, Work::Due(Due::Restart)]),
            step("lab-w-1", vec![Work::CreateAgain]),
            step("lab-w-8", vec![Work::Demote]),
            step("lab-w-9", vec![Work::Remove]),
            swarm,
            gone,
        ],
        ..Plan::default()
    };
    let schedule = Schedule::of(&plan, &wanted);
    let names = |names: &[MachineName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&schedule.starts), "lab-m-1");
    assert_eq!(names(&schedule.half_removed), "lab-w-1");
    assert_eq!(names(&schedule.creates), "lab-w-1");
    assert_eq!(names(&schedule.demotes), "lab-w-8");
    assert_eq!(names(&schedule.removes), "lab-w-9");
    assert_eq!(schedule.network_removals, ["old"]);
    let network = network();
    assert!(schedule.settings.contains(&Setting::CreateNetwork(&network)));
    assert!(schedule.settings.contains(&Setting::Autolock(true)));
    assert_eq!(schedule.rolls.len(), 1);
    assert_eq!(schedule.settings.len(), 3, "{:?}", schedule.settings);
    // A node joins without the labels of the file.
    let set = vec![("disk".to_owned(), "ssd".to_owned())];
    let change = NodeChange::Labels { set, unset: Vec::new() };
    assert_eq!(schedule.node_changes, [(MachineName::parse("lab-w-1").unwrap(), change)]);
}

#[test]
fn what_was_cut_short_goes_on() {
    let wanted = cluster(vec![node("lab-m-1", Role::Manager), node("lab-w-1", Role::Worker)]);
    let with = |change: &dyn Fn(&mut Found)| {
        let mut found = as_wanted(&wanted.nodes[1]);
        change(&mut found);
        let nodes = vec![as_wanted(&wanted.nodes[0]), found];
        let plan = plan(&wanted, &Present { nodes, swarm: Some(Swarm::default()), silent: false });
        plan.steps
            .iter()
            .map(|s| format!("{:?} {:?} {}", s.action, s.work, s.reasons.join("; ")))
            .collect::<String>()
    };
    assert_eq!(with(&|_| ()), "");
    let due = |due| move |f: &mut Found| f.declared.as_mut().unwrap().due = Some(due);
    type Change<'a> = &'a dyn Fn(&mut Found);
    let cases: [(Change<'_>, &str); 13] = [
        (&|f| f.role = Role::Manager, "Change [Demote] role: manager -> worker"),
        (&|f| f.live.as_mut().unwrap().role = Role::Manager, "Change [Demote] role: manager -> worker"),
        (&|f| f.made = Made::Partly, "Add [Finish] its making was not finished"),
        (&|f| f.made = Made::Removing, "Add [CreateAgain] its removal was not finished"),
        (&|f| f.joined = false, "Add [Finish] it has not joined the swarm"),
        (&|f| f.live = None, "Change [Rejoin] the swarm does not know it any more"),
        (&|f| f.made = Made::Stopped, "Change [Start] it is stopped"),
        (&due(Due::Replace), "Replace [Due(Replace)] a roll that replaces it is not finished"),
        (&due(Due::Restart), "Change [Due(Restart)] a roll over it is not finished"),
        (&|f| f.declared = None, ""),
        (
            &|f| f.told.advertise = Some("eth1".into()),
            "Change [Due(Rejoin)] advertise-addr: eth1 -> (chosen), for which it joins anew",
        ),
        (&due(Due::Rejoin), "Change [Due(Rejoin)] a roll over it is not finished"),
        (
            &|f| {
                f.told.listen = Some("eth1".into());
                f.live = None;
            },
            "Change [Rejoin] the swarm does not know it any more",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(with(change), expected);
    }
}

#[test]
fn what_a_living_swarm_cannot_be_given_is_told() {
    let fixed = |wants: &[&str], is: &[&str]| {
        let mut wanted = cluster(vec![node("lab-m-1", Role::Manager)]);
        wanted.settings.address_pools = wants.iter().map(|p| (*p).to_owned()).collect();
        let swarm = Swarm { pools: is.iter().map(|p| (*p).to_owned()).collect(), ..Swarm::default() };
        let nodes = vec![as_wanted(&wanted.nodes[0])];
        let plan = plan(&wanted, &Present { nodes, swarm: Some(swarm), silent: false });
        assert!(plan.is_empty(), "nothing can be done about it");
        plan.fixed.iter().map(|f| format!("{}: {} -> {}", f.setting, f.is, f.wanted)).collect::<String>()
    };
    assert_eq!(fixed(&["10.20.0.0/16"], &["10.20.0.0/16"]), "");
    assert_eq!(fixed(&["10.20.0.0/16"], &["10.0.0.0/8"]), "default-addr-pool: 10.0.0.0/8 -> 10.20.0.0/16");
    assert_eq!(fixed(&[], &["10.20.0.0/16"]), "default-addr-pool: 10.20.0.0/16 -> 10.0.0.0/8");
    assert_eq!(fixed(&["10.20.0.0/16"], &[]), "", "an engine that does not tell");
}

#[test]
fn of_a_silent_swarm_nothing_is_guessed() {
    let mut wanted = cluster(vec![node("lab-m-1", Role::Manager)]);
    wanted.networks = vec![Network { name: "web".into(), ..Network::default() }];
    let stopped = Found { made: Made::Stopped, live: None, ..as_wanted(&wanted.nodes[0]) };
    let plan = plan(&wanted, &Present { nodes: vec![stopped], swarm: None, silent: true });
    assert_eq!(said(&plan), "Change Machine((\"lab-m-1\"), Manager): it is stopped\n");
    assert!(plan.notes[0].contains("its managers are down"));
}

fn arb_node(name: String) -> impl Strategy<Value = Node> {
    let label = prop::option::of("[ab]");
    let memory = prop::option::of(Just("1g".to_owned()).prop_union(Just("2g".to_owned())));
    (any::<bool>(), 0..3_u8, label, memory).prop_map(move |(manager, availability, label, memory)| {
        let mut node = node(&name, if manager { Role::Manager } else { Role::Worker });
        node.availability =
            [Availability::Active, Availability::Pause, Availability::Drain][usize::from(availability)];
        node.labels.extend(label.map(|l| (l, "1".to_owned())));
        let given = |text| Given { value: Value::Text(text), at: Place::default() };
        node.options.extend(memory.map(|m| ("docker-memory".to_owned(), given(m))));
        node
    })
}

fn arb_wanted() -> impl Strategy<Value = Wanted> {
    let nodes: Vec<_> = (0..6).map(|i| prop::option::of(arb_node(format!("lab-n-{i}")))).collect();
    (nodes, any::<bool>(), any::<[bool; 3]>()).prop_map(|(nodes, autolock, nets)| {
        let mut nodes: Vec<Node> = nodes.into_iter().flatten().collect();
        nodes.push(node("lab-m-1", Role::Manager));
        let mut wanted = cluster(nodes);
        wanted.settings.autolock = autolock;
        wanted.settings.advertise = nets[2].then(|| "eth1".to_owned());
        let net = |i: usize| Network { name: "net".into(), attachable: i == 1, ..Network::default() };
        wanted.networks = (0..2).filter(|i| nets[*i]).take(1).map(net).collect();
        wanted
    })
}

fn set_role(found: &mut Found, role: Role) {
    found.role = role;
    found.live.iter_mut().for_each(|l| l.role = role);
}

/// What carrying out a plan makes of what is there; after each step the managers have to have their majority.
fn carry_out(wanted: &Wanted, mut present: Present, plan: &Plan) -> Present {
    let founded = present.swarm.is_some();
    let swarm = present.swarm.get_or_insert_with(Swarm::default);
    if !founded {
        swarm.autolock = wanted.settings.autolock;
    }
    for (name, work) in plan.work() {
        let at = name.and_then(|n| present.nodes.iter().position(|f| f.name == *n));
        let node = name.and_then(|n| wanted.node(n));
        match (work, at) {
            (Work::Create, None) => present.nodes.push(joined(wanted, node.unwrap())),
            (
                Work::CreateAgain | Work::Finish | Work::Rejoin | Work::Due(Due::Replace | Due::Rejoin),
                Some(i),
            ) => {
                let engine = std::mem::take(&mut present.nodes[i].engine);
                present.nodes[i] = joined(wanted, node.unwrap());
                if *work == Work::Due(Due::Rejoin) {
                    present.nodes[i].engine = engine;
                }
            }
            (Work::Due(_), Some(i)) => {
                present.nodes[i].engine.clear();
                present.nodes[i].declared.as_mut().unwrap().due = None;
            }
            (Work::Start, Some(i)) => present.nodes[i].made = Made::Ready,
            (Work::Promote, Some(i)) => set_role(&mut present.nodes[i], Role::Manager),
            (Work::Demote, Some(i)) => set_role(&mut present.nodes[i], Role::Worker),
            (Work::Availability(a), Some(i)) => present.nodes[i].live.as_mut().unwrap().availability = *a,
            (Work::Labels { set, unset }, Some(i)) => {
                let labels = &mut present.nodes[i].live.as_mut().unwrap().labels;
                labels.extend(set.iter().cloned());
                labels.retain(|k, _| !unset.contains(k));
                present.nodes[i].declared = Some(node.unwrap().declared());
            }
            (Work::Remove, Some(i)) => drop(present.nodes.remove(i)),
            (Work::Autolock(on), None) => swarm.autolock = *on,
            (Work::Network(n) | Work::ReplaceNetwork(n), None) => {
                swarm.networks.retain(|there| there.name != n.name);
                swarm.networks.push(n.clone());
            }
            (Work::RemoveNetwork(n), None) => swarm.networks.retain(|there| there.name != *n),
            (work, at) => panic!("{work:?} at {at:?}"),
        }
    }
    present
}

proptest! {
    #[test]
    fn a_plan_that_is_carried_out_leaves_nothing_to_do(before in arb_wanted(), after in arb_wanted(), cut in any::<[u8; 3]>()) {
        let first = carry_out(&before, Present::default(), &plan(&before, &Present::default()));
        prop_assert!(plan(&before, &first).is_empty(), "{:?}", plan(&before, &first));
        let mut broken = first;
        for (i, how) in cut.into_iter().enumerate() {
            let at = i * 2 % broken.nodes.len();
            let found = &mut broken.nodes[at];
            match how % 6 {
                0 => found.made = Made::Partly,
                1 => found.made = Made::Removing,
                2 => found.joined = false,
                3 => found.engine = vec!["x".into()],
                4 => found.declared.as_mut().unwrap().due = Some(Due::Restart),
                _ => {}
            }
        }
        let to_do = plan(&after, &broken);
        let done = carry_out(&after, broken, &to_do);
        let left = plan(&after, &done);
        prop_assert!(left.is_empty(), "{to_do:?}\n{left:?}");
        prop_assert_eq!(quorum(&done).managers, after.managers());
    }

    #[test]
    fn what_is_added_is_there_before_anything_goes(before in arb_wanted(), after in arb_wanted()) {
        let first = carry_out(&before, Present::default(), &plan(&before, &Present::default()));
        let actions: Vec<Action> = plan(&after, &first).steps.iter().map(|s| s.action).collect();
        prop_assert!(actions.is_sorted(), "{actions:?}");
    }
}

#[test]
fn the_drivers_of_the_file_and_of_its_groups_are_named() {
    let text = "name = \"lab\"\ndriver = \"a\"\n[groups.one]\ndriver = \"b\"\n[groups.two]\n[networks.x]\ndriver = \"n\"\n";
    assert_eq!(super::file::driver_names(text).into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert!(super::file::driver_names("driver = 7\n[[groups]]\n").is_empty());
}
