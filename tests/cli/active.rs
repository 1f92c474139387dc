//! `active`, and the marks of `ls`: which machine $DOCKER_HOST points to.

use insta::assert_snapshot;

use super::fake_engine::Port;
use super::harness::Sandbox;

fn lab() -> Sandbox {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    let text = lab.read("S/machines/x/config.json").replace("127.0.0.1:2376", "127.0.0.1:1");
    lab.write("S/machines/y/config.json", &text);
    lab
}

#[test]
fn active_prints_the_machine_that_docker_host_names() {
    let lab = lab();
    let with = |words: &str| lab.call(words).env("DOCKER_HOST", "tcp://127.0.0.1:1").run();
    assert_snapshot!(with("active"), @r"
    exit 0
    --- stdout
    y
    ");
    assert_snapshot!(with("ls -f '{{.Name}} {{.Active}} {{.ActiveHost}} {{.ActiveSwarm}}'"), @r"
    exit 0
    --- stdout
    x - false false
    y * true false
    ");
}

/// Of several, the first of the list.
#[test]
fn active_prints_the_first_of_two_machines_with_one_url() {
    let lab = Sandbox::new();
    lab.plant("node10", "v3-none.json");
    lab.plant("node9", "v3-none.json");
    assert_eq!(lab.call("active").env("DOCKER_HOST", "tcp://127.0.0.1:2376").run().stdout, "node9\n");
}

#[test]
fn active_fails_without_docker_host() {
    let lab = lab();
    assert_snapshot!(lab.run("active"), @r"
    exit 1
    --- stderr
    No active host found
    ");
    assert_snapshot!(lab.call("active").env("DOCKER_HOST", "tcp://127.0.0.1:9").run(), @r"
    exit 1
    --- stderr
    No active host found
    ");
    assert_snapshot!(lab.run("ls -f '{{.Name}} {{.Active}}'"), @r"
    exit 0
    --- stdout
    x -
    y -
    ");
    assert_eq!(Sandbox::new().run("active").stderr, "No active host found\n");
}

#[test]
fn active_reports_a_timeout_of_a_silent_engine() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} x", port.url()));
    assert_snapshot!(lab.call("active -t 0").env("DOCKER_HOST", &port.url()).run(), @r"
    exit 1
    --- stderr
    Error getting active host: timeout
    ");
}
