//! `ip`, `url` and `status`, and that commands which only read change nothing in the store.

use insta::assert_snapshot;

use super::harness::Sandbox;

#[test]
fn ip_url_and_status_print_one_line() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    assert_snapshot!(lab.run("ip x"), @r"
    exit 0
    --- stdout
    127.0.0.1:2376
    ");
    assert_snapshot!(lab.run("url x"), @r"
    exit 0
    --- stdout
    tcp://127.0.0.1:2376
    ");
    assert_snapshot!(lab.run("status x"), @r"
    exit 0
    --- stdout
    Running
    ");
}

#[test]
fn ip_prints_one_line_for_each_machine() {
    let lab = Sandbox::new();
    lab.plant("a", "v3-none.json");
    lab.plant("b", "v3-generic.json");
    assert_eq!(lab.ok("ip a b"), "127.0.0.1:2376\n10.0.0.5\n");
}

#[test]
fn commands_without_a_name_use_the_machine_default() {
    let lab = Sandbox::new();
    lab.plant("default", "v3-none.json");
    assert_eq!(lab.ok("ip"), "127.0.0.1:2376\n");
    assert_eq!(lab.ok("url"), "tcp://127.0.0.1:2376\n");
    assert_eq!(lab.ok("status"), "Running\n");
    assert_eq!(lab.ok("inspect -f {{.Name}}"), "default\n");
    assert!(lab.ok("env").contains("export DOCKER_MACHINE_NAME=\"default\"\n"));
}

/// Reading writes nothing: no lock, no migration, no touch of a file.
#[test]
fn read_only_commands_change_no_file() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    lab.plant("old", "v1.json");
    let before = (lab.tree(), lab.read("S/machines/x/config.json"), lab.read("S/machines/old/config.json"));
    for words in ["ls", "ls -q", "ip x", "url x", "status x", "inspect x", "inspect old", "env x", "active"] {
        lab.run(words);
    }
    let after = (lab.tree(), lab.read("S/machines/x/config.json"), lab.read("S/machines/old/config.json"));
    assert_eq!(before, after);
}

#[test]
fn read_only_commands_do_not_create_the_store() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("ls"), @r"
    exit 0
    --- stdout
    NAME   ACTIVE   DRIVER   STATE   URL   SWARM   DOCKER   ERRORS
    ");
    assert_snapshot!(lab.run("ls -q"), @"exit 0");
    lab.run("ip x");
    lab.run("rm -y x");
    lab.run("stop x");
    assert!(!lab.store().exists());
}
