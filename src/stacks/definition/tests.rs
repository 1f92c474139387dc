//! The stacks that come with the program, filled in every way, and what users get wrong.

#![allow(clippy::disallowed_methods, reason = "tests make what they look at")]

use rmachine_driver::secrecy::SecretString;
use serde_json::Value as Json;

use crate::stacks::definition::*;

fn member(name: &str, number: u8, manager: bool) -> Member {
    Member { id: format!("id{number}"), name: name.to_owned(), address: format!("10.0.0.{number}"), manager }
}

fn lab(publish: bool) -> Surroundings {
    let nodes = vec![member("m1", 1, true), member("w1", 2, false)];
    Surroundings { cluster: "lab".to_owned(), chosen: nodes[0].clone(), nodes, publish }
}

fn given(words: &[(&str, &str)]) -> Vec<Given> {
    words.iter().map(|(name, value)| Given::word(name, value)).collect()
}

fn filled(stack: &Stack, words: &[(&str, &str)], publish: bool) -> Result<Compose, StackError> {
    let settings = Settings::resolve(&stack.manifest, &given(words))?;
    stack.fill(&StackName::parse("x")?, &settings, &lab(publish))
}

fn document(compose: &Compose) -> Json {
    serde_json::from_str(&compose.text()).unwrap()
}

fn config(compose: &Compose, key: &str) -> String {
    let start = format!("x_{key}-");
    let found = compose.configs.iter().find(|c| c.name.starts_with(&start)).unwrap();
    String::from_utf8(found.content.clone()).unwrap()
}

/// All values that could matter of each parameter.
fn ways(kind: &Kind) -> Vec<String> {
    match kind {
        Kind::Boolean => vec!["true".to_owned(), "false".to_owned()],
        Kind::Choice { choices } => choices.clone(),
        _ => Vec::new(),
    }
}

/// Every combination of what chooses.
pub(super) fn combinations(manifest: &Manifest) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::new()];
    for (name, parameter) in &manifest.parameters {
        let ways = ways(&parameter.kind);
        if !ways.is_empty() {
            let with = |one: &Vec<(String, String)>, way: &String| {
                one.iter().cloned().chain([(name.clone(), way.clone())]).collect()
            };
            all = all
                .iter()
                .flat_map(|one| ways.iter().map(|way| with(one, way)).collect::<Vec<_>>())
                .collect();
        }
    }
    all
}

#[test]
fn every_stack_is_whole_in_every_combination() {
    for name in built_in_names() {
        let stack = Stack::find(name).unwrap();
        for combination in combinations(&stack.manifest) {
            let words: Vec<_> = combination.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let compose = filled(&stack, &words, false).unwrap_or_else(|e| panic!("{name} {words:?}: {e}"));
            let text = compose.text();
            assert!(!text.contains("${{") && !text.contains("#%"), "{name} {words:?}: {text}");
            assert!(compose.ports().is_empty(), "{name} {words:?} opens a port that nobody asked for");
            refers_to_what_is_there(name, &document(&compose));
        }
    }
}

/// What services name must be declared, and what is declared must be used.
fn refers_to_what_is_there(name: &str, document: &Json) {
    for kind in ["configs", "secrets", "networks", "volumes"] {
        let declared: Vec<&str> =
            document[kind].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let mut used = Vec::new();
        for service in document["services"].as_object().unwrap().values() {
            for entry in service[kind].as_array().into_iter().flatten() {
                let word = entry["source"].as_str().or(entry.as_str()).unwrap_or_default();
                used.push(word.split(':').next().unwrap_or_default());
            }
        }
        used.retain(|word| !word.starts_with('/'));
        for word in &used {
            assert!(declared.contains(word), "{name}: {kind} {word} is not declared");
        }
        for word in declared {
            assert!(used.contains(&word), "{name}: {kind} {word} is not used");
        }
    }
}

#[test]
fn monitoring_asks_engines_where_they_are() {
    let stack = Stack::find("monitoring").unwrap();
    let dns = filled(&stack, &[], false).unwrap();
    assert_eq!(
        config(&dns, "engines").lines().skip(1).collect::<Vec<_>>(),
        ["id1 10.0.0.1:9323", "id2 10.0.0.2:9323"]
    );
    assert!(config(&dns, "prometheus").contains("names: [tasks.docker-exporter]"));
    assert!(
        config(&dns, "rules").contains("{{ $labels.instance }}"),
        "Prometheus' own braces are left alone"
    );
    assert!(
        !config(&dns, "rules").contains("QuorumAtRisk"),
        "one manager cannot lose its majority by degrees"
    );
    let swarm = filled(&stack, &[("discovery", "swarm")], false).unwrap();
    assert!(!swarm.service_names().any(|s| s == "docker-exporter"));
    let prometheus = &document(&swarm)["services"]["prometheus"];
    assert_eq!(prometheus["user"], "0:0");
    assert_eq!(prometheus["deploy"]["placement"]["constraints"][0], "node.id == id1");
    let options = stack.engine_options(
        &StackName::parse("x").unwrap(),
        &Settings::resolve(&stack.manifest, &[]).unwrap(),
        &lab(false),
        &member("w1", 2, false),
    );
    assert_eq!(options.unwrap(), ["metrics-addr=10.0.0.2:9323"]);
}

#[test]
fn pages_are_opened_only_when_that_is_said() {
    let stack = Stack::find("monitoring").unwrap();
    let open = filled(&stack, &[("grafana_port", "8000")], true).unwrap();
    let ports = open.ports();
    assert_eq!(ports.len(), 1, "Prometheus has no password, and stays closed: {ports:?}");
    assert_eq!((ports[0].service.as_str(), ports[0].number, ports[0].host), ("grafana", 8000, false));
    let here = filled(&stack, &[("endpoint_mode", "dnsrr")], true).unwrap();
    assert!(here.ports()[0].host, "without IPVS a port is a node's own");
    assert_eq!(document(&here)["services"]["grafana"]["deploy"]["endpoint_mode"], "dnsrr");
    let labels = &document(&open)["services"]["prometheus"]["deploy"]["labels"];
    assert_eq!(labels[format!("{PAGE}prometheus")], "1 9090 /");
    let syslog = Stack::find("logging-syslog").unwrap();
    assert!(filled(&syslog, &[], true).unwrap_err().message.contains("no page"));
    let elk = Stack::find("logging-elk").unwrap();
    let host = |publish| {
        document(&filled(&elk, &[], publish).unwrap())["services"]["kibana"]["environment"]["SERVER_HOST"]
            .clone()
    };
    assert_eq!((host(false), host(true)), ("127.0.0.1".into(), "0.0.0.0".into()));
}

#[test]
fn what_listens_on_a_node_is_known() {
    let syslog = Stack::find("logging-syslog").unwrap();
    let compose = filled(&syslog, &[("port", "514")], false).unwrap();
    assert_eq!(compose.listens, [Listen { port: 514, everywhere: false }]);
    assert_eq!(document(&compose)["services"]["rsyslog"]["deploy"]["labels"][LISTENS], "514");
    assert!(config(&compose, "rsyslog").contains(r#"address="10.0.0.1" port="514""#));
    assert_eq!(document(&compose)["services"]["rsyslog"]["logging"]["driver"], "json-file");
}

#[test]
fn wrong_settings_are_told_with_what_was_meant() {
    let stack = Stack::find("monitoring").unwrap();
    for (name, value, words) in [
        ("discovry", "dns", "no parameter \"discovry\"; did you mean discovery?"),
        ("discovery", "swam", "takes dns or swarm, not \"swam\"; did you mean swarm?"),
        ("interval", "15", "interval takes a duration like 15s, not \"15\""),
        ("interval", "0s", "not \"0s\""),
        ("certificate_days", "many", "takes 1 to 365, not \"many\""),
        ("certificate_days", "400", "takes 1 to 365"),
        ("grafana", "yes", "takes true or false"),
        ("grafana_port", "70000", "takes a port"),
        ("grafana_password", "hunter2", "is a secret"),
        ("image.promteus", "x", "no image \"promteus\"; did you mean prometheus?"),
        ("image.prometheus", "-x", "the name of an image"),
        ("engines", "maybe", "takes true, check or false"),
        ("endpoint_mode", "vipp", "did you mean vip?"),
    ] {
        let error = Settings::resolve(&stack.manifest, &given(&[(name, value)])).unwrap_err();
        assert!(error.message.contains(words), "{name}={value}: {}", error.message);
    }
    let routing = Stack::find("routing").unwrap();
    assert!(Settings::resolve(&routing.manifest, &given(&[("engines", "true")])).is_err());
    let file = Given { name: "interval".into(), value: GivenValue::File(SecretString::from("15s")) };
    assert!(Settings::resolve(&stack.manifest, &[file]).unwrap_err().message.contains("no secret"));
    assert!(Stack::find("monitorin").unwrap_err().message.contains("did you mean monitoring?"));
    assert!(StackName::parse("My Stack").is_err() && StackName::parse("").is_err());
}

#[test]
fn secrets_are_generated_or_given_and_never_in_the_file() {
    let stack = Stack::find("monitoring").unwrap();
    let compose = filled(&stack, &[], false).unwrap();
    assert!(
        matches!(&compose.secrets[..], [Secret { key, source: SecretSource::Generated }] if key == "grafana_password")
    );
    let secret =
        Given { name: "grafana_password".into(), value: GivenValue::File(SecretString::from("hunter2")) };
    let settings = Settings::resolve(&stack.manifest, &[secret]).unwrap();
    let mut compose = stack.fill(&StackName::parse("x").unwrap(), &settings, &lab(false)).unwrap();
    let SecretSource::Content(content) = compose.secrets[0].source.clone() else { panic!("it was given") };
    let name = compose.secret_name("grafana_password", &content);
    compose.name_secret("grafana_password", &name);
    assert!(!compose.text().contains("hunter2") && compose.text().contains(&name), "{}", compose.text());
    assert!(!format!("{compose:?}").contains("hunter2"));
    let without = filled(&stack, &[("grafana", "false")], false).unwrap();
    assert!(without.secrets.is_empty());
}

#[test]
fn what_a_stack_needs_of_the_nodes_kernels() {
    let needs = |name: &str, words: &[(&str, &str)], publish| {
        filled(&Stack::find(name).unwrap(), words, publish).unwrap().needs_addresses()
    };
    assert!(needs("monitoring", &[], false), "Prometheus finds others by name");
    assert!(!needs("monitoring", &[("endpoint_mode", "dnsrr")], true));
    assert!(!needs("visualizer", &[], false), "one service looks for nobody");
    assert!(needs("visualizer", &[], true), "a published port leads to an address");
    assert!(!needs("logging-syslog", &[], false), "nodes' own networks have no such thing");
    let registry = filled(&Stack::find("registry").unwrap(), &[], false).unwrap();
    assert_eq!(registry.listens, [Listen { port: 5000, everywhere: true }], "each node has a relay");
}

#[test]
fn names_that_belong_to_a_stack() {
    let compose = filled(&Stack::find("monitoring").unwrap(), &[], false).unwrap();
    assert!(compose.has("service", "prometheus") && compose.has("network", "monitoring"));
    assert!(!compose.has("service", "grafanas") && !compose.has("network", "host"));
    let syslog = filled(&Stack::find("logging-syslog").unwrap(), &[], false).unwrap();
    assert!(!syslog.has("network", "host"), "an external one is not its own");
    let (m1, w1) = (member("m1", 1, true), member("w1", 2, false));
    assert!(compose.may_run_on("prometheus", &m1) && !compose.may_run_on("prometheus", &w1));
    assert!(compose.may_run_on("node-exporter", &w1));
    let visualizer = filled(&Stack::find("visualizer").unwrap(), &[], false).unwrap();
    assert!(visualizer.may_run_on("visualizer", &m1) && !visualizer.may_run_on("visualizer", &w1));
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Self(dir)
    }

    fn stack(&self) -> Result<Stack, StackError> {
        Stack::find(&format!("{}/", self.0.path().display()))
    }

    fn fails(compose: &str) -> String {
        let folder = Self::new(&[("compose.yml", compose)]);
        folder.stack().and_then(|s| filled(&s, &[], false)).unwrap_err().message
    }
}

#[test]
fn an_edited_file_is_another_config() {
    let folder = Folder::new(&[
        ("compose.yml", "services: {a: {image: i, configs: [c]}}\nconfigs: {c: {file: ./c.conf}}\n"),
        ("c.conf", "costs ${{ not ours }} $5\n"),
    ]);
    let name = || filled(&folder.stack().unwrap(), &[], false).unwrap().configs[0].clone();
    let before = name();
    assert_eq!(before.content, b"costs ${{ not ours }} $5\n", "without a stack.toml nothing is filled in");
    assert_eq!(before, name());
    std::fs::write(folder.0.path().join("c.conf"), "other\n").unwrap();
    assert_ne!(before.name, name().name);
    assert!(name().name.len() <= 64);
}

#[test]
fn values_never_become_more_than_values() {
    let folder = Folder::new(&[
        (
            "compose.yml",
            "services:\n  a:\n    image: i\n    command: [\"${{ word }}\", \"-x=${{ word }}\", \"${{ number }}\"]\n    configs: [c]\nconfigs: {c: {file: c.conf}}\n",
        ),
        ("c.conf", "say ${{ number }}\n"),
        (
            "stack.toml",
            "[parameters.word]\ntype='string'\ndefault=''\nhelp='h'\n[parameters.number]\ntype='integer'\ndefault=3\nhelp='h'\n",
        ),
    ]);
    let stack = folder.stack().unwrap();
    let evil = "a\": [b], $HOME ${{ x }}";
    let compose = filled(&stack, &[("word", evil)], false).unwrap();
    let command = &document(&compose)["services"]["a"]["command"];
    let escaped = evil.replace('$', "$$");
    assert_eq!(
        command,
        &serde_json::json!([escaped, format!("-x={escaped}"), 3]),
        "compose would fill in single dollars"
    );
    assert_eq!(config(&compose, "c"), "say 3\n");
    std::fs::write(folder.0.path().join("c.conf"), "say ${{ word }}\n").unwrap();
    let error = filled(&stack, &[("word", "a;b")], false).unwrap_err().message;
    assert!(error.contains("c.conf, line 1") && error.contains("\"a;b\""), "{error}");
    std::fs::write(folder.0.path().join("c.conf"), "\nsay ${{ wrod }}\n").unwrap();
    assert!(filled(&stack, &[], false).unwrap_err().message.contains("c.conf, line 2"));
}

#[test]
fn what_a_swarm_cannot_have_is_told() {
    for (compose, words) in [
        ("services: {a: {build: .}}", "does not build"),
        ("services: {a: {}}", "the service a: it has no image"),
        ("services: {}", "no services"),
        ("[1]", "no mapping"),
        ("services: {a: {image: i, env_file: .env}}", "env_file"),
        ("services: {a: {image: i, volumes: ['./x:/x']}}", "\"./x\" is not on the nodes"),
        ("services: {a: {image: i, configs: [c]}}\nconfigs: {c: {file: ./none}}", "none cannot be read"),
        ("services: {a: {image: i\n", "compose.yml:"),
    ] {
        let said = Folder::fails(compose);
        assert!(said.contains(words), "{compose}: {said}");
    }
    assert!(Folder::new(&[]).stack().unwrap_err().message.contains("no compose.yml"));
    let typo = Folder::new(&[("compose.yml", "services: {a: {image: i}}"), ("stack.toml", "titel = 'x'\n")]);
    let said = typo.stack().unwrap_err().message;
    assert!(said.contains("line 1") && said.contains("titel"), "{said}");
}

#[test]
fn anchors_and_ports_of_plain_compose_files() {
    let folder = Folder::new(&[(
        "compose.yml",
        "x-a: &a {image: i, deploy: {labels: [k=v]}}\nservices:\n  a:\n    <<: *a\n    ports: ['8080:80', '53:53/udp', 9000, '7000-7001:7000-7001']\n  b:\n    <<: *a\n    ports: [{target: 80, published: 81, mode: host}]\n",
    )]);
    let compose = filled(&folder.stack().unwrap(), &[], false).unwrap();
    let mut ports: Vec<_> =
        compose.ports().iter().map(|p| format!("{}/{} {}", p.number, p.protocol, p.host)).collect();
    ports.sort();
    assert_eq!(ports, ["53/udp false", "7000/tcp false", "7001/tcp false", "8080/tcp false", "81/tcp true"]);
    let by_dns = filled(&folder.stack().unwrap(), &[("endpoint_mode", "dnsrr")], false).unwrap();
    let ports = document(&by_dns)["services"]["a"]["ports"].clone();
    let long = |target: u16, published: u16, protocol: &str| serde_json::json!({"target": target, "published": published, "protocol": protocol, "mode": "host"});
    assert_eq!(ports[0], long(80, 8080, "tcp"));
    assert_eq!(ports[1], long(53, 53, "udp"));
    assert_eq!(ports[2], 9000, "what is published nowhere stays");
    assert_eq!([&ports[3], &ports[4]], [&long(7000, 7000, "tcp"), &long(7001, 7001, "tcp")]);
    let labels = document(&compose)["services"]["a"]["deploy"]["labels"].clone();
    assert_eq!(labels[0], "k=v");
    assert!(labels[1].as_str().unwrap().starts_with("rmachine.stack="));
}
