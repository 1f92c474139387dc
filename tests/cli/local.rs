//! What needs no host and no network: a machine of the driver `none` from `create` to `rm`, told from the store alone.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::engine::{Answer, Port, VERSION};
use super::harness::Sandbox;

#[test]
fn create_says_what_docker_machine_says() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("create -d none --url tcp://127.0.0.1:2376 x"), @r"
    exit 0
    --- stdout
    Creating CA: /S/certs/ca.pem
    Creating client certificate: /S/certs/cert.pem
    Running pre-create checks...
    Creating machine...
    To see how to connect your Docker Client to the Docker Engine running on this virtual machine, run: rmachine env x
    ");
    assert_snapshot!(lab.run_as_docker_machine("create -d none --url tcp://127.0.0.1:2376 y"), @r"
    exit 0
    --- stdout
    Running pre-create checks...
    Creating machine...
    To see how to connect your Docker Client to the Docker Engine running on this virtual machine, run: docker-machine env y
    ");
}

#[test]
fn config_json_is_docker_machines_to_the_byte() {
    let lab = Sandbox::new();
    lab.create_none("x");
    let theirs = include_str!("../fixtures/store/v3-none.json");
    assert_eq!(lab.read("S/machines/x/config.json"), theirs);
    assert_eq!(lab.ok("inspect x"), format!("{theirs}\n"));
}

#[test]
fn a_new_store_has_docker_machines_layout_and_permissions() {
    let lab = Sandbox::new();
    lab.create_none("x");
    let mode = |path: &str| lab.path(path).metadata().unwrap().permissions().mode() & 0o777;
    let listed: Vec<_> = lab.tree().iter().map(|p| format!("{:03o} {p}", mode(p))).collect();
    assert_snapshot!(listed.join("\n"), @r"
    755 H/
    700 S/
    700 S/certs/
    600 S/certs/ca-key.pem
    644 S/certs/ca.pem
    644 S/certs/cert.pem
    600 S/certs/key.pem
    700 S/machines/
    700 S/machines/x/
    600 S/machines/x/config.json
    600 S/machines/x/rmachine.json
    ");
}

#[test]
fn what_is_ours_alone_lies_beside_it() {
    let lab = Sandbox::new();
    lab.create_none("x");
    let own: serde_json::Value = serde_json::from_str(&lab.read("S/machines/x/rmachine.json")).unwrap();
    let text = lab.read("S/machines/x/rmachine.json");
    let text = text.replace(own["Uuid"].as_str().unwrap(), "UUID");
    assert_snapshot!(text.replace(own["Created"].as_str().unwrap(), "NOW"), @r#"
    {
        "Version": 1,
        "Uuid": "UUID",
        "Phase": "ready",
        "Created": "NOW",
        "InstallMethod": "script",
        "Journal": []
    }
    "#);
}

#[test]
fn flags_of_create_reach_docker_machines_fields() {
    let lab = Sandbox::new();
    lab.ok("create -d none --url tcp://h:1 --engine-opt log-driver=json-file --engine-opt experimental \
            --engine-env A=b --engine-insecure-registry r:5000 --engine-label env=prod --engine-label a=<b>&c \
            --engine-registry-mirror https://m --engine-storage-driver overlay2 --engine-install-url https://i \
            --tls-san one --tls-san 10.0.0.9 --swarm --swarm-master --swarm-discovery token://abc \
            --swarm-addr 10.0.0.1 --swarm-host tcp://0.0.0.0:3377 --swarm-strategy binpack --swarm-opt o \
            --swarm-join-opt j --swarm-experimental --swarm-image img 'x'");
    assert_snapshot!(lab.ok("inspect -f '{{prettyjson .HostOptions.EngineOptions}}' x"), @r#"
    {
        "ArbitraryFlags": [
            "log-driver=json-file",
            "experimental"
        ],
        "Dns": null,
        "Env": [
            "A=b"
        ],
        "GraphDir": "",
        "InsecureRegistry": [
            "r:5000"
        ],
        "InstallURL": "https://i",
        "Ipv6": false,
        "Labels": [
            "env=prod",
            "a=\u003cb\u003e\u0026c"
        ],
        "LogLevel": "",
        "RegistryMirror": [
            "https://m"
        ],
        "SelinuxEnabled": false,
        "StorageDriver": "overlay2",
        "TlsVerify": true
    }
    "#);
    assert_snapshot!(lab.ok("inspect -f '{{prettyjson .HostOptions.SwarmOptions}}' x"), @r#"
    {
        "Address": "10.0.0.1",
        "Agent": true,
        "ArbitraryFlags": [
            "o"
        ],
        "ArbitraryJoinFlags": [
            "j"
        ],
        "Discovery": "token://abc",
        "Env": null,
        "Heartbeat": 0,
        "Host": "tcp://0.0.0.0:3377",
        "Image": "img",
        "IsExperimental": true,
        "IsSwarm": true,
        "Master": true,
        "Overcommit": 0,
        "Strategy": "binpack"
    }
    "#);
    assert_snapshot!(lab.ok("inspect -f '{{prettyjson .Driver}}' x"), @r#"
    {
        "IPAddress": "h:1",
        "MachineName": "x",
        "SSHKeyPath": "",
        "SSHPort": 0,
        "SSHUser": "",
        "StorePath": "/S",
        "SwarmDiscovery": "token://abc",
        "SwarmHost": "tcp://0.0.0.0:3377",
        "SwarmMaster": true,
        "URL": "tcp://h:1"
    }
    "#);
    assert_eq!(lab.ok("inspect -f '{{.HostOptions.AuthOptions.ServerCertSANs}}' x"), "[one 10.0.0.9]\n");
}

#[test]
fn flags_come_from_the_environment_too() {
    let lab = Sandbox::new();
    let call = lab
        .call("create --url tcp://h:1 x")
        .env("MACHINE_DRIVER", "none")
        .env("ENGINE_REGISTRY_MIRROR", "https://a, https://b")
        .env("MACHINE_DOCKER_INSTALL_URL", "https://i")
        .env("MACHINE_SWARM_IMAGE", "");
    assert_eq!(call.run().code, Some(0));
    let format = "{{.HostOptions.EngineOptions.RegistryMirror}} {{.HostOptions.EngineOptions.InstallURL}} \
                  {{.HostOptions.SwarmOptions.Image}}";
    assert_eq!(lab.ok(&format!("inspect -f '{format}' x")), "[https://a https://b] https://i swarm:latest\n");
}

#[test]
fn certificates_can_be_kept_elsewhere() {
    let lab = Sandbox::new();
    lab.ok(
        "--tls-ca-cert /H/ca.pem --tls-ca-key /H/ca-key.pem --tls-client-cert /H/cert.pem --tls-client-key \
            /H/key.pem create -d none --url tcp://h:1 x",
    );
    for file in ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"] {
        assert!(lab.path("H").join(file).is_file(), "{file}");
        assert!(!lab.path("S/certs").join(file).exists(), "{file}");
    }
    assert_eq!(lab.ok("inspect -f {{.HostOptions.AuthOptions.CaCertPath}} x"), "/H/ca.pem\n");
}

#[test]
fn short_answers_are_one_line() {
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
fn several_machines_are_answered_one_a_line() {
    let lab = Sandbox::new();
    lab.plant("a", "v3-none.json");
    lab.plant("b", "v3-generic.json");
    assert_eq!(lab.ok("ip a b"), "127.0.0.1:2376\n10.0.0.5\n");
}

#[test]
fn without_a_name_the_machine_default_is_meant() {
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
fn asking_changes_nothing_on_disk() {
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
fn an_empty_store_is_not_made_by_asking() {
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

#[test]
fn inspect_formats_with_go_templates() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    lab.plant("do", "v3-digitalocean.json");
    for (format, machine, said) in [
        ("{{.Driver.IPAddress}}", "x", "127.0.0.1:2376"),
        ("{{.HostOptions.AuthOptions.StorePath}}", "x", "/S/machines/x"),
        ("{{json .Driver.SwarmMaster}}", "x", "false"),
        ("{{.HostOptions.SwarmOptions.Discovery}}:{{.Name}}", "x", ":x"),
        ("{{.HostOptions.EngineOptions.Dns}}", "x", "<no value>"),
        ("{{.Nope}}", "x", "<no value>"),
        ("{{.Driver.Nope.Deeper}}", "x", "<no value>"),
        ("{{if eq .DriverName \"none\"}}yes{{end}}", "x", "yes"),
        ("{{len .HostOptions.EngineOptions.Env}}", "x", "0"),
        ("{{index .HostOptions \"Memory\"}}", "x", "0"),
        ("{{ .Name | urlquery }} {{.Name | printf \"%s!\"}}", "x", "x x!"),
        ("{{.Driver.DropletID}}", "do", "9007199254740993"),
        ("", "x", ""),
    ] {
        let outcome = lab.call_words("rmachine", ["inspect", "-f", format, machine].map(str::to_owned)).run();
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (Some(0), &*format!("{said}\n")),
            "{format}: {outcome}"
        );
    }
}

#[test]
fn inspect_prints_json_on_one_line_or_indented() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    assert_snapshot!(lab.run("inspect -f '{{json .Driver}}' x"), @r#"
    exit 0
    --- stdout
    {"IPAddress":"127.0.0.1:2376","MachineName":"x","SSHKeyPath":"","SSHPort":0,"SSHUser":"","StorePath":"/S","SwarmDiscovery":"","SwarmHost":"","SwarmMaster":false,"URL":"tcp://127.0.0.1:2376"}
    "#);
    assert_snapshot!(lab.run("inspect x -f '{{prettyjson .Driver}}'"), @r#"
    exit 0
    --- stdout
    {
        "IPAddress": "127.0.0.1:2376",
        "MachineName": "x",
        "SSHKeyPath": "",
        "SSHPort": 0,
        "SSHUser": "",
        "StorePath": "/S",
        "SwarmDiscovery": "",
        "SwarmHost": "",
        "SwarmMaster": false,
        "URL": "tcp://127.0.0.1:2376"
    }
    "#);
}

#[test]
fn a_template_that_makes_no_sense_is_refused() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    assert_snapshot!(lab.run("inspect -f '{{.Name' x"), @r"
    exit 1
    --- stderr
    template parsing error: template: :1: unclosed action
    ");
    assert_snapshot!(lab.run("inspect -f '{{nosuch .Name}}' x"), @r"
    exit 1
    --- stderr
    template parsing error: template: :1: function nosuch not defined
    ");
}

/// A machine that docker-machine calls by another name than its folder's goes by the folder's.
#[test]
fn the_folder_names_the_machine() {
    let lab = Sandbox::new();
    lab.plant("other", "v3-none.json");
    assert_eq!(lab.ok("inspect -f '{{.Name}} {{.Driver.MachineName}}' other"), "other x\n");
}

#[test]
fn the_driver_none_refuses_what_it_cannot_do() {
    let lab = Sandbox::new();
    lab.create_none("x");
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
    hosts without a driver cannot be stopped
    "#);
    assert_snapshot!(lab.run("restart x"), @r#"
    exit 1
    --- stdout
    Restarting "x"...
    --- stderr
    hosts without a driver cannot be restarted
    "#);
    assert_snapshot!(lab.run("kill x"), @r#"
    exit 1
    --- stdout
    Killing "x"...
    --- stderr
    hosts without a driver cannot be killed
    "#);
    assert_snapshot!(lab.run("provision x"), @r#"
    exit 1
    --- stderr
    Docker machine "x" has no host to provision: the driver "none" only keeps a URL
    "#);
    assert_snapshot!(lab.run("ssh x id"), @r#"
    exit 1
    --- stderr
    Docker machine "x" has no host that answers SSH
    Hint: one that is only a URL is reached with `env`; one that was not finished, with `create --resume`
    "#);
}

#[test]
fn config_prints_the_docker_clis_flags_once_the_engine_has_shown_its_certificate() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} x", port.url()));
    let number = port.number();
    port.serve(&lab, VERSION);
    assert_snapshot!(lab.run("config x").with(number, "PORT"), @r#"
    exit 0
    --- stdout
    --tlsverify
    --tlscacert="/S/machines/x/ca.pem"
    --tlscert="/S/machines/x/cert.pem"
    --tlskey="/S/machines/x/key.pem"
    -H=tcp://127.0.0.1:PORT
    "#);
    assert_snapshot!(lab.run("version x"), @r"
    exit 0
    --- stdout
    26.1.5
    ");
}

#[test]
fn config_fails_as_docker_machine_does_when_no_engine_answers() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} x", port.url()));
    let number = port.number();
    drop(port);
    assert_snapshot!(lab.run("config x").with(number, "PORT"), @r#"
    exit 1
    --- stderr
    Error running connection boilerplate: Error checking and/or regenerating the certs: There was an error validating certificates for host "127.0.0.1:PORT": dial tcp 127.0.0.1:PORT: connect: connection refused
    You can attempt to regenerate them using 'rmachine regenerate-certs [name]'.
    Be advised that this will trigger a Docker daemon restart which might stop running containers.
    ⏎
    "#);
    assert_snapshot!(lab.run_as_docker_machine("env x").with(number, "PORT"), @r#"
    exit 1
    --- stderr
    Error checking TLS connection: Error checking and/or regenerating the certs: There was an error validating certificates for host "127.0.0.1:PORT": dial tcp 127.0.0.1:PORT: connect: connection refused
    You can attempt to regenerate them using 'docker-machine regenerate-certs [name]'.
    Be advised that this will trigger a Docker daemon restart which might stop running containers.
    ⏎
    "#);
    assert_snapshot!(lab.run("version x").with(number, "PORT"), @r"
    exit 1
    --- stderr
    Unable to query docker version: Cannot connect to the docker engine endpoint
    ");
}

#[test]
fn config_wants_a_certificate_of_the_stores_ca() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} x", port.url()));
    let number = port.number();
    let other = rmachine::pki::new_ca("somebody", jiff::Timestamp::now()).unwrap();
    port.serve_with(&other, &lab.read("S/certs/ca.pem"), Answer::Nothing);
    assert_snapshot!(lab.run("config x").with(number, "PORT"), @r#"
    exit 1
    --- stderr
    Error running connection boilerplate: Error checking and/or regenerating the certs: There was an error validating certificates for host "127.0.0.1:PORT": x509: certificate signed by unknown authority
    You can attempt to regenerate them using 'rmachine regenerate-certs [name]'.
    Be advised that this will trigger a Docker daemon restart which might stop running containers.
    ⏎
    "#);
    assert_snapshot!(lab.run("version x").with(number, "PORT"), @r"
    exit 1
    --- stderr
    Unable to query docker version: x509: certificate signed by unknown authority
    ");
}
