//! `ls`: rows, order, filters and formats, and engines that answer, refuse or stay silent.

use std::time::{Duration, Instant};

use insta::assert_snapshot;

use super::fake_engine::{Answer, Port, VERSION};
use super::harness::{Outcome, Sandbox};

/// A port on which nobody listens.
fn closed() -> String {
    Port::open().url()
}

fn lab(names: &[&str]) -> Sandbox {
    let lab = Sandbox::new();
    names.iter().for_each(|name| lab.plant(name, "v3-none.json"));
    lab
}

/// Changes a planted config.json by replacing text.
fn change(lab: &Sandbox, name: &str, from: &str, to: &str) {
    let path = format!("S/machines/{name}/config.json");
    let text = std::fs::read_to_string(lab.path(&path)).unwrap();
    assert!(text.contains(from), "{from} is not in {name}");
    lab.write(&path, &text.replace(from, to));
}

#[test]
fn rows_are_in_natural_order_and_quiet_names_in_byte_order() {
    let lab = lab(&["z-a", "node10", "node9", "node09", "Node2", "a", "1b", "z.a"]);
    assert_eq!(lab.ok("ls -f {{.Name}}"), "1b\na\nNode2\nnode09\nnode9\nnode10\nz-a\nz.a\n");
    assert_eq!(lab.ok("ls -q"), "1b\nNode2\na\nnode09\nnode10\nnode9\nz-a\nz.a\n");
}

#[test]
fn names_that_differ_only_in_case_are_two_machines() {
    let lab = lab(&["a", "A"]);
    assert_eq!(lab.ok("ls -f {{.Name}}"), "A\na\n");
}

#[test]
fn ls_ignores_hidden_folders_and_files() {
    let lab = lab(&["a"]);
    lab.write("S/machines/.b.new/config.json", "{}");
    lab.write("S/machines/.a.lock", "");
    lab.write("S/machines/file", "");
    assert_eq!(lab.ok("ls -q"), "a\n");
    assert_eq!(lab.ok("ls -f {{.Name}}"), "a\n");
}

#[test]
fn ls_prints_docker_machine_table() {
    let lab = Sandbox::new();
    let (up, down) = (Port::open(), closed());
    lab.ok(&format!("create -d none --url {} up", up.url()));
    lab.ok(&format!("create -d none --url {down} down-for-long"));
    let url = up.url();
    up.serve(&lab, VERSION);
    lab.write("S/machines/broken/config.json", "{ nonsense");
    lab.plant_stranger("default");
    let table = lab.call("ls").env("DOCKER_HOST", &url).run();
    assert_snapshot!(ports(table, &[&url, &down]), @r"
    exit 0
    --- stdout
    NAME            ACTIVE   DRIVER      STATE     URL                     SWARM   DOCKER    ERRORS
    broken                   not found   Error                                               Error getting migrated host: key must be a string at line 1 column 3
    default         -        not-found   Error                                     Unknown   ⏎
    down-for-long   -        none        Running   tcp://127.0.0.1:00002           Unknown   Unable to query docker version: Cannot connect to the docker engine endpoint
    up              *        none        Running   tcp://127.0.0.1:00001           v26.1.5   ⏎
    ");
}

/// Ports of the moment, replaced by ones of the same width so that columns keep theirs.
fn ports(outcome: Outcome, urls: &[&str]) -> Outcome {
    urls.iter().enumerate().fold(outcome, |outcome, (n, url)| {
        let port = url.rsplit(':').next().unwrap();
        let stand_in = format!("{:0width$}", n + 1, width = port.len());
        outcome.with(format!(":{port}"), &format!(":{stand_in}"))
    })
}

#[test]
fn ls_shows_broken_machines_with_the_error() {
    let lab = lab(&["good"]);
    change(&lab, "good", "tcp://127.0.0.1:2376", &closed());
    lab.write("S/machines/half/config.json", "{\"ConfigVersion\": 3");
    lab.write("S/machines/none/other.txt", "");
    lab.plant("future", "v3-none.json");
    change(&lab, "future", "\"ConfigVersion\": 3", "\"ConfigVersion\": 4");
    lab.plant("ours", "v3-none.json");
    lab.write("S/machines/ours/rmachine.json", "{\"Version\": 1}");
    lab.plant("newer", "v3-none.json");
    lab.write("S/machines/newer/rmachine.json", "{\"Version\": 9}");
    assert_snapshot!(lab.run("ls -f '{{.Name}} | {{.DriverName}} | {{.State}} | {{.DockerVersion}} | {{.Error}}'"), @r"
    exit 0
    --- stdout
    future | not found | Error |  | Error getting migrated host: config version is from the future -- you should upgrade your Docker Machine client
    good | none | Running | Unknown | Unable to query docker version: open /S/certs/ca.pem: no such file or directory
    half | not found | Error |  | Error getting migrated host: EOF while parsing an object at line 1 column 19
    newer | not found | Error |  | /S/machines/newer/rmachine.json has version 9: a newer rmachine wrote it, upgrade this one
    none | not found | Error |  | open /S/machines/none/config.json: no such file or directory
    ours | not found | Error |  | /S/machines/ours/rmachine.json is damaged: missing field `Uuid`
    ");
    assert_eq!(lab.ok("ls -q --filter driver=none"), "good\n");
}

/// Clients give this field to their scripts.
#[test]
fn format_supports_every_docker_machine_field() {
    let lab = lab(&["x"]);
    change(&lab, "x", "tcp://127.0.0.1:2376", &closed());
    let fields = "{{.Name}},{{.Active}},{{.ActiveHost}},{{.ActiveSwarm}},{{.DriverName}},{{.State}},{{.Swarm}},\
                  {{.Error}},{{.DockerVersion}},{{.SwarmOptions.Image}},{{.EngineOptions.InstallURL}}";
    assert_snapshot!(lab.run(&format!("ls -f '{fields}'")), @r"
    exit 0
    --- stdout
    x,-,false,false,none,Running,,Unable to query docker version: open /S/certs/ca.pem: no such file or directory,Unknown,swarm:latest,https://get.docker.com
    ");
    let took = lab.ok("ls -f '{{ .ResponseTime | printf \"%d\" }}'");
    assert!(took.trim().parse::<u64>().is_ok(), "{took}");
    assert_eq!(lab.ok("ls -f '{{printf \"%d\" .State}}'"), "1\n");
}

#[test]
fn response_time_is_a_go_duration() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} x", port.url()));
    let took = lab.ok("ls -t 1 -f {{.ResponseTime}}");
    let seconds = took.strip_suffix("s\n").and_then(|number| number.parse::<f64>().ok());
    assert!(
        seconds.is_some_and(|seconds| (1.0..10.0).contains(&seconds)),
        "{took:?} is not a second or more"
    );
}

#[test]
fn format_refuses_an_unknown_field() {
    let lab = lab(&["x"]);
    change(&lab, "x", "tcp://127.0.0.1:2376", &closed());
    assert_snapshot!(lab.run("ls -f {{.Nope}}"), @r#"
    exit 1
    --- stderr
    template: :1:2: executing "" at <.Nope>: can't evaluate field Nope in type commands.HostListItem
    "#);
    assert_snapshot!(lab.run("ls -f '{{.Name'"), @r"
    exit 1
    --- stderr
    template parsing error: template: :1: unclosed action
    ");
}

/// GitLab's documentation gives this field; it works because -q comes first.
#[test]
fn quiet_ignores_the_format() {
    let lab = lab(&["x"]);
    assert_eq!(lab.ok("ls -q --filter state=Running --format {{.NAME}}"), "x\n");
    assert_eq!(lab.ok("ls -q --filter state=Error --format {{.NAME}}"), "");
}

#[test]
fn table_format_prints_headers() {
    let lab = lab(&["x", "longer-name"]);
    change(&lab, "x", "tcp://127.0.0.1:2376", &closed());
    change(&lab, "longer-name", "tcp://127.0.0.1:2376", &closed());
    assert_snapshot!(lab.run(r"ls -f 'table {{.Name}}\t{{.DriverName}}\t{{.State}}'"), @r"
    exit 0
    --- stdout
    NAME          DRIVER   STATE
    longer-name   none     Running
    x             none     Running
    ");
    assert_snapshot!(lab.run(r"ls -f 'table{{.Name}}\t{{.Swarm}}|{{.Active}}'"), @r"
    exit 0
    --- stdout
    NAME          SWARM|ACTIVE
    longer-name   |-
    x             |-
    ");
    assert_snapshot!(lab.run(r"ls -f '{{.Name}}\t{{.State}}'"), @r"
    exit 0
    --- stdout
    longer-name	Running
    x	Running
    ");
}

/// Rancher's `ls -f {{.State}} NAME` means that one machine.
#[test]
fn ls_lists_only_the_named_machines() {
    let lab = lab(&["a", "b", "c"]);
    assert_eq!(lab.ok("ls -f {{.State}} b"), "Running\n");
    assert_eq!(lab.ok("ls -q c a"), "a\nc\n");
    assert_eq!(lab.ok("ls b -f {{.Name}} --filter driver=none"), "b\n");
    assert_snapshot!(lab.run("ls -q nosuch"), @r#"
    exit 1
    --- stderr
    Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
}

#[test]
fn json_format_prints_one_object_for_each_machine() {
    let lab = lab(&["x"]);
    lab.write("S/machines/broken/config.json", "{");
    change(&lab, "x", "tcp://127.0.0.1:2376", &closed());
    let rows: serde_json::Value = serde_json::from_str(&lab.ok("ls --output json")).unwrap();
    let text = |row: usize, field: &str| rows[row][field].as_str().unwrap().to_owned();
    assert_eq!((text(0, "Name"), text(0, "State")), ("broken".to_owned(), "Error".to_owned()));
    assert_eq!((text(1, "Name"), text(1, "Phase")), ("x".to_owned(), "ready".to_owned()));
    assert!(rows[1]["ResponseTime"].is_u64() && rows[1]["ActiveHost"].is_boolean(), "{rows}");
    assert_eq!(rows[1]["SwarmOptions"]["Image"], "swarm:latest");
    assert_eq!(serde_json::from_str::<Vec<String>>(&lab.ok("ls -q --output=json")).unwrap(), ["broken", "x"]);
    assert_eq!(Sandbox::new().ok("ls --output json"), "[]\n");
    assert_eq!(lab.run("ls --output json -f x").code, Some(2));
}

#[test]
fn format_supports_json_functions() {
    let lab = lab(&["x"]);
    assert_eq!(lab.ok("ls -f '{{json .EngineOptions.Labels}} {{json .Name}}'"), "[] \"x\"\n");
}

/// Go would say `<nil>`.
#[test]
fn format_prints_no_options_of_a_broken_machine() {
    let lab = lab(&[]);
    lab.write("S/machines/broken/config.json", "{");
    assert_eq!(
        lab.ok("ls -f '{{.SwarmOptions}} {{.ResponseTime}} {{printf \"%d\" .State}}'"),
        "<no value> 0s 7\n"
    );
}

#[test]
fn filters_of_one_key_are_alternatives_and_of_two_keys_both_required() {
    let lab = lab(&["a1", "a2", "b1"]);
    lab.plant("g1", "v3-generic.json");
    change(&lab, "g1", "env=prod", "env=test");
    change(&lab, "a2", "\"Labels\": []", "\"Labels\": [\"env=Prod\", \"lonely\"]");
    for (filters, names) in [
        ("name=^a", "a1\na2\n"),
        ("name=1$", "a1\nb1\ng1\n"),
        ("NAME=b", "b1\n"),
        ("name=a1 name=b", "a1\nb1\n"),
        ("name=1 driver=NONE", "a1\nb1\n"),
        ("driver=generic", "g1\n"),
        ("driver=generic driver=none name=2", "a2\n"),
        ("label=env=prod", "a2\n"),
        ("label=ENV=prod", ""),
        ("label=lonely=", ""),
        ("swarm=nobody", ""),
        ("name=nothing", ""),
    ] {
        let words: String = filters.split(' ').map(|f| format!(" --filter '{f}'")).collect();
        assert_eq!(lab.ok(&format!("ls -q{words}")), names, "{filters}");
    }
}

#[test]
fn ls_refuses_invalid_filters() {
    let lab = lab(&["a"]);
    assert_snapshot!(lab.run("ls --filter foo"), @r"
    exit 1
    --- stderr
    Unsupported filter syntax
    ");
    assert_snapshot!(lab.run("ls --filter foo=x"), @r"
    exit 1
    --- stderr
    Unsupported filter key 'foo'
    ");
    assert_snapshot!(lab.run("ls --filter label=k"), @r"
    exit 1
    --- stderr
    Unsupported filter syntax
    ");
    assert_snapshot!(lab.run("ls --filter 'name=[a'"), @r"
    exit 1
    --- stderr
    error parsing regexp: missing closing ]: `[a`
    ");
    assert_eq!(Sandbox::new().run("ls --filter 'name=[a'").code, Some(1), "on an empty store too");
}

#[test]
fn ls_names_a_swarm_by_its_master() {
    let lab = lab(&["sm", "sn", "other"]);
    let discovery = "\"Discovery\": \"token://abc\"";
    change(&lab, "sm", "\"Discovery\": \"\"", discovery);
    change(&lab, "sm", "\"Master\": false", "\"Master\": true");
    change(&lab, "sn", "\"Discovery\": \"\"", discovery);
    for name in ["sm", "sn", "other"] {
        change(&lab, name, "tcp://127.0.0.1:2376", &closed());
    }
    assert_snapshot!(lab.run("ls -f '{{.Name}}|{{.Swarm}}'"), @r"
    exit 0
    --- stdout
    other|
    sm|sm (master)
    sn|sm
    ");
    assert_eq!(lab.ok("ls -q --filter swarm=SM"), "sm\nsn\n");
}

#[test]
fn ls_marks_a_swarm_master_active_by_its_swarm_port() {
    let lab = lab(&["sm"]);
    change(&lab, "sm", "\"Discovery\": \"\"", "\"Discovery\": \"token://abc\"");
    change(&lab, "sm", "\"Master\": false", "\"Master\": true");
    let said = lab
        .call("ls -f '{{.Active}}|{{.ActiveHost}}|{{.ActiveSwarm}}'")
        .env("DOCKER_HOST", "tcp://127.0.0.1:3376")
        .run();
    assert_eq!(said.stdout, "* (swarm)|false|true\n");
}

#[test]
fn ls_shows_the_error_of_an_engine_that_refuses_the_request() {
    let lab = Sandbox::new();
    let port = Port::open();
    let url = port.url();
    lab.ok(&format!("create -d none --url {url} x"));
    let refusal = r#"{"message":"client version 1.15 is too old. Minimum supported API version is 1.24"}"#;
    port.serve(&lab, Answer::Http("400 Bad Request", refusal));
    assert_snapshot!(ports(lab.run("ls"), &[&url]), @r"
    exit 0
    --- stdout
    NAME   ACTIVE   DRIVER   STATE     URL                     SWARM   DOCKER    ERRORS
    x      -        none     Running   tcp://127.0.0.1:00001           Unknown   Unable to query docker version: client version 1.15 is too old. Minimum supported API version is 1.24 (HTTP 400 for /version)
    ");
}

#[test]
fn ls_shows_the_error_of_an_engine_of_another_ca() {
    let lab = Sandbox::new();
    let port = Port::open();
    let url = port.url();
    lab.ok(&format!("create -d none --url {url} x"));
    let other = rmachine::pki::new_ca("somebody", jiff::Timestamp::now()).unwrap();
    port.serve_with(&other, &lab.read("S/certs/ca.pem"), VERSION);
    assert_snapshot!(ports(lab.run("ls"), &[&url]), @r"
    exit 0
    --- stdout
    NAME   ACTIVE   DRIVER   STATE     URL                     SWARM   DOCKER    ERRORS
    x      -        none     Running   tcp://127.0.0.1:00001           Unknown   Unable to query docker version: x509: certificate signed by unknown authority
    ");
}

#[test]
fn ls_shows_the_error_of_an_engine_that_rejects_the_client_certificate() {
    let lab = Sandbox::new();
    let port = Port::open();
    let url = port.url();
    lab.ok(&format!("create -d none --url {url} x"));
    let ca =
        rmachine::pki::Pair { cert: lab.read("S/certs/ca.pem"), key: lab.read("S/certs/ca-key.pem").into() };
    let other = rmachine::pki::new_ca("somebody", jiff::Timestamp::now()).unwrap();
    port.serve_with(&ca, &other.cert, VERSION);
    assert_snapshot!(ports(lab.run("ls"), &[&url]), @r"
    exit 0
    --- stdout
    NAME   ACTIVE   DRIVER   STATE     URL                     SWARM   DOCKER    ERRORS
    x      -        none     Running   tcp://127.0.0.1:00001           Unknown   Unable to query docker version: remote error: tls: unknown certificate authority
    ");
}

#[test]
fn ls_shows_the_error_of_a_server_that_is_no_engine() {
    let lab = Sandbox::new();
    let port = Port::open();
    let url = port.url();
    lab.ok(&format!("create -d none --url {url} x"));
    port.serve(&lab, Answer::Http("200 OK", "<html>hello</html>"));
    assert_snapshot!(ports(lab.run("ls"), &[&url]), @r"
    exit 0
    --- stdout
    NAME   ACTIVE   DRIVER   STATE     URL                     SWARM   DOCKER    ERRORS
    x      -        none     Running   tcp://127.0.0.1:00001           Unknown   Unable to query docker version: /version: the engine's answer is no JSON of the expected form: expected value at line 1 column 1
    ");
}

/// Silent before the TLS handshake, silent after the request: the row says so when the time is over.
#[test]
fn ls_reports_a_timeout_of_a_silent_engine() {
    let lab = Sandbox::new();
    let (mute, deaf) = (Port::open(), Port::open());
    lab.ok(&format!("create -d none --url {} mute", mute.url()));
    lab.ok(&format!("create -d none --url {} deaf", deaf.url()));
    deaf.serve(&lab, Answer::Nothing);
    let began = Instant::now();
    let table = lab.run("ls -t 1");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_snapshot!(table, @r"
    exit 0
    --- stdout
    NAME   ACTIVE   DRIVER   STATE     URL   SWARM   DOCKER   ERRORS
    deaf            none     Timeout                          ⏎
    mute            none     Timeout                          ⏎
    ");
    assert_eq!(lab.ok("ls -t 1 -f '{{.State}} {{.ResponseTime}}'"), "Timeout 1s\nTimeout 1s\n");
}

#[test]
fn ls_with_timeout_zero_reports_a_timeout() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} x", port.url()));
    assert_eq!(lab.ok("ls -t 0 -f {{.State}}"), "Timeout\n");
}

#[test]
fn ls_queries_all_machines_in_parallel() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} m0", port.url()));
    let text = std::fs::read_to_string(lab.machine("m0").join("config.json")).unwrap();
    for n in 1..200 {
        lab.write(&format!("S/machines/m{n}/config.json"), &text);
    }
    let began = Instant::now();
    let states = lab.ok("ls -t 2 -f {{.State}}");
    // One after the other they would take 400 s. How close to 2 s it comes is for the bench to say, on a quiet computer.
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(states, "Timeout\n".repeat(200));
}
