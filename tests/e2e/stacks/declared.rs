//! A cluster of two from its file: what stacks meet on it, and stacks that the file itself wants.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::json;

use super::{Stage, soon};
use crate::e2e::docker_user::{Owner, docker};
use crate::e2e::lab::Done;

const NODES: [&str; 2] = ["ske-m-1", "ske-w-1"];
const GROUPS: &str = "
[groups.m]
role = \"manager\"
count = 1
[groups.w]
role = \"worker\"
count = 1
";
const DNSRR: &str = "endpoint_mode=dnsrr";

fn declare(stage: &Stage, rest: &str) {
    let network = &stage.owner.network;
    let text = format!(
        "name = \"ske\"\ndriver = \"docker\"\noptions = {{ network = \"{network}\" }}\n{GROUPS}{rest}"
    );
    std::fs::write(stage.owner.user.home().join("cluster.toml"), text).expect("the file");
}

fn cluster(stage: &Stage, words: &str) -> Done {
    let words: Vec<&str> = ["cluster"].into_iter().chain(words.split(' ')).collect();
    stage.rm(&words)
}

/// A stack of the user's own.
fn folder(stage: &Stage, name: &str, files: &[(&str, &str)]) {
    let folder = stage.owner.user.home().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("written");
    }
}

/// Changes with every update of a service.
fn version(stage: &Stage, service: &str) -> String {
    stage.on(NODES[0], &format!("docker service inspect -f '{{{{.Version.Index}}}}' {service}"))
}

#[test]
fn stacks_meet_what_is_there_and_a_file_brings_its_own() {
    let stage = Stage { owner: Owner::new("rm-e2e-declared"), cluster: "ske", nodes: &NODES };
    declare(&stage, "");
    cluster(&stage, "up").ok();
    stage.load_images();
    own_stacks(&stage);
    ports_and_names_that_others_have(&stage);
    what_docker_refuses_leaves_nothing(&stage);
    a_page_is_opened_and_its_task_moves(&stage);
    a_secret_is_made_once(&stage);
    images_from_a_registry_of_its_own(&stage);
    nodes_that_go_away_and_come_back(&stage);
    the_file_brings_stacks(&stage);
    docker(&["kill", NODES[0]]).ok();
    stage.deploy("./web", &[]).failed(1, &["no manager of the swarm \"ske\" answers"]);
    cluster(&stage, "down -y").ok();
    assert_eq!(stage.owner.left(), "");
}

fn own_stacks(stage: &Stage) {
    let web = "services: {web: {image: 'rmachine-stacks/nginx:trixie'}}\n";
    let manifest = "title = 'A page'\n[[pages]]\nname = 'web'\nservice = 'web'\nport = 80\npublish = 'at'\n\
        [parameters.at]\ntype = 'port'\ndefault = 8097\nhelp = 'where'\n";
    folder(stage, "web", &[("compose.yml", web), ("stack.toml", manifest)]);
    let vault = "services:\n\
        \x20 keeper: {image: 'rmachine-stacks/shell:trixie', command: ['sleep 86400'], secrets: [word], configs: [c]}\n\
        secrets: {word: {external: true}}\nconfigs: {c: {file: ./c.conf}}\n";
    let manifest = "title = 'Keeps a word'\n[parameters.word]\ntype = 'secret'\nhelp = 'a word'\n";
    folder(stage, "vault", &[("compose.yml", vault), ("stack.toml", manifest), ("c.conf", "x\n")]);
    let talk = "services: {talk: {image: 'rmachine-stacks/shell:trixie', command: ['while :; do echo word; sleep 1; done'], \
        deploy: {mode: global}}}\n";
    folder(stage, "talk", &[("compose.yml", talk)]);
}

fn ports_and_names_that_others_have(stage: &Stage) {
    const TAKE: &str =
        "@s = (IO::Socket::INET->new(LocalPort => 8099, Listen => 1, ReuseAddr => 1) or die); sleep 9999";
    let take = format!("systemd-run --quiet --unit taker perl -MIO::Socket::INET -e '{TAKE}'");
    stage.on(NODES[1], &take);
    stage.on(NODES[1], "docker run -d --name holder -p 8098:80 rmachine-stacks/nginx:trixie");
    soon("perl listens", || stage.on(NODES[1], "ss -Hltn").contains(":8099"));
    let publish = |port: &str| stage.deploy_with("./web", &["--publish"], &[DNSRR, port]);
    publish("at=8099").failed(1, &["the service web wants port 8099, and on ske-w-1 perl (process "]);
    publish("at=8098").failed(1, &["on ske-w-1 the container holder listens on 8098/tcp"]);
    stage.on(NODES[1], "systemctl stop taker; docker rm -f holder");

    stage.on(NODES[0], "docker network create -d overlay web_default");
    stage.deploy("./web", &[DNSRR]).failed(1, &["a network web_default on \"ske\" already", "--name NAME"]);
    stage.on(NODES[0], "docker network rm web_default");
    let foreign = "printf 'version: \"3\"\\nservices: {web: {image: \"rmachine-stacks/nginx:trixie\"}}' \
        | docker stack deploy --resolve-image never -c - web";
    stage.on(NODES[0], foreign);
    stage
        .deploy("./web", &[DNSRR])
        .failed(1, &["there is a stack \"web\" on \"ske\" already", "by other means"]);
    stage
        .rm(&["stack", "rm", "ske", "web"])
        .failed(1, &["was not deployed by rmachine", "docker stack rm web"]);
    stage.on(NODES[0], "docker stack rm web");
    soon("it is gone", || stage.left("web").is_empty());
}

/// What only docker can know it says, and what was made for it goes.
fn what_docker_refuses_leaves_nothing(stage: &Stage) {
    let compose = "services: {a: {image: 'rmachine-stacks/shell:trixie', networks: [lost], configs: [c]}}\n\
        networks: {lost: {external: true, name: nowhere}}\nconfigs: {c: {file: ./c.conf}}\n";
    folder(stage, "broken", &[("compose.yml", compose), ("c.conf", "x\n")]);
    let refused = stage.deploy("./broken", &[]);
    refused.failed(1, &["\"broken\" was not deployed completely", "nowhere", "was removed again"]);
    assert_eq!(stage.left("broken"), "");
}

fn a_page_is_opened_and_its_task_moves(stage: &Stage) {
    let done = stage.deploy_with("./web", &["--publish"], &[DNSRR]).ok();
    assert!(done.out.contains("(also opened on the nodes)"), "{}", done.out);
    let where_it_runs = || {
        let node =
            stage.on(NODES[0], "docker service ps -f desired-state=running --format '{{.Node}}' web_web");
        node.trim().to_owned()
    };
    let node = where_it_runs();
    let ip = stage.rm(&["ip", &node]).ok().out.trim().to_owned();
    let answers = |at: &str| {
        let asked = Command::new("curl").args(["-fsS", "-m", "5", at]).output().expect("curl runs");
        String::from_utf8_lossy(&asked.stdout).contains("nginx")
    };
    assert!(answers(&format!("http://{ip}:8097/")), "who reaches the node reaches the page");
    let page = stage.open(&["web"]);
    assert!(page.get("/").is_some_and(|text| text.contains("nginx")));
    stage.rm(&["swarm", "drain", &node]).ok();
    soon("it has moved", || where_it_runs() != node);
    soon("the page that is open leads there", || page.get("/").is_some_and(|text| text.contains("nginx")));
    stage.rm(&["swarm", "activate", &node]).ok();
    drop(page);
    stage.rm(&["stack", "rm", "ske", "web"]).ok();
    assert_eq!(stage.left("web"), "");
}

fn a_secret_is_made_once(stage: &Stage) {
    // A deployment that is killed: the same words again bring it to an end, and what it left can be removed.
    let killed = ["stack", "deploy", "ske", "./vault", "--name", "killed"];
    stage.owner.user.start_until(&killed, "Deploying the stack").kill_9();
    stage.rm(&killed).ok();
    stage.rm(&["stack", "rm", "ske", "killed"]).ok();
    assert_eq!(stage.left("killed"), "");

    // All words that any process of the manager is given meanwhile.
    let listen =
        "while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; done | tr '\\0' '\\n' | uniq";
    stage.on(NODES[0], &format!("systemd-run --quiet --unit ears sh -c \"{listen} >/root/heard\""));
    let first = stage.rm(&["--debug", "stack", "deploy", "ske", "./vault"]).ok();
    stage.on(NODES[0], "systemctl stop ears");
    let shown = first.out.lines().find_map(|l| l.strip_prefix("word: ")).expect("it is shown");
    let word = shown.split(' ').next().expect("a word").to_owned();
    assert!(word.len() == 32 && shown.contains("not shown again"), "{shown}");
    let count = |what: &str, of: &str| stage.on(NODES[0], &format!("{of} | grep -c -e '{what}' || true"));
    assert_ne!(count("^deploy$", "cat /root/heard"), "0\n", "nothing was heard");
    assert_eq!(count(&word, "cat /root/heard"), "0\n", "it is among the words of a process");
    let told = "(journalctl --no-pager; docker service inspect vault_keeper; docker secret inspect $(docker secret ls -q))";
    assert_eq!(count(&word, told), "0\n", "it is in a log or a description");
    assert!(!first.err.contains(&word), "it is in our own log");
    let kept =
        Command::new("grep").args(["-rl", &word]).arg(stage.owner.user.home()).output().expect("grep runs");
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "", "it is in a file of the user's");
    let node =
        stage.on(NODES[0], "docker service ps -f desired-state=running --format '{{.Node}}' vault_keeper");
    let read = "docker exec $(docker ps -q -f name=vault_keeper) cat /run/secrets/word";
    assert_eq!(stage.on(node.trim(), read), word, "what was shown is what it is");

    let tasks = || stage.on(NODES[0], "docker service ps -q vault_keeper");
    let before = tasks();
    let second = stage.deploy("./vault", &[]).ok();
    assert!(!second.out.contains("word:"), "{}", second.out);
    assert_eq!(tasks(), before, "nothing was begun anew");

    // Two at once are one after the other.
    let both = thread::scope(|scope| {
        let deploy = || stage.rm(&["stack", "deploy", "ske", "./vault", "--name", "twins"]).ok();
        [scope.spawn(deploy), scope.spawn(deploy)].map(|one| one.join().expect("it ends"))
    });
    let shown = both.iter().filter(|done| done.out.contains("word: ")).count();
    let secrets = stage.on(NODES[0], "docker secret ls -q --filter label=com.docker.stack.namespace=twins");
    assert_eq!((shown, secrets.lines().count()), (1, 1));
    for stack in ["twins", "vault"] {
        stage.rm(&["stack", "rm", "ske", stack]).ok();
        assert_eq!(stage.left(stack), "");
    }
}

/// Pushed on one node, pulled on the other, over the address that engines trust.
fn images_from_a_registry_of_its_own(stage: &Stage) {
    let images =
        ["image.registry=rmachine-stacks/registry:trixie", "image.socat=rmachine-stacks/socat:trixie"];
    stage.deploy("registry", &images).ok();
    let make = "docker run --name maker rmachine-stacks/shell:trixie 'echo made here >/made' && \
        docker commit maker 127.0.0.1:5000/made:1 && docker push 127.0.0.1:5000/made:1 && docker rm maker";
    stage.on(NODES[1], make);
    let read = "docker run --rm 127.0.0.1:5000/made:1 'cat /made'";
    assert_eq!(stage.on(NODES[0], read), "made here\n");
    let page = stage.open(&["registry"]);
    assert_eq!(page.json("/v2/_catalog"), json!({"repositories": ["made"]}));
    let ip = stage.rm(&["ip", NODES[0]]).ok().out.trim().to_owned();
    let listening = stage.on(NODES[0], "ss -Hltn");
    let addresses: Vec<_> = listening.lines().filter_map(|l| l.split_whitespace().nth(3)).collect();
    let open: Vec<_> = addresses.iter().filter(|a| a.ends_with(":5000")).collect();
    assert!(open.contains(&&format!("{ip}:5000").as_str()) && open.contains(&&"127.0.0.1:5000"), "{open:?}");
    assert_eq!(open.len(), 2, "the private address and the node itself, and nothing else: {open:?}");
    // A stack whose image is nowhere but there.
    let compose =
        "services: {a: {image: '127.0.0.1:5000/made:1', command: ['sleep 9999'], deploy: {replicas: 2}}}\n";
    folder(stage, "fetched", &[("compose.yml", compose)]);
    stage.on(NODES[1], "docker rmi 127.0.0.1:5000/made:1");
    stage.deploy("./fetched", &[]).ok();
    drop(page);
    for stack in ["fetched", "registry"] {
        stage.rm(&["stack", "rm", "ske", stack]).ok();
        assert_eq!(stage.left(stack), "");
    }
}

/// `logs` under way, with both its outputs in one file.
struct Following<'a> {
    child: Child,
    stage: &'a Stage,
}

impl<'a> Following<'a> {
    fn new(stage: &'a Stage) -> Self {
        let file = File::create(stage.owner.user.home().join("followed")).expect("a file");
        let mut command = stage.owner.user.command(env!("CARGO_BIN_EXE_rmachine"));
        command.args(["logs", "ske", "talk"]).stdin(Stdio::null());
        command.stderr(file.try_clone().expect("the same file")).stdout(file);
        Self { child: command.spawn().expect("rmachine starts"), stage }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.stage.owner.user.home().join("followed")).unwrap_or_default()
    }

    /// As Ctrl-C would.
    fn end(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
        self.child.wait().expect("it ends").code().unwrap_or(-1)
    }
}

fn nodes_that_go_away_and_come_back(stage: &Stage) {
    stage.deploy("./talk", &[]).ok();
    let logs = Following::new(stage);
    soon("both nodes are heard", || {
        NODES.iter().all(|node| logs.said().contains(&format!("talk_talk@{node} | word")))
    });
    let steps = json!([
        ["size", 130, 20],
        ["wait", "26.1"],
        ["without", "is asked"],
        ["picture"],
        ["size", 45, 5],
        ["wait", "ske-w-1"],
        ["picture"],
        ["run", "docker", "kill", NODES[1]],
        ["wait", "is not running"],
        ["picture"],
        ["type", "q"],
    ]);
    let seen = stage.in_a_terminal(&["top", "ske"], &steps);
    assert_eq!((&seen["code"], &seen["restored"]), (&json!(0), &json!(true)), "{seen}");
    let pictures: Vec<&str> =
        seen["pictures"].as_array().expect("pictures").iter().filter_map(|p| p.as_str()).collect();
    let [wide, narrow, lost] = pictures[..] else { panic!("{seen}") };
    for words in ["Swarm ske, every 2 s; q ends it", "NODE", "CONTAINERS", "ENGINE", "UP"] {
        assert!(wide.contains(words), "{words} is not in:\n{wide}");
    }
    let row = wide.lines().find(|l| l.starts_with(NODES[1])).expect("a row");
    assert!(row.contains("worker") && row.contains(" GiB (") && row.contains(" of "), "{row}");
    assert!(narrow.lines().count() <= 5 && narrow.lines().all(|l| l.chars().count() <= 45), "{narrow}");
    assert!(!narrow.contains("ENGINE") && narrow.contains("MEMORY"), "{narrow}");
    let row = lost.lines().find(|l| l.starts_with(NODES[1])).expect("a row");
    assert!(row.contains("is not running"), "{lost}");
    let other = lost.lines().find(|l| l.starts_with(NODES[0])).expect("a row");
    assert!(other.contains("GiB"), "the other goes on: {lost}");

    soon("that it went away is told", || logs.said().contains("ske-w-1 went away"));
    stage.rm(&["start", NODES[1]]).ok();
    soon("that it is back is told", || logs.said().contains("ske-w-1 is back"));
    let heard = || {
        let said = logs.said();
        let (_, after) = said.split_once("ske-w-1 is back").unwrap_or_default();
        after.contains("talk_talk@ske-w-1 | word") && after.contains("talk_talk@ske-m-1 | word")
    };
    soon("both are heard again", heard);
    assert_eq!(logs.end(), 130);
    let ended =
        stage.in_a_terminal(&["top", "ske"], &json!([["size", 80, 24], ["wait", "GiB"], ["type", "\u{3}"]]));
    assert_eq!((&ended["code"], &ended["restored"]), (&json!(130), &json!(true)), "{ended}");
    stage.rm(&["stack", "rm", "ske", "talk"]).ok();
}

fn the_file_brings_stacks(stage: &Stage) {
    // One that somebody deployed by hand is none of the file's business.
    stage.deploy("./talk", &[]).ok();
    let stacks = "
[stacks.site]
from = \"./web\"
endpoint_mode = \"dnsrr\"
publish = true
[stacks.monitoring]
engines = true
endpoint_mode = \"dnsrr\"
grafana = false
cadvisor = false
certificates = false
alertmanager = false
interval = \"2s\"
image.prometheus = \"rmachine-stacks/prometheus:trixie\"
image.node-exporter = \"rmachine-stacks/node-exporter:trixie\"
image.socat = \"rmachine-stacks/socat:trixie\"
";
    declare(stage, &stacks.replace("interval", "intervall"));
    let refused = cluster(stage, "up");
    refused
        .failed(1, &["cluster.toml:23:13: the stack has no parameter \"intervall\"; did you mean interval?"]);
    declare(stage, stacks);
    let plan = cluster(stage, "plan --detailed-exitcode").failed(2, &[]).out;
    assert!(plan.contains("2 to add, 0 to change, 0 to replace, 0 to remove"), "{plan}");
    assert!(plan.lines().any(|l| l.contains("add") && l.contains("stack") && l.contains("site")), "{plan}");
    let done = cluster(stage, "up").ok();
    assert!(done.out.contains("The stack site runs on ske"), "{}", done.out);

    let services = ["site_web", "monitoring_prometheus", "monitoring_node-exporter"];
    let versions = || services.map(|s| version(stage, s));
    let before = versions();
    assert_eq!(cluster(stage, "up").ok().out, "No changes: the cluster is as its file says.\n");
    cluster(stage, "plan --detailed-exitcode").ok();
    assert_eq!(versions(), before, "a second up changes nothing");

    declare(stage, &stacks.replace("\"2s\"", "\"3s\""));
    let plan = cluster(stage, "plan").ok().out;
    assert!(plan.contains("interval: \"2s\" -> \"3s\"") && plan.contains("0 to add, 1 to change"), "{plan}");
    cluster(stage, "up").ok();
    let after = versions();
    assert_eq!(after[0], before[0], "the other stack is not touched");
    assert_ne!(after[1], before[1]);
    assert_eq!(cluster(stage, "up").ok().out, "No changes: the cluster is as its file says.\n");

    let told = |node: &str| stage.on(node, "grep -c metrics-addr /etc/docker/daemon.json || true");
    assert_eq!(told(NODES[1]), "1\n", "the engines were told");
    let (site, _) = stacks.split_once("[stacks.monitoring]").expect("two stacks");
    declare(stage, site);
    let asked = stage.owner.user.rmachine_with(&["cluster", "up"], b"n\n").ok().out;
    assert!(asked.contains("remove") && asked.contains("its volumes stay"), "{asked}");
    assert!(!stage.left("monitoring").is_empty(), "nothing is removed unasked");
    cluster(stage, "up -y").ok();
    assert_eq!(stage.left("monitoring"), "");
    assert_eq!(NODES.map(told), ["0\n", "0\n"], "what it wanted of engines is taken back");
    let left = stage.rm(&["stack", "ls", "ske", "-q"]).ok().out;
    assert_eq!(left, "site\ntalk\n", "what was deployed by hand stays");
    assert_eq!(cluster(stage, "up").ok().out, "No changes: the cluster is as its file says.\n");
}
