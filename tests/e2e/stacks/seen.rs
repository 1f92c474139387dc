//! A swarm of three that is monitored, in both discoveries, and whose logs are collected.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::files::every_way;
use super::{Page, Stage, soon, with};
use crate::e2e::docker_user::{Owner, docker};
use crate::e2e::lab::lab_dir;

const NODES: [&str; 3] = ["stk-m1", "stk-w1", "stk-w2"];

/// Short times, and images that are there.
const MONITORING: [&str; 10] = [
    "grafana=false",
    "image.cadvisor=rmachine-stacks/cadvisor:trixie",
    "endpoint_mode=dnsrr",
    "interval=2s",
    "alert_after=3s",
    "image.prometheus=rmachine-stacks/prometheus:trixie",
    "image.alertmanager=rmachine-stacks/alertmanager:trixie",
    "image.node-exporter=rmachine-stacks/node-exporter:trixie",
    "image.blackbox-exporter=rmachine-stacks/blackbox-exporter:trixie",
    "image.socat=rmachine-stacks/socat:trixie",
];

#[test]
fn a_cluster_that_is_seen_and_heard() {
    let stage = Stage { owner: Owner::new("rm-e2e-stacks"), cluster: "stk", nodes: &NODES };
    let made = ["swarm", "create", "-d", "docker", "--docker-network", "rm-e2e-stacks"];
    stage.rm(&with(&made, &["--managers", "1", "--workers", "2", "stk"])).ok();
    nothing_is_touched_that_cannot_work(&stage);
    stage.load_images();
    docker_takes_every_compose_file(&stage);
    engines_are_found_by_dns(&stage);
    engines_are_found_by_the_swarm(&stage);
    busy_nodes_are_shown(&stage);
    own_stacks_and_where_their_logs_go(&stage);
    a_dead_node_is_told(&stage);
    let gone = stage.rm(&["stack", "rm", "stk", "monitoring"]).ok();
    assert!(gone.out.contains("its volumes stay"), "{}", gone.out);
    let list = stage.rm(&["stack", "ls", "stk", "-q"]).ok().out;
    assert!(!list.contains("monitoring"), "{list}");
    assert_eq!(stage.left("monitoring"), "", "its configs went with it");
}

fn nothing_is_touched_that_cannot_work(stage: &Stage) {
    // The kernel that tests run on lacks what services need to have addresses of their own.
    let without = stage.deploy("monitoring", &[]);
    without.failed(1, &["no IPVS in the kernel of stk-m1, stk-w1, stk-w2", "--set endpoint_mode=dnsrr"]);
    let missing = stage.deploy("monitoring", &["endpoint_mode=dnsrr"]);
    missing.failed(1, &["images are missing", "prom/prometheus:", "not on stk-m1"]);
    stage.deploy("monitoring", &["discovry=dns"]).failed(1, &["did you mean discovery?"]);
    stage.deploy("monitoring", &["interval=often"]).failed(1, &["takes a duration"]);
    stage.deploy("monitoring", &["node=nobody"]).failed(1, &["\"nobody\" is no node of \"stk\""]);
    stage.deploy("logging-syslog", &["port=22"]).failed(1, &["wants port 22, and on stk-m1 sshd (process "]);
    let worker = stage.rm(&["stack", "deploy", "other", "monitoring"]);
    worker.failed(1, &["There is no cluster \"other\""]);
    assert_eq!(stage.rm(&["stack", "ls", "stk", "-q"]).ok().out, "");
    let configs =
        stage.rm(&["ssh", "stk-m1", "docker config ls -q; docker secret ls -q; docker service ls -q"]).ok();
    assert_eq!(configs.out, "", "not even a part was put there");
}

/// One file a line, since JSON has none of its own.
fn docker_takes_every_compose_file(stage: &Stage) {
    let mut files: Vec<String> = every_way().map(|(_, compose)| compose.text()).collect();
    files.sort();
    files.dedup();
    let wrong = r#"{"version":"3.8","services":{"a":{"image":"i","imagge":"i"}}}"#.to_owned();
    let input = files.iter().chain([&wrong]).map(|file| format!("{file}\n")).collect::<String>();
    let check = "while read -r file; do printf %s \"$file\" | docker stack config -c - >/dev/null || echo \"$file\"; done";
    let refused = stage.owner.user.rmachine_with(&["ssh", "stk-m1", check], input.as_bytes());
    assert_eq!(refused.out.trim(), wrong, "{}", refused.err);
    assert!(files.len() > 50, "{}", files.len());
}

fn engines_are_found_by_dns(stage: &Stage) {
    let refused = stage.deploy("monitoring", &MONITORING);
    let command = "stack deploy stk monitoring --set engines=true";
    refused.failed(1, &["3 of 3 do not: ", command, "one at a time"]);
    let done = stage.deploy("monitoring", &with(&MONITORING, &["engines=true"])).ok();
    assert!(done.out.contains("Note: reconfigured 3 engines"), "{}", done.out);
    let order: Vec<_> = done.out.lines().filter_map(|l| l.strip_suffix(" Draining the node...")).collect();
    assert_eq!(order, ["(stk-w1)", "(stk-w2)", "(stk-m1)"], "the manager last");
    let status = stage.rm(&["swarm", "status", "stk", "--output", "json"]).ok().out;
    assert!(!status.contains("drain"), "all take tasks again: {status}");

    let page = stage.open(&["monitoring", "prometheus"]);
    for job in ["engine", "node", "certificate", "cadvisor"] {
        soon(&format!("all {job} targets are up: {:?}", page.targets(job)), || page.all_up(job, NODES.len()));
    }
    the_dashboard_has_data(&page);
    // Nothing of it is opened on the nodes.
    let ports = stage.rm(&["ssh", "stk-m1", "ss -Hltn"]).ok().out;
    assert!(!ports.contains(":9090") && !ports.contains(":9093"), "{ports}");
    // Engines answer on the private address, and nowhere else.
    assert!(
        ports.contains(":9323") && !ports.contains("*:9323") && !ports.contains("0.0.0.0:9323"),
        "{ports}"
    );
    screenshot(&page);
}

/// Each expression of the dashboard that Grafana would show finds something in the real Prometheus.
fn the_dashboard_has_data(page: &Page) {
    let dashboard: Value =
        serde_json::from_str(include_str!("../../../templates/stacks/monitoring/grafana-dashboard.json"))
            .expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|p| p["targets"].as_array().into_iter().flatten());
    let expressions: Vec<String> = targets
        .map(|t| t["expr"].as_str().expect("an expression").replace("$__rate_interval", "30s"))
        .collect();
    assert!(expressions.len() > 12, "{expressions:?}");
    for expression in &expressions {
        let ask = || {
            let query = format!("query={expression}");
            let url = format!("{}/api/v1/query", page.url);
            let asked = Command::new("curl")
                .args(["-sS", "-m", "5", "-G", &url, "--data-urlencode", &query])
                .output();
            serde_json::from_slice::<Value>(&asked.expect("curl runs").stdout).unwrap_or_default()
        };
        soon(&format!("{expression} finds something: {}", ask()), || {
            ask()["data"]["result"].as_array().is_some_and(|r| !r.is_empty())
        });
    }
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

fn engines_are_found_by_the_swarm(stage: &Stage) {
    let again = stage.deploy("monitoring", &with(&MONITORING, &["discovery=swarm"])).ok();
    assert!(!again.out.contains("Draining"), "engines that give metrics are left alone: {}", again.out);
    let page = stage.open(&["monitoring", "prometheus"]);
    soon("all engines are up", || page.all_up("engine", NODES.len()) && page.all_up("node", NODES.len()));
    let mut nodes: Vec<_> = page.targets("engine").into_iter().map(|(node, _)| node).collect();
    nodes.sort();
    assert_eq!(nodes, NODES, "by their names");
    let services = stage.rm(&["ssh", "stk-m1", "docker service ls --format '{{.Name}}'"]).ok().out;
    assert!(!services.contains("docker-exporter"), "what the stack has no more is gone: {services}");
    let configs = stage.rm(&["ssh", "stk-m1", "docker config ls --format '{{.Name}}'"]).ok().out;
    assert_eq!(configs.lines().filter(|c| c.starts_with("monitoring_prometheus-")).count(), 1, "{configs}");
}

fn busy_nodes_are_shown(stage: &Stage) {
    let text = stage.rm(&["top", "stk", "--once", "--output", "json"]).ok().out;
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
    let told = stage.rm(&["metrics", "targets", "stk"]).ok();
    a_prometheus_outside_takes_them(stage, &told.out);
    let targets: Vec<Value> = serde_json::from_str(&told.out).expect("JSON");
    let page = stage.open(&["monitoring", "prometheus"]);
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

/// One that is in no stack, and reads its targets from the file.
fn a_prometheus_outside_takes_them(stage: &Stage, targets: &str) {
    let config = "global: {scrape_interval: 1s}\n\
        scrape_configs: [{job_name: all, file_sd_configs: [{files: [/sd/targets.json]}]}]\n";
    let write = "mkdir -p /srv/sd && cat >/srv/sd/";
    stage
        .owner
        .user
        .rmachine_with(&["ssh", "stk-m1", &format!("{write}targets.json")], targets.as_bytes())
        .ok();
    stage.owner.user.rmachine_with(&["ssh", "stk-m1", &format!("{write}p.yml")], config.as_bytes()).ok();
    let run = "docker run -d --name outside --network host -v /srv/sd:/sd rmachine-stacks/prometheus:trixie \
        --config.file=/sd/p.yml --storage.tsdb.path=/tmp/p --web.listen-address=127.0.0.1:9099";
    stage.on("stk-m1", run);
    soon("it finds all engines up", || {
        let query = "curl -sS '127.0.0.1:9099/api/v1/query?query=up\\{cluster=\"stk\"\\}==1'";
        let said = stage.rm(&["ssh", "stk-m1", query]).out;
        let said: Value = serde_json::from_str(&said).unwrap_or_default();
        said["data"]["result"].as_array().is_some_and(|r| r.len() == NODES.len())
    });
    stage.on("stk-m1", "docker rm -fv outside");
}

/// A stack of the user's own: its containers write to rsyslog, and to a listener of GELF.
fn own_stacks_and_where_their_logs_go(stage: &Stage) {
    // A container beside the swarm keeps what it was made with, and that is said.
    stage.rm(&["ssh", "stk-w1", "docker create rmachine-stacks/shell:trixie true"]).ok();
    let syslog = ["image.rsyslog=rmachine-stacks/rsyslog:trixie", "engines=true"];
    let done = stage.deploy("logging-syslog", &syslog).ok();
    assert!(done.out.contains("stk-w1: 1 containers beside the swarm keep"), "{}", done.out);
    let again = stage.deploy("logging-syslog", &syslog).ok();
    assert!(!again.out.contains("Draining"), "engines that are told already are left alone: {}", again.out);
    let gateway =
        docker(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "rm-e2e-stacks"]).out;
    let gelf = UdpSocket::bind((gateway.trim(), 0)).expect("a socket");
    gelf.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let port = gelf.local_addr().expect("an address").port();
    let folder = stage.owner.user.home().join("talk");
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
    stage.deploy("./talk", &settings).ok();
    assert_eq!(decoded(&gelf)["short_message"], "first words");

    // An edited file is another config, and the services take it.
    std::fs::write(folder.join("text"), "second words\n").expect("written");
    stage.deploy("./talk", &settings).ok();
    soon("the edited file has arrived by gelf", || decoded(&gelf)["short_message"] == "second words");
    let logs = "docker run --rm -v logging-syslog_logs:/logs --entrypoint /bin/sh rmachine-stacks/shell:trixie -c \
        'cat /logs/*/talk_syslog.*.log'";
    soon("both texts have arrived in rsyslog", || {
        let kept = stage.rm(&["ssh", "stk-m1", logs]).out;
        kept.contains("first words") && kept.contains("second words")
    });
    let followed = stage.owner.user.start_until(&["logs", "stk", "talk"], "| second words");
    followed.signal("-INT").failed(130, &[]);
    let said = stage.rm(&["logs", "stk", "talk_gelf", "--no-follow", "--tail", "1"]).ok().out;
    let line = |l: &str| l.starts_with("talk_gelf@stk-") && l.ends_with("| second words");
    assert!(said.lines().any(line), "{said}");

    // What is not ours to change stays as it is.
    let clash = stage.rm(&["stack", "deploy", "stk", "./talk", "--name", "monitoring"]);
    clash.failed(1, &["there is a stack \"monitoring\" on \"stk\" already", "--name NAME"]);
    stage.rm(&["stack", "rm", "stk", "talk"]).ok();
    stage.rm(&["stack", "rm", "stk", "talk"]).failed(1, &["there is no stack \"talk\"", "monitoring"]);
}

/// As the engine sends it: JSON, in gzip.
fn decoded(socket: &UdpSocket) -> Value {
    let mut packet = vec![0; 65_536];
    let length = socket.recv(&mut packet).expect("a packet within a minute");
    serde_json::from_reader(flate2::read::GzDecoder::new(&packet[..length])).expect("JSON in gzip")
}

fn a_dead_node_is_told(stage: &Stage) {
    let page = stage.open(&["monitoring", "prometheus"]);
    soon("all is well before", || page.all_up("engine", NODES.len()) && !page.fires("EngineNotScraped"));
    docker(&["kill", "stk-w2"]);
    soon("its target is down", || {
        let targets = page.targets("engine");
        let health = |node: &str| targets.iter().find(|(n, _)| n == node).map(|(_, h)| h.clone());
        health("stk-w2").as_deref() == Some("down") && health("stk-w1").as_deref() == Some("up")
    });
    soon("the alert fires", || page.fires("EngineNotScraped"));
    soon("the swarm knows too", || page.fires("NodeDown"));
    let alerts = stage.open(&["monitoring", "alertmanager"]);
    soon("Alertmanager was told", || {
        let all = alerts.json("/api/v2/alerts");
        all.as_array().is_some_and(|a| a.iter().any(|a| a["labels"]["alertname"] == "EngineNotScraped"))
    });
    let top = stage.rm(&["top", "stk", "--once"]).ok().out;
    let row = top.lines().find(|l| l.starts_with("stk-w2")).expect("a row");
    assert!(row.contains("not running"), "{row}");
}
