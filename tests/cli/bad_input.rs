//! What cannot work is refused with one clear error, and nothing that was there is lost.

use insta::assert_snapshot;

use super::harness::{Outcome, Sandbox};

/// A create that is refused before anything is made: neither a machine nor a store.
fn refused(words: &str) -> Outcome {
    let lab = Sandbox::new();
    // A create that names no driver looks for an engine on this computer.
    let outcome = lab.call(words).env("DOCKER_HOST", "unix:///nowhere/docker.sock").run();
    assert!(!lab.store().exists(), "{words} made something: {:?}", lab.tree());
    outcome
}

fn said(outcome: &Outcome) -> (Option<i32>, &str) {
    (outcome.code, outcome.stderr.as_str())
}

#[test]
fn create_refuses_names_that_are_no_host_names() {
    for name in ["a_b", "-- -a", ".", "..", "../x", "a/b", "'a b'", "é", "a@b", "'$(id)'", ".hidden"] {
        let outcome = refused(&format!("create -d none --url tcp://h:1 {name}"));
        let sentence =
            "Error creating machine: Invalid hostname specified. Allowed hostname chars are: 0-9a-zA-Z . -\n";
        assert_eq!(said(&outcome), (Some(1), sentence), "{name}");
    }
    assert_eq!(refused(&format!("create -d none --url u {}", "a".repeat(300))).code, Some(1));
}

#[test]
fn create_requires_exactly_one_name() {
    assert_snapshot!(refused("create -d none --url u a b c"), @r"
    exit 1
    --- stderr
    Invalid command line. Found extra arguments [b c]
    Hint: this driver makes one machine of one address: name only one
    ");
    for words in ["create -d none --url u", "create -d none --url u ''"] {
        let none = refused(words);
        assert_eq!(said(&none), (Some(1), "Error: No machine name specified\n"));
        assert!(none.stdout.contains("Usage: rmachine create"), "{none}");
        assert!(none.stdout.contains("--url <URL>"), "{none}");
        let lab = Sandbox::new();
        let theirs = lab.run_as_docker_machine(words);
        assert_eq!(said(&theirs), (Some(1), "Error: No machine name specified\n"));
        let option = theirs.stdout.lines().find(|l| l.starts_with("   --url\t"));
        assert!(option.is_some(), "machinery reads the driver's flags here: {theirs}");
    }
}

#[test]
fn create_refuses_a_name_that_exists() {
    let lab = Sandbox::new();
    lab.create_none("x");
    let before = lab.read("S/machines/x/config.json");
    assert_snapshot!(lab.run("create -d none --url tcp://other:1 x"), @r#"
    exit 1
    --- stderr
    Docker machine "x" already exists
    "#);
    assert_eq!(lab.read("S/machines/x/config.json"), before);
    lab.write("S/machines/file", "in the way");
    assert_snapshot!(lab.run("create -d none --url tcp://other:1 file"), @r"
    exit 1
    --- stdout
    Running pre-create checks...
    --- stderr
    /S/machines/file is in the way: a folder belongs there; nothing was changed
    ");
    assert_eq!(lab.read("S/machines/file"), "in the way");
}

#[test]
fn commands_report_missing_machines() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    let sentence = |program: &str| {
        format!(
            "Docker machine \"nosuch\" does not exist. Use \"{program} ls\" to list machines. Use \"{program} create\" to \
             add a new one.\n"
        )
    };
    for command in [
        "config",
        "env",
        "inspect",
        "ip",
        "kill",
        "provision",
        "restart",
        "ssh",
        "start",
        "status",
        "stop",
        "url",
        "version",
        "create --resume",
    ] {
        let outcome = lab.run(&format!("{command} nosuch"));
        assert_eq!(said(&outcome), (Some(1), &*sentence("rmachine")), "{command}");
        let theirs = lab.run_as_docker_machine(&format!("{command} nosuch"));
        assert_eq!(said(&theirs), (Some(1), &*sentence("docker-machine")), "{command}");
        assert!(outcome.stdout.is_empty(), "{command}: {outcome}");
    }
    assert_eq!(lab.machines(), ["x"], "asking for a machine left something behind");
}

#[test]
fn commands_without_a_name_report_that_no_default_machine_exists() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    for command in [
        "config",
        "env",
        "inspect",
        "ip",
        "kill",
        "provision",
        "restart",
        "ssh",
        "start",
        "status",
        "stop",
        "url",
    ] {
        let outcome = lab.run(command);
        let sentence = "Error: No machine name(s) specified and no \"default\" machine exists\n";
        assert_eq!(said(&outcome), (Some(1), sentence), "{command}");
    }
}

#[test]
fn commands_refuse_paths_as_machine_names() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    for name in ["..", ".", "../machines/x", "x/", "./x", "''"] {
        for command in ["inspect", "ip", "env", "status", "stop"] {
            let outcome = lab.run(&format!("{command} {name}"));
            assert!(
                outcome.code == Some(1) && outcome.stderr.contains("does not exist"),
                "{command} {name}: {outcome}"
            );
        }
    }
}

#[test]
fn create_refuses_unknown_drivers() {
    assert_snapshot!(refused("create -d nosuch x"), @r#"
    exit 1
    --- stderr
    Driver "nosuch" not found. Do you have the plugin binary "docker-machine-driver-nosuch" accessible in your PATH?
    Hint: name one of these with -d: docker, digitalocean, generic, none, virtualbox
    "#);
    assert_snapshot!(refused("create -d vmwarefusion --vmwarefusion-memory 2048 x"), @r#"
    exit 1
    --- stderr
    Driver "vmwarefusion" not found. Do you have the plugin binary "docker-machine-driver-vmwarefusion" accessible in your PATH?
    Hint: name one of these with -d: docker, digitalocean, generic, none, virtualbox
    "#);
}

#[test]
fn create_names_the_default_driver_when_no_driver_is_available() {
    let lab = Sandbox::new();
    let outcome = lab.call("create x").env("DOCKER_HOST", "unix:///nowhere/docker.sock").run();
    assert_snapshot!(outcome, @r#"
    exit 3
    --- stdout
    No driver is named: taking "virtualbox", because no other can work here without being told how.
    Creating CA: /S/certs/ca.pem
    Creating client certificate: /S/certs/cert.pem
    Running pre-create checks...
    --- stderr
    Error with pre-create check: "VBoxManage not found. Make sure VirtualBox is installed and VBoxManage is in the path"
    Hint: VirtualBox 7: https://www.virtualbox.org/wiki/Downloads, or your distribution's package
    "#);
    assert!(lab.machines().is_empty());
}

#[test]
fn create_reports_missing_driver_options() {
    assert_snapshot!(refused("create -d none x"), @r"
    exit 1
    --- stderr
    Error setting machine configuration from flags provided: --url option is required when no driver is selected
    ");
    assert_snapshot!(refused("create -d generic x"), @r"
    exit 1
    --- stderr
    Error setting machine configuration from flags provided: generic driver requires the --generic-ip-address option
    ");
    assert_snapshot!(refused("create -d generic --generic-ip-address '' x"), @r"
    exit 1
    --- stderr
    Error setting machine configuration from flags provided: generic driver requires the --generic-ip-address option
    ");
    assert_snapshot!(refused("create -d generic --generic-ip-address a b x"), @r"
    exit 1
    --- stderr
    Invalid command line. Found extra arguments [x]
    Hint: this driver makes one machine of one address: name only one
    ");
    assert_snapshot!(refused("create -d generic --generic-ip-address=-oProxyCommand=x x"), @r#"
    exit 1
    --- stderr
    Error setting machine configuration from flags provided: --generic-ip-address: "-oProxyCommand=x" is neither a host name nor an IP address
    "#);
    assert_snapshot!(refused("create -d generic --generic-ip-address 'tcp://h' x"), @r#"
    exit 1
    --- stderr
    Error setting machine configuration from flags provided: --generic-ip-address: "tcp://h" is neither a host name nor an IP address
    "#);
    assert_snapshot!(refused("create -d generic --generic-ip-address h --generic-ssh-port 70000 x"), @r"
    exit 1
    --- stderr
    Error setting machine configuration from flags provided: --generic-ssh-port must be a port between 1 and 65535, not 70000
    ");
    assert_snapshot!(refused("create -d generic --generic-ip-address h --generic-ssh-port 0 x"), @r"
    exit 1
    --- stderr
    Error setting machine configuration from flags provided: --generic-ssh-port must be a port between 1 and 65535, not 0
    ");
    assert_snapshot!(refused("create -d generic --generic-ip-address h --generic-engine-port -1 x"), @r"
    exit 1
    --- stderr
    Error setting machine configuration from flags provided: --generic-engine-port must be a port between 1 and 65535, not -1
    ");
    assert_snapshot!(refused("create -d generic --generic-ip-address h --generic-ssh-port ssh x"), @r#"
    exit 2
    --- stderr
    invalid value "ssh" for flag -generic-ssh-port: parse error
    Hint: see `rmachine create --help`
    "#);
}

#[test]
fn create_checks_that_the_ssh_key_exists_before_it_creates_anything() {
    let lab = Sandbox::new();
    let words = "create -d generic --generic-ip-address 127.0.0.1 --generic-ssh-key /H/nosuch x";
    assert_snapshot!(lab.run(words), @r#"
    exit 3
    --- stdout
    Creating CA: /S/certs/ca.pem
    Creating client certificate: /S/certs/cert.pem
    Running pre-create checks...
    --- stderr
    Error with pre-create check: "SSH key does not exist: \"/H/nosuch\""
    Hint: give --generic-ssh-key the path of a private key file
    "#);
    assert!(lab.machines().is_empty(), "{:?}", lab.machines());
    lab.write("H/folder/file", "");
    let folder = lab.run("create -d generic --generic-ip-address 127.0.0.1 --generic-ssh-key /H/folder x");
    assert_eq!(folder.code, Some(3), "{folder}");
    assert!(lab.machines().is_empty(), "{:?}", lab.machines());
}

#[test]
fn create_refuses_bad_engine_options_before_it_creates_anything() {
    let create = |options: &str| refused(&format!("create -d generic --generic-ip-address h {options} x"));
    assert_snapshot!(create("--engine-opt nosuch=1"), @r#"
    exit 1
    --- stderr
    Invalid engine options: "nosuch" is no option of the Docker engine
    "#);
    assert_snapshot!(create("--engine-opt metric-addr=0.0.0.0:1"), @r#"
    exit 1
    --- stderr
    Invalid engine options: "metric-addr" is no option of the Docker engine; did you mean metrics-addr?
    "#);
    assert_snapshot!(create("--engine-opt cluster-store=consul://c"), @r"
    exit 1
    --- stderr
    Invalid engine options: the engine option cluster-store cannot be used: removed in Docker 23.0 with classic swarm; overlay networks now come from swarm mode (docker swarm init)
    ");
    assert_snapshot!(create("--engine-opt max-concurrent-downloads=many"), @r#"
    exit 1
    --- stderr
    Invalid engine options: the engine option max-concurrent-downloads takes a whole number, not "many"
    "#);
    assert_snapshot!(create("--engine-opt live-restore=perhaps"), @r#"
    exit 1
    --- stderr
    Invalid engine options: the engine option live-restore takes true or false, not "perhaps"
    "#);
    assert_snapshot!(create("--engine-opt =x"), @r#"
    exit 1
    --- stderr
    Invalid engine options: "" is no option of the Docker engine
    "#);
    assert_snapshot!(create("--engine-label nolabel"), @r#"
    exit 1
    --- stderr
    Invalid engine options: --engine-label takes KEY=VALUE, not "nolabel"
    "#);
    assert_snapshot!(create("--engine-label =v"), @r#"
    exit 1
    --- stderr
    Invalid engine options: --engine-label takes KEY=VALUE, not "=v"
    "#);
    assert_snapshot!(create("--engine-env nothing"), @r#"
    exit 1
    --- stderr
    Invalid engine options: --engine-env takes NAME=VALUE, without control characters, not "nothing"
    "#);
    assert_snapshot!(create("--engine-registry-mirror 'not a url'"), @r#"
    exit 1
    --- stderr
    Invalid engine options: --engine-registry-mirror takes an http:// or https:// URL without user, query or fragment, not "not a url"
    "#);
    assert_snapshot!(create("--engine-opt tlsverify=false"), @r"
    exit 1
    --- stderr
    Invalid engine options: the engine option tlsverify cannot be used: rmachine sets up TLS itself; see --tls-san and the --tls-* options
    ");
}

#[test]
fn create_refuses_bad_values_of_rmachine_flags() {
    let create = |options: &str| refused(&format!("create -d generic --generic-ip-address h {options} x"));
    assert_snapshot!(create("--engine-install brew"), @r#"
    exit 2
    --- stderr
    --engine-install must be script, distro or none, not "brew"
    "#);
    assert_snapshot!(create("--engine-version 'latest; id'"), @r"
    exit 2
    --- stderr
    --engine-version: latest; id is not the version of an engine
    ");
    assert_snapshot!(create("--ssh-host-key MD5:aa"), @r#"
    exit 2
    --- stderr
    --ssh-host-key must be a fingerprint as `ssh-keygen -lf` shows it (SHA256: and 43 characters), not "MD5:aa"
    "#);
    assert_snapshot!(create("--ssh-host-key SHA256:short"), @r#"
    exit 2
    --- stderr
    --ssh-host-key must be a fingerprint as `ssh-keygen -lf` shows it (SHA256: and 43 characters), not "SHA256:short"
    "#);
    assert_snapshot!(create("--ssh-timeout -5"), @r"
    exit 2
    --- stderr
    --ssh-timeout must not be negative
    ");
    assert_snapshot!(create("--swarm-discovery foo"), @r"
    exit 1
    --- stderr
    Error parsing swarm discovery: Swarm Discovery URL was in the wrong format: foo
    ");
    assert_snapshot!(create("--engine-install-url 'not a url'"), @r#"
    exit 2
    --- stderr
    --engine-install-url must be a URL, not "not a url"
    "#);
    assert_snapshot!(create("--tls-san 'a b'"), @r#"
    exit 2
    --- stderr
    --tls-san must be a name or an address, not "a b"
    "#);
}

#[test]
fn resume_refuses_a_complete_machine() {
    let lab = Sandbox::new();
    lab.create_none("x");
    assert_snapshot!(lab.run("create --resume x"), @r#"
    exit 1
    --- stderr
    Docker machine "x" is complete: there is nothing to resume
    Hint: `rmachine provision x` checks and repairs its engine
    "#);
    assert_snapshot!(lab.run("create --resume --dry-run x"), @r"
    exit 2
    --- stderr
    the argument '--resume' cannot be used with '--dry-run'
    Hint: see `rmachine create --help`
    ");
}

#[test]
fn dry_run_prints_the_plan_and_creates_nothing() {
    let words = "create --dry-run -d generic --generic-ip-address 192.0.2.5 --generic-ssh-user debian --engine-opt \
                 metrics-addr=0.0.0.0:9323 --engine-label env=prod x";
    assert_snapshot!(refused(words), @r#"
    exit 0
    --- stdout
    Would create machine x with the driver generic
      SSH: debian@192.0.2.5:22
      engine: tcp://192.0.2.5:2376
      folder: /S/machines/x
      driver: EnginePort=2376
      merged into /etc/docker/daemon.json:
    {
      "labels": [
        "env=prod",
        "provider=generic"
      ],
      "metrics-addr": "0.0.0.0:9323",
      "hosts": [
        "fd://",
        "tcp://0.0.0.0:2376"
      ],
      "tlsverify": true,
      "tlscacert": "/etc/docker/ca.pem",
      "tlscert": "/etc/docker/server.pem",
      "tlskey": "/etc/docker/server-key.pem"
    }
    "#);
    assert_snapshot!(refused("create --dry-run -d none --url tcp://h:1 x"), @r"
    exit 0
    --- stdout
    Would create machine x with the driver none
      engine: tcp://h:1
      folder: /S/machines/x
      driver: URL=tcp://h:1
    ");
}

#[test]
fn malformed_config_is_reported_and_kept() {
    let lab = Sandbox::new();
    let text = "{\"ConfigVersion\": 3, \"Driver\": ";
    lab.write("S/machines/x/config.json", text);
    assert_snapshot!(lab.run("ip x"), @r"
    exit 1
    --- stderr
    Error getting migrated host: EOF while parsing a value at line 1 column 31
    Hint: mend /S/machines/x/config.json, or forget the machine with `rmachine rm -f x`: what runs at its provider stays there
    ");
    for words in
        ["inspect x", "env x", "url x", "status x", "stop x", "provision x", "ssh x id", "create --resume x"]
    {
        let outcome = lab.run(words);
        assert_eq!(outcome.code, Some(1), "{words}: {outcome}");
        assert!(outcome.stderr.contains("Error getting migrated host: "), "{words}: {outcome}");
        assert!(
            outcome.stderr.contains("/S/machines/x/config.json"),
            "{words} does not name the file: {outcome}"
        );
    }
    assert_eq!(lab.read("S/machines/x/config.json"), text);
}

#[test]
fn config_of_a_newer_version_is_reported_and_kept() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    let text = lab.read("S/machines/x/config.json").replace("\"ConfigVersion\": 3", "\"ConfigVersion\": 4");
    lab.write("S/machines/x/config.json", &text);
    assert_snapshot!(lab.run("ip x"), @r"
    exit 1
    --- stderr
    Error getting migrated host: config version is from the future -- you should upgrade your Docker Machine client
    Hint: /S/machines/x/config.json is of a newer program: upgrade this one, or forget the machine with `rmachine rm -f x`: what runs at its provider stays there
    ");
    assert_snapshot!(lab.run("rm -y x"), @r#"
    exit 1
    --- stdout
    About to remove x
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Error removing host "x": Error getting migrated host: config version is from the future -- you should upgrade your Docker Machine client
    Hint: /S/machines/x/config.json is of a newer program: upgrade this one, or forget the machine with `rmachine rm -f x`: what runs at its provider stays there
    "#);
    assert_eq!(lab.read("S/machines/x/config.json"), text);
}

#[test]
fn damaged_rmachine_json_is_reported_and_kept() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    lab.write("S/machines/x/rmachine.json", "{\"Version\": 1, \"Phase\": \"dancing\"}");
    assert_snapshot!(lab.run("status x"), @r"
    exit 1
    --- stderr
    /S/machines/x/rmachine.json is damaged: unknown variant `dancing`, expected one of `reserved`, `created`, `reachable`, `provisioned`, `ready`, `removing`
    Hint: mend /S/machines/x/rmachine.json, or forget the machine with `rmachine rm -f x`: what runs at its provider stays there
    ");
    lab.write("S/machines/x/rmachine.json", "{\"Version\": 2}");
    assert_snapshot!(lab.run("status x"), @r"
    exit 1
    --- stderr
    /S/machines/x/rmachine.json has version 2: a newer rmachine wrote it, upgrade this one
    ");
    assert_eq!(lab.read("S/machines/x/rmachine.json"), "{\"Version\": 2}");
}

#[test]
fn commands_report_a_store_that_is_a_file() {
    let lab = Sandbox::new();
    lab.write("S", "I am a file");
    assert_snapshot!(lab.run("create -d none --url u x"), @r"
    exit 1
    --- stderr
    /S is in the way: a folder belongs there; nothing was changed
    ");
    assert_snapshot!(lab.run("ls"), @r"
    exit 1
    --- stderr
    open /S/machines: not a directory
    ");
    assert_snapshot!(lab.run("-s /S/below create -d none --url u x"), @r"
    exit 1
    --- stderr
    /S is in the way: a folder belongs there; nothing was changed
    ");
    assert_eq!(lab.read("S"), "I am a file");
}

/// As root a mode keeps nobody out, so the store is mounted read-only, in a mount namespace of the test's own.
#[test]
fn commands_report_a_read_only_store() {
    let lab = Sandbox::new();
    lab.create_none("x");
    lab.create_none("y");
    let before = lab.tree();
    for (words, changes) in [
        ("create -d none --url u new", true),
        ("rm -y x", true),
        ("rm -f x", true),
        ("ls -q", false),
        ("ip x", false),
        ("inspect x", false),
        ("env x", false),
    ] {
        let outcome = read_only(&lab, words);
        assert_eq!(outcome.code == Some(0), !changes || words.contains("-f"), "{words}: {outcome}");
        assert_eq!(lab.tree(), before, "{words}");
    }
    assert_snapshot!(read_only(&lab, "create -d none --url u new"), @r"
    exit 1
    --- stderr
    cannot write /S/machines/.new.lock: read-only file system; nothing was changed
    ");
    assert_snapshot!(read_only(&lab, "rm -y x"), @r#"
    exit 1
    --- stdout
    About to remove x
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Error removing host "x": cannot write /S/machines/.x.lock: read-only file system; nothing was changed
    "#);
    assert_snapshot!(read_only(&lab, "rm -f x"), @r#"
    exit 0
    --- stdout
    About to remove x
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Error removing host "x": cannot write /S/machines/.x.lock: read-only file system; nothing was changed
    "#);
}

fn read_only(lab: &Sandbox, words: &str) -> Outcome {
    let store = lab.store().display().to_string();
    lab.run_apart(&format!("mount --bind {store} {store}; mount -o remount,ro,bind {store}"), words)
}

/// A CA whose key is gone, or that is no CA, must not be replaced: every machine hangs on it.
#[test]
fn ca_that_cannot_sign_is_reported_and_kept() {
    let lab = Sandbox::new();
    lab.create_none("x");
    let key = lab.read("S/certs/ca-key.pem");
    std::fs::remove_file(lab.path("S/certs/ca-key.pem")).unwrap();
    std::fs::remove_file(lab.path("S/certs/cert.pem")).unwrap();
    let ca = lab.read("S/certs/ca.pem");
    assert_snapshot!(lab.run("create -d none --url u y"), @r"
    exit 1
    --- stderr
    the CA /S/certs/ca.pem cannot sign certificates: its key is missing
    Hint: bring back /S/certs/ca-key.pem; or move /S/certs/ca.pem away to have a new CA made, which cuts off every machine until it is provisioned again
    ");
    lab.write("S/certs/ca-key.pem", &lab.read("S/certs/key.pem"));
    assert_snapshot!(lab.run("create -d none --url u y"), @r"
    exit 1
    --- stderr
    the CA /S/certs/ca.pem cannot sign certificates: the key does not belong to the certificate
    Hint: bring back /S/certs/ca-key.pem; or move /S/certs/ca.pem away to have a new CA made, which cuts off every machine until it is provisioned again
    ");
    assert_eq!(lab.read("S/certs/ca.pem"), ca);
    assert_eq!(lab.machines(), ["x"]);
    lab.write("S/certs/ca-key.pem", &key);
    lab.create_none("y");
    assert_eq!(lab.read("S/certs/ca.pem"), ca);
}
