//! Machines that docker-machine made: of any version of its file, of drivers that we do not have, with keys that we do
//! not know.

use insta::assert_snapshot;

use super::fake_engine::Port;
use super::harness::Sandbox;

#[test]
fn ls_and_inspect_read_every_config_version() {
    let lab = Sandbox::new();
    for version in ["v0-flat", "v0-nested", "v1", "v2"] {
        lab.plant(version, &format!("{version}.json"));
    }
    assert_eq!(lab.ok("ls -q"), "v0-flat\nv0-nested\nv1\nv2\n");
    assert_eq!(lab.ok("ip v0-flat v0-nested v1 v2"), "10.0.0.9\n".repeat(4));
    assert_snapshot!(lab.run("ls -f '{{.Name}} {{.DriverName}} {{.State}} {{.URL}} {{.DockerVersion}} {{.Error}}'"), @r"
    exit 0
    --- stdout
    v0-flat digitalocean Error  Unknown digitalocean driver requires the --digitalocean-access-token option
    v0-nested digitalocean Error  Unknown digitalocean driver requires the --digitalocean-access-token option
    v1 digitalocean Error  Unknown digitalocean driver requires the --digitalocean-access-token option
    v2 digitalocean Error  Unknown digitalocean driver requires the --digitalocean-access-token option
    ");
    for version in ["v0-flat", "v0-nested", "v1", "v2"] {
        assert_eq!(
            lab.ok(&format!("inspect -f '{{{{.ConfigVersion}}}} {{{{.Driver.StorePath}}}}' {version}")),
            "3 /S\n"
        );
        let env = lab.ok(&format!("env {version}"));
        assert!(env.contains("export DOCKER_HOST=\"tcp://10.0.0.9:2376\"\n"), "{env}");
    }
}

#[test]
fn refused_command_does_not_migrate_an_old_config() {
    let lab = Sandbox::new();
    lab.plant("x", "v2.json");
    let old = lab.read("S/machines/x/config.json").replace("\"digitalocean\"", "\"none\"");
    lab.write("S/machines/x/config.json", &old);
    lab.run("stop x");
    assert_eq!(lab.read("S/machines/x/config.json"), old);
    assert_eq!(std::fs::read_dir(lab.machine("x")).unwrap().count(), 1, "nothing was put beside it");
}

#[test]
fn ls_shows_unknown_drivers_as_not_found() {
    let lab = Sandbox::new();
    lab.plant_stranger("default");
    assert_snapshot!(lab.run("ls"), @r"
    exit 0
    --- stdout
    NAME      ACTIVE   DRIVER      STATE   URL   SWARM   DOCKER    ERRORS
    default   -        not-found   Error                 Unknown   ⏎
    ");
    assert_snapshot!(lab.run("status default"), @r#"
    exit 1
    --- stderr
    error getting state for host default: Driver "vmwarefusion" not found. Do you have the plugin binary accessible in your PATH?
    Hint: drivers that run as separate programs are not supported yet; docker-machine still reads this store
    "#);
    assert_snapshot!(lab.run("stop default"), @r#"
    exit 1
    --- stdout
    Stopping "default"...
    --- stderr
    Driver "vmwarefusion" not found. Do you have the plugin binary accessible in your PATH?
    Hint: drivers that run as separate programs are not supported yet; docker-machine still reads this store
    "#);
    assert_snapshot!(lab.run("provision default"), @r#"
    exit 1
    --- stderr
    Driver "vmwarefusion" not found. Do you have the plugin binary accessible in your PATH?
    Hint: drivers that run as separate programs are not supported yet; docker-machine still reads this store
    "#);
    assert_eq!(lab.ok("ip default"), "192.168.99.100\n");
    assert_eq!(lab.ok("url default"), "tcp://192.168.99.100:2376\n");
}

#[test]
fn unknown_config_keys_survive_a_change() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-generic.json");
    let path = lab.machine("x").join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let port = Port::open();
    let text = text
        .replace("\"EnginePort\": 2376", "\"EnginePort\": 2376,\n        \"FromTomorrow\": {\"a\": [1, 2.5]}")
        .replace("\"10.0.0.5\"", "\"127.0.0.1\"")
        .replace("\"SSHPort\": 22", &format!("\"SSHPort\": {}", port.number()));
    std::fs::write(&path, &text).unwrap();
    let outcome = lab.run("inspect -f '{{json .Driver.FromTomorrow}}' x");
    assert_eq!(outcome.stdout, "{\"a\":[1,2.5]}\n");
    lab.run("stop x");
    assert!(lab.read("S/machines/x/config.json").contains("FromTomorrow"));
}

#[test]
fn generic_driver_refuses_the_same_commands_as_docker_machine() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.plant("x", "v3-generic.json");
    let path = "S/machines/x/config.json";
    let text = std::fs::read_to_string(lab.path(path)).unwrap();
    let text = text
        .replace("\"10.0.0.5\"", "\"127.0.0.1\"")
        .replace("\"SSHPort\": 22", &format!("\"SSHPort\": {}", port.number()));
    lab.write(path, &text);
    assert_snapshot!(lab.run("status x"), @r"
    exit 0
    --- stdout
    Running
    ");
    assert_snapshot!(lab.run("start x"), @r#"
    exit 1
    --- stdout
    Starting "x"...
    --- stderr
    Machine "x" is already running.
    "#);
    assert_snapshot!(lab.run("stop x"), @r#"
    exit 1
    --- stdout
    Stopping "x"...
    --- stderr
    generic driver does not support stop
    "#);
    assert_snapshot!(lab.run("kill x"), @r#"
    exit 1
    --- stdout
    Killing "x"...
    --- stderr
    generic driver does not support kill
    "#);
    drop(port);
    assert_snapshot!(lab.run("status x"), @r"
    exit 0
    --- stdout
    Stopped
    ");
    assert_snapshot!(lab.run("start x"), @r#"
    exit 1
    --- stdout
    Starting "x"...
    --- stderr
    generic driver does not support start
    "#);
    assert_snapshot!(lab.run("stop x"), @r#"
    exit 1
    --- stdout
    Stopping "x"...
    --- stderr
    Machine "x" is already stopped.
    "#);
}

/// Several machines are loaded before anything is done to one.
#[test]
fn commands_change_no_machine_when_one_cannot_be_loaded() {
    let lab = Sandbox::new();
    lab.plant("a", "v3-none.json");
    lab.write("S/machines/broken/config.json", "{");
    assert_snapshot!(lab.run("stop a nosuch broken"), @r#"
    exit 1
    --- stderr
    Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    Error getting migrated host: EOF while parsing an object at line 1 column 1
    Hint: mend /S/machines/broken/config.json, or forget the machine with `rmachine rm -f broken`: what runs at its provider stays there
    "#);
    assert_snapshot!(lab.run("ip a nosuch"), @r#"
    exit 1
    --- stderr
    Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
}
