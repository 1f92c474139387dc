//! Stacks on a swarm of three machines: deployed, looked at through their pages, failing as they should, removed.
//!
//! There is no registry: `tests/lab/stacks` makes the images from Debian's packages.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rmachine::stacks::{
    Compose, Given, Kind, Member, Settings, Stack, StackName, Surroundings, built_in_names,
};
use serde_json::Value;

use crate::e2e::lab::{Done, Running, User, lab_dir, lab_script};
use crate::e2e::owner::docker;

const STACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/stacks");
const NODES: [&str; 3] = ["stk-m1", "stk-w1", "stk-w2"];

struct Owner {
    user: User,
}

impl Owner {
    fn new() -> Self {
        docker(&["network", "rm", "rm-e2e-stacks"]);
        Self { user: User::new() }
    }

    fn rm(&self, words: &[&str]) -> Done {
        self.user.rmachine(words)
    }

    fn deploy(&self, stack: &str, settings: &[&str]) -> Done {
        let mut words = vec!["stack", "deploy", "stk", stack];
        settings.iter().for_each(|s| words.extend(["--set", s]));
        self.rm(&words)
    }

    /// The images into all nodes at once.
    fn load_images(&self) {
        let archive = archive();
        let loads: Vec<_> = NODES
            .iter()
            .map(|node| {
                let mut load = self.user.command(env!("CARGO_BIN_EXE_rmachine"));
                load.args(["ssh", node, "docker", "load"]).stdin(File::open(&archive).expect("the archive"));
                load.stdout(Stdio::null()).spawn().expect("rmachine starts")
            })
            .collect();
        for mut load in loads {
            assert!(load.wait().expect("it ends").success(), "the images were not loaded");
        }
    }

    /// Keeps a page open on a port of this computer.
    fn open(&self, words: &[&str]) -> Page {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let (port, url) = (free.to_string(), format!("http://127.0.0.1:{free}"));
        let words: Vec<_> =
            ["stack", "open", "stk"].iter().chain(words).copied().chain(["--port", &port]).collect();
        let running = self.user.start_until(&words, &url);
        Page { url, running: Some(running) }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let label = format!("label=rmachine.store={}", self.user.store().display());
        for id in docker(&["ps", "-aq", "--filter", &label]).out.lines() {
            docker(&["rm", "-fv", id]);
        }
        docker(&["network", "rm", "rm-e2e-stacks"]);
    }
}

struct Page {
    url: String,
    running: Option<Running>,
}

impl Page {
    fn get(&self, path: &str) -> Option<String> {
        let answer = Command::new("curl").args(["-fsS", "-m", "5", &format!("{}{path}", self.url)]).output();
        let answer = answer.expect("curl runs");
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned())
    }

    fn json(&self, path: &str) -> Value {
        self.get(path).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// How the targets of a job are, by address.
    fn targets(&self, job: &str) -> Vec<(String, String)> {
        let all = self.json("/api/v1/targets");
        let targets = all["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        let of_job = targets.iter().filter(|t| t["labels"]["job"] == job);
        let word = |t: &Value, key: &str| t[key].as_str().unwrap_or_default().to_owned();
        of_job
            .map(|t| {
                let node = t["labels"]["node"].as_str().unwrap_or_default().to_owned();
                (node, word(t, "health"))
            })
            .collect()
    }

    fn all_up(&self, job: &str) -> bool {
        let targets = self.targets(job);
        targets.len() == NODES.len() && targets.iter().all(|(_, health)| health == "up")
    }

    fn fires(&self, alert: &str) -> bool {
        let all = self.json("/api/v1/alerts");
        let alerts = all["data"]["alerts"].as_array().cloned().unwrap_or_default();
        alerts.iter().any(|a| a["labels"]["alertname"] == alert && a["state"] == "firing")
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // As Ctrl-C would.
            running.signal("-INT").failed(130, &[]);
        }
    }
}

/// What lies where is said by the script that made it.
fn archive() -> PathBuf {
    let made = lab_script(STACKS).stderr(Stdio::inherit()).output().expect("tests/lab/stacks runs");
    assert!(made.status.success(), "tests/lab/stacks failed");
    PathBuf::from(String::from_utf8_lossy(&made.stdout).trim())
}

/// Slow things: gossip between engines takes up a node that came back after a minute at most.
#[track_caller]
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(150);
    while !holds() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Short times, and images that are there.
const MONITORING: [&str; 10] = [
    "grafana=false",
    "cadvisor=false",
    "endpoint_mode=dnsrr",
    "interval=2s",
    "alert_after=3s",
    "image.prometheus=rmachine-stacks/prometheus:trixie",
    "image.alertmanager=rmachine-stacks/alertmanager:trixie",
    "image.node-exporter=rmachine-stacks/node-exporter:trixie",
    "image.blackbox-exporter=rmachine-stacks/blackbox-exporter:trixie",
    "image.socat=rmachine-stacks/socat:trixie",
];

fn with<'a>(settings: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    settings.iter().chain(more).copied().collect()
}

#[test]
fn a_cluster_that_is_seen_and_heard() {
    let owner = Owner::new();
    let made = ["swarm", "create", "-d", "docker", "--docker-network", "rm-e2e-stacks"];
    owner.rm(&with(&made, &["--managers", "1", "--workers", "2", "stk"])).ok();
    nothing_is_touched_that_cannot_work(&owner);
    owner.load_images();
    docker_takes_every_compose_file(&owner);
    engines_are_found_by_dns(&owner);
    engines_are_found_by_the_swarm(&owner);
    busy_nodes_are_shown(&owner);
    own_stacks_and_where_their_logs_go(&owner);
    a_dead_node_is_told(&owner);
    let gone = owner.rm(&["stack", "rm", "stk", "monitoring"]).ok();
    assert!(gone.out.contains("its volumes stay"), "{}", gone.out);
    let list = owner.rm(&["stack", "ls", "stk", "-q"]).ok().out;
    assert!(!list.contains("monitoring"), "{list}");
    let left = owner
        .rm(&["ssh", "stk-m1", "docker config ls -q --filter label=com.docker.stack.namespace=monitoring"])
        .ok();
    assert_eq!(left.out, "", "its configs went with it");
}

fn nothing_is_touched_that_cannot_work(owner: &Owner) {
    owner.deploy("monitoring", &[]).failed(1, &["images are missing", "prom/prometheus:", "not on stk-m1"]);
    owner.deploy("monitoring", &["discovry=dns"]).failed(1, &["did you mean discovery?"]);
    owner.deploy("monitoring", &["interval=often"]).failed(1, &["takes a duration"]);
    owner.deploy("monitoring", &["node=nobody"]).failed(1, &["\"nobody\" is no node of \"stk\""]);
    owner.deploy("logging-syslog", &["port=22"]).failed(1, &["stk-m1 listens on port 22 already"]);
    let worker = owner.rm(&["stack", "deploy", "other", "monitoring"]);
    worker.failed(1, &["There is no cluster \"other\""]);
    assert_eq!(owner.rm(&["stack", "ls", "stk", "-q"]).ok().out, "");
    let configs =
        owner.rm(&["ssh", "stk-m1", "docker config ls -q; docker secret ls -q; docker service ls -q"]).ok();
    assert_eq!(configs.out, "", "not even a part was put there");
}

/// Every combination of what chooses, of each stack of ours.
fn every_way() -> impl Iterator<Item = (Stack, Compose)> {
    let nodes = vec![
        Member { id: "a".into(), name: "m1".into(), address: "10.0.0.1".into(), manager: true },
        Member { id: "b".into(), name: "m2".into(), address: "10.0.0.2".into(), manager: true },
    ];
    let at = Surroundings { cluster: "lab".into(), chosen: nodes[0].clone(), nodes, publish: false };
    built_in_names().flat_map(move |name| {
        let stack = Stack::find(name).expect("ours");
        let at = at.clone();
        ways(&stack).into_iter().map(move |given| {
            let settings = Settings::resolve(&stack.manifest, &given).expect("values that it takes");
            let name = StackName::parse("x").expect("a name");
            (stack.clone(), stack.fill(&name, &settings, &at).expect("it is whole"))
        })
    })
}

fn ways(stack: &Stack) -> Vec<Vec<Given>> {
    let mut all = vec![Vec::new()];
    for (name, parameter) in &stack.manifest.parameters {
        let ways: Vec<&str> = match &parameter.kind {
            Kind::Boolean => vec!["true", "false"],
            Kind::Choice { choices } => choices.iter().map(String::as_str).collect(),
            _ => continue,
        };
        let with =
            |one: &Vec<Given>, way: &str| one.iter().cloned().chain([Given::word(name, way)]).collect();
        all = all
            .iter()
            .flat_map(|one: &Vec<Given>| ways.iter().map(|way| with(one, way)).collect::<Vec<_>>())
            .collect();
    }
    all
}

/// One file a line, since JSON has none of its own.
fn docker_takes_every_compose_file(owner: &Owner) {
    let mut files: Vec<String> = every_way().map(|(_, compose)| compose.text()).collect();
    files.sort();
    files.dedup();
    let wrong = r#"{"version":"3.8","services":{"a":{"image":"i","imagge":"i"}}}"#.to_owned();
    let input = files.iter().chain([&wrong]).map(|file| format!("{file}\n")).collect::<String>();
    let check = "while read -r file; do printf %s \"$file\" | docker stack config -c - >/dev/null || echo \"$file\"; done";
    let refused = owner.user.rmachine_with(&["ssh", "stk-m1", check], input.as_bytes());
    assert_eq!(refused.out.trim(), wrong, "{}", refused.err);
    assert!(files.len() > 50, "{}", files.len());
}

#[test]
fn prometheus_takes_every_configuration() {
    archive();
    let promtool = lab_dir().join("promtool");
    let dir = tempfile::tempdir().expect("a folder");
    let mut seen = std::collections::BTreeSet::new();
    for (_, compose) in every_way().filter(|(stack, _)| stack.id == "monitoring") {
        let mut names = Vec::new();
        for key in ["prometheus", "rules"] {
            let config =
                compose.configs.iter().find(|c| c.name.starts_with(&format!("x_{key}-"))).expect("a config");
            let text = String::from_utf8(config.content.clone()).expect("text");
            // What it names lies elsewhere in the container.
            let text =
                text.replace("/etc/prometheus/rules.yml", &dir.path().join("rules.yml").to_string_lossy());
            std::fs::write(dir.path().join(format!("{key}.yml")), text).expect("written");
            names.push(config.name.clone());
        }
        if !seen.insert(names) {
            continue;
        }
        let file = dir.path().join("prometheus.yml");
        let checked =
            Command::new(&promtool).args(["check", "config"]).arg(&file).output().expect("promtool runs");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{said}\n{}", std::fs::read_to_string(&file).expect("it is there"));
    }
    assert_eq!(seen.len(), 16, "discovery, Alertmanager, cAdvisor and certificates choose");
    alerts_fire_when_they_should(&promtool, dir.path());
}

/// Prometheus' own way to test rules: series as they would come, and what fires at a moment.
fn alerts_fire_when_they_should(promtool: &Path, dir: &Path) {
    let test = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="engine", instance="a:9323", node="m1"}', values: "1x10"}
      - {series: 'up{job="engine", instance="b:9323", node="m2"}', values: "1 1 0x8"}
      - {series: 'swarm_node_manager{instance="a:9323"}', values: "1x10"}
      - {series: 'swarm_manager_nodes{state="down"}', values: "0 0 1x8"}
      - {series: 'node_filesystem_avail_bytes{fstype="ext4", mountpoint="/", instance="a"}', values: "5x10"}
      - {series: 'node_filesystem_size_bytes{fstype="ext4", mountpoint="/", instance="a"}', values: "100x10"}
      - {series: 'probe_ssl_earliest_cert_expiry{node="m1"}', values: "864000x10"}
    alert_rule_test:
      - {eval_time: 1m, alertname: EngineNotScraped, exp_alerts: []}
      - eval_time: 5m
        alertname: EngineNotScraped
        exp_alerts: [{exp_labels: {severity: critical, job: engine, instance: "b:9323", node: m2}, exp_annotations: {summary: "The engine b:9323 m2 gives no metrics", description: "The node is down, or its engine runs without metrics-addr."}}]
      - eval_time: 5m
        alertname: NodeDown
        exp_alerts: [{exp_labels: {severity: critical}, exp_annotations: {summary: "1 node(s) of the swarm are down", description: "`rmachine swarm status lab` names them."}}]
      - eval_time: 5m
        alertname: QuorumAtRisk
        exp_alerts: [{exp_labels: {severity: critical}, exp_annotations: {summary: "1 of 2 managers answer; 2 are needed", description: "Below that nothing of the swarm can be changed."}}]
      - eval_time: 5m
        alertname: DiskNearlyFull
        exp_alerts: [{exp_labels: {severity: warning, fstype: ext4, mountpoint: /, instance: a}, exp_annotations: {summary: "/ of a has 5% left"}}]
      - eval_time: 5m
        alertname: EnginesMissing
        exp_alerts: [{exp_labels: {severity: warning}, exp_annotations: {summary: "1 of 2 engines give metrics"}}]
      - eval_time: 5m
        alertname: MemoryNearlyFull
        exp_alerts: []
"#;
    std::fs::write(dir.join("test.yml"), test).expect("written");
    let rules = every_way().find(|(stack, _)| stack.id == "monitoring").expect("it is ours").1;
    let rules = rules.configs.iter().find(|c| c.name.starts_with("x_rules-")).expect("rules").content.clone();
    std::fs::write(dir.join("rules.yml"), rules).expect("written");
    let tested = Command::new(promtool)
        .args(["test", "rules", "test.yml"])
        .current_dir(dir)
        .output()
        .expect("it runs");
    assert!(
        tested.status.success(),
        "{}{}",
        String::from_utf8_lossy(&tested.stdout),
        String::from_utf8_lossy(&tested.stderr)
    );
}

fn engines_are_found_by_dns(owner: &Owner) {
    let refused = owner.deploy("monitoring", &MONITORING);
    let command = "stack deploy stk monitoring --set engines=true";
    refused.failed(1, &["3 of 3 do not: ", command, "one at a time"]);
    let done = owner.deploy("monitoring", &with(&MONITORING, &["engines=true"])).ok();
    assert!(done.out.contains("Note: 3 engines were configured"), "{}", done.out);
    let order: Vec<_> = done.out.lines().filter_map(|l| l.strip_suffix(" Draining the node...")).collect();
    assert_eq!(order, ["(stk-w1)", "(stk-w2)", "(stk-m1)"], "the manager last");
    let status = owner.rm(&["swarm", "status", "stk", "--output", "json"]).ok().out;
    assert!(!status.contains("drain"), "all take tasks again: {status}");

    let page = owner.open(&["monitoring", "prometheus"]);
    for job in ["engine", "node", "certificate"] {
        soon(&format!("all {job} targets are up: {:?}", page.targets(job)), || page.all_up(job));
    }
    // Nothing of it is opened on the nodes.
    let ports = owner.rm(&["ssh", "stk-m1", "ss -Hltn"]).ok().out;
    assert!(!ports.contains(":9090") && !ports.contains(":9093"), "{ports}");
    // Engines answer on the private address, and nowhere else.
    assert!(
        ports.contains(":9323") && !ports.contains("*:9323") && !ports.contains("0.0.0.0:9323"),
        "{ports}"
    );
    screenshot(&page);
}

/// Debian's Prometheus has the classic pages only. The picture is kept beside what cargo builds.
fn screenshot(page: &Page) {
    let picture = lab_dir().join("prometheus-targets.png");
    let _ = std::fs::remove_file(&picture);
    let profile = tempfile::tempdir().expect("a folder");
    let browse = |what: &str| {
        let seen = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--window-size=1200,1400",
            ])
            .args(["--virtual-time-budget=8000", "--timeout=20000", what])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("{}/classic/targets", page.url))
            .output()
            .expect("chromium runs; tests/run installs it");
        String::from_utf8_lossy(&seen.stdout).into_owned() + &String::from_utf8_lossy(&seen.stderr)
    };
    let text = browse("--dump-dom");
    for job in ["engine", "node", "certificate"] {
        assert!(text.contains(&format!("{job} (3/3 up)")), "the page does not say that {job} is up: {text}");
    }
    let said = browse(&format!("--screenshot={}", picture.display()));
    let bytes = std::fs::read(&picture).unwrap_or_default();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000, "{said}");
}

fn engines_are_found_by_the_swarm(owner: &Owner) {
    let again = owner.deploy("monitoring", &with(&MONITORING, &["discovery=swarm"])).ok();
    assert!(!again.out.contains("Draining"), "engines that give metrics are left alone: {}", again.out);
    let page = owner.open(&["monitoring", "prometheus"]);
    soon("all engines are up", || page.all_up("engine") && page.all_up("node"));
    let mut nodes: Vec<_> = page.targets("engine").into_iter().map(|(node, _)| node).collect();
    nodes.sort();
    assert_eq!(nodes, NODES, "by their names");
    let services = owner.rm(&["ssh", "stk-m1", "docker service ls --format '{{.Name}}'"]).ok().out;
    assert!(!services.contains("docker-exporter"), "what the stack has no more is gone: {services}");
    let configs = owner.rm(&["ssh", "stk-m1", "docker config ls --format '{{.Name}}'"]).ok().out;
    assert_eq!(configs.lines().filter(|c| c.starts_with("monitoring_prometheus-")).count(), 1, "{configs}");
}

fn busy_nodes_are_shown(owner: &Owner) {
    let text = owner.rm(&["top", "stk", "--once", "--output", "json"]).ok().out;
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(rows.len(), NODES.len());
    for row in &rows {
        assert!(row["memory"].as_u64() > Some(0) && row["cores"].as_u64() > Some(0), "{row}");
        assert_eq!((&row["metrics"], &row["error"]), (&Value::Bool(true), &Value::Null), "{row}");
        assert!(
            row["containers"].as_u64() > Some(0) && !row["engine"].as_str().unwrap_or_default().is_empty(),
            "{row}"
        );
    }
    let targets = owner.rm(&["metrics", "targets", "stk"]).ok();
    let targets: Vec<Value> = serde_json::from_str(&targets.out).expect("JSON");
    let page = owner.open(&["monitoring", "prometheus"]);
    for target in targets {
        let address = target["targets"][0].as_str().expect("an address");
        let query = format!("/api/v1/query?query=up%7Binstance%3D%22{address}%22%7D");
        assert_eq!(
            page.json(&query)["data"]["result"][0]["value"][1],
            "1",
            "{target} is what Prometheus found"
        );
    }
}

/// A stack of the user's own: its containers write to rsyslog, and to a listener of GELF.
fn own_stacks_and_where_their_logs_go(owner: &Owner) {
    // A container beside the swarm keeps what it was made with, and that is said.
    owner.rm(&["ssh", "stk-w1", "docker create rmachine-stacks/shell:trixie true"]).ok();
    let syslog = ["image.rsyslog=rmachine-stacks/rsyslog:trixie", "engines=true"];
    let done = owner.deploy("logging-syslog", &syslog).ok();
    assert!(done.out.contains("stk-w1: 1 containers beside the swarm keep"), "{}", done.out);
    let again = owner.deploy("logging-syslog", &syslog).ok();
    assert!(!again.out.contains("Draining"), "engines that are told already are left alone: {}", again.out);
    let gateway =
        docker(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "rm-e2e-stacks"]).out;
    let gelf = UdpSocket::bind((gateway.trim(), 0)).expect("a socket");
    gelf.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let port = gelf.local_addr().expect("an address").port();
    let folder = owner.user.home().join("talk");
    std::fs::create_dir(&folder).expect("a folder");
    let compose = "version: '3.8'\n\
        services:\n\
        \x20 syslog: &talk\n\
        \x20   image: rmachine-stacks/shell:trixie\n\
        \x20   command: ['while :; do cat /text; sleep 1; done']\n\
        \x20   configs: [{source: text, target: /text}]\n\
        \x20 gelf:\n\
        \x20   <<: *talk\n\
        \x20   logging: {driver: gelf, options: {gelf-address: \"udp://${{ gelf }}\", tag: talk}}\n\
        configs: {text: {file: ./text}}\n";
    let manifest = "title = 'Talks'\n\
        [parameters.gelf]\ntype = 'string'\ndefault = ''\nhelp = 'where'\n";
    for (name, text) in [("compose.yml", compose), ("stack.toml", manifest), ("text", "first words\n")] {
        std::fs::write(folder.join(name), text).expect("written");
    }
    let gelf_at = format!("gelf={}:{port}", gateway.trim());
    let settings = [gelf_at.as_str(), "endpoint_mode=dnsrr"];
    owner.deploy("./talk", &settings).ok();
    assert_eq!(decoded(&gelf)["short_message"], "first words");

    // An edited file is another config, and the services take it.
    std::fs::write(folder.join("text"), "second words\n").expect("written");
    owner.deploy("./talk", &settings).ok();
    soon("the edited file has arrived by gelf", || decoded(&gelf)["short_message"] == "second words");
    let logs = "docker run --rm -v logging-syslog_logs:/logs --entrypoint /bin/sh rmachine-stacks/shell:trixie -c \
        'cat /logs/*/talk_syslog.*.log'";
    soon("both texts have arrived in rsyslog", || {
        let kept = owner.rm(&["ssh", "stk-m1", logs]).out;
        kept.contains("first words") && kept.contains("second words")
    });
    let followed = owner.user.start_until(&["logs", "stk", "talk"], "| second words");
    followed.signal("-INT").failed(130, &[]);
    let said = owner.rm(&["logs", "stk", "talk_gelf", "--no-follow", "--tail", "1"]).ok().out;
    let line = |l: &str| l.starts_with("talk_gelf@stk-") && l.ends_with("| second words");
    assert!(said.lines().any(line), "{said}");

    // What is not ours to change stays as it is.
    let clash = owner.rm(&["stack", "deploy", "stk", "./talk", "--name", "monitoring"]);
    clash.failed(1, &["there is a stack \"monitoring\" on \"stk\" already", "--name NAME"]);
    owner.rm(&["stack", "rm", "stk", "talk"]).ok();
    owner.rm(&["stack", "rm", "stk", "talk"]).failed(1, &["there is no stack \"talk\"", "monitoring"]);
}

/// As the engine sends it: JSON, in gzip.
fn decoded(socket: &UdpSocket) -> Value {
    let mut packet = vec![0; 65_536];
    let length = socket.recv(&mut packet).expect("a packet within a minute");
    serde_json::from_reader(flate2::read::GzDecoder::new(&packet[..length])).expect("JSON in gzip")
}

fn a_dead_node_is_told(owner: &Owner) {
    let page = owner.open(&["monitoring", "prometheus"]);
    soon("all is well before", || page.all_up("engine") && !page.fires("EngineNotScraped"));
    docker(&["kill", "stk-w2"]);
    soon("its target is down", || {
        let targets = page.targets("engine");
        let health = |node: &str| targets.iter().find(|(n, _)| n == node).map(|(_, h)| h.clone());
        health("stk-w2").as_deref() == Some("down") && health("stk-w1").as_deref() == Some("up")
    });
    soon("the alert fires", || page.fires("EngineNotScraped"));
    soon("the swarm knows too", || page.fires("NodeDown"));
    let alerts = owner.open(&["monitoring", "alertmanager"]);
    soon("Alertmanager was told", || {
        let all = alerts.json("/api/v2/alerts");
        all.as_array().is_some_and(|a| a.iter().any(|a| a["labels"]["alertname"] == "EngineNotScraped"))
    });
    let top = owner.rm(&["top", "stk", "--once"]).ok().out;
    let row = top.lines().find(|l| l.starts_with("stk-w2")).expect("a row");
    assert!(row.contains("not running"), "{row}");
}
