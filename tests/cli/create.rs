//! `create` with the driver `none`: what it prints, and what is in the store afterwards.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::harness::Sandbox;

#[test]
fn create_prints_docker_machine_messages() {
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
fn config_json_equals_docker_machines_byte_for_byte() {
    let lab = Sandbox::new();
    lab.create_none("x");
    let theirs = include_str!("../fixtures/store/v3-none.json");
    assert_eq!(lab.read("S/machines/x/config.json"), theirs);
    assert_eq!(lab.ok("inspect x"), format!("{theirs}\n"));
}

#[test]
fn new_store_has_docker_machine_layout_and_permissions() {
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
fn rmachine_json_lies_beside_config_json() {
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
fn create_flags_are_stored_in_docker_machine_fields() {
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
fn create_reads_flags_from_the_environment() {
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
fn certificates_are_stored_where_the_tls_flags_say() {
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
