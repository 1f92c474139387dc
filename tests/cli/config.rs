//! `config`: the flags for the docker CLI, and the check of the engine before them.

use insta::assert_snapshot;

use super::fake_engine::{Answer, Port, VERSION};
use super::harness::Sandbox;

#[test]
fn config_prints_docker_flags_after_checking_the_engine() {
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
fn config_refuses_an_engine_of_another_ca() {
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
