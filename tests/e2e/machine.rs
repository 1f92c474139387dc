//! A host with an engine becomes a machine, and everything that is done with machines is done with it.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use crate::e2e::lab::{Host, User, until};

/// The line of issue's own example, and what follows from each of its words.
#[test]
fn engine_options_are_in_force_and_a_second_provision_changes_nothing() {
    let host = Host::up("e2e-options", &["--engine"]);
    let user = User::new();
    let made = user
        .create(
            &host,
            "node1",
            &[
                "--generic-ssh-user",
                "debian",
                "--engine-opt",
                "metrics-addr=0.0.0.0:9323",
                "--engine-opt",
                "log-driver=json-file",
                "--engine-opt",
                "log-opt=max-size=7m",
                "--engine-label",
                "env=prod",
                "--engine-label",
                "x=$(id -u)",
                "--engine-env",
                "GREETING=a \"b\" $HOME %h",
                "--tls-san",
                "engine.example.com",
            ],
        )
        .ok();
    assert_eq!(made.err, "", "any line on stderr counts as failure for those who drive us");
    assert!(made.out.contains("Provisioning with debian..."), "{}", made.out);
    assert!(made.out.ends_with(" env node1\n"), "{}", made.out);

    let info = user.docker("node1", &["info", "--format", "{{json .}}"]).ok().out;
    let info: serde_json::Value = serde_json::from_str(&info).expect("docker info is JSON");
    assert_eq!(info["LoggingDriver"], "json-file");
    assert_eq!(user.labels("node1"), ["env=prod", "provider=generic", "x=$(id -u)"]);

    assert!(metrics(&host.ip).contains("engine_daemon_engine_info"), "metrics do not answer on their port");
    let environment = host.run("tr '\\0' '\\n' < /proc/$(pidof dockerd)/environ");
    assert!(environment.contains("GREETING=a \"b\" $HOME %h\n"), "{environment}");
    assert_eq!(host.run("stat -c %a /etc/docker/server-key.pem").trim(), "600");
    assert_eq!(host.run("hostname").trim(), "node1");

    let (before, config) = (host.engine_start(), host.run("stat -c %Y%i /etc/docker/*"));
    let again = user.rmachine(&["provision", "node1"]).ok();
    assert!(!again.out.contains("Setting Docker configuration"), "{}", again.out);
    assert_eq!(host.engine_start(), before, "an engine that is as it should be was restarted");
    assert_eq!(
        host.run("stat -c %Y%i /etc/docker/*"),
        config,
        "files that are as they should be were written"
    );

    // Only a certificate changes: the configuration stays, the engine takes the new one.
    let daemon_json = host.run("stat -c %Y%i /etc/docker/daemon.json");
    user.rmachine(&["provision", "--tls-san", "other.example.com", "node1"]).ok();
    assert_ne!(host.engine_start(), before);
    assert_eq!(host.run("stat -c %Y%i /etc/docker/daemon.json"), daemon_json);
    let names = host.run("openssl x509 -in /etc/docker/server.pem -noout -ext subjectAltName");
    for name in ["DNS:other.example.com", "DNS:localhost", "DNS:node1", &format!("IP Address:{}", host.ip)] {
        assert!(names.contains(name), "{name} is not in {names}");
    }
    user.docker("node1", &["version"]).ok();

    // What is not wanted any more goes; what the host says by itself stays.
    host.run("sed -i '1s/{/{ \"shutdown-timeout\": 20,/' /etc/docker/daemon.json");
    let fewer = ["provision", "--engine-label", "env=test", "--engine-opt", "log-driver=json-file", "node1"];
    user.rmachine(&fewer).ok();
    assert_eq!(user.labels("node1"), ["env=test", "provider=generic"]);
    let told: serde_json::Value =
        serde_json::from_str(&host.run("cat /etc/docker/daemon.json")).expect("JSON");
    assert_eq!((&told["log-driver"], &told["shutdown-timeout"]), (&"json-file".into(), &20.into()));
    assert_eq!((told.get("metrics-addr"), told.get("log-opts")), (None, None), "{told}");
}

fn metrics(ip: &str) -> String {
    use std::io::Write;
    let mut stream = TcpStream::connect((ip, 9323)).expect("the metrics port answers");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a deadline");
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn every_command_works_on_a_machine() {
    let host = Host::up("e2e-commands", &["--engine"]);
    let user = User::new();
    user.create(&host, "node1", &[]).ok();
    let url = format!("tcp://{}:2376", host.ip);

    let version = host.run("docker version -f '{{.Server.Version}}'");
    let row = user.ls_row("node1");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["node1", "-", "generic", "Running", &url, &format!("v{}", version.trim())]);
    assert_eq!(user.rmachine(&["ip", "node1"]).ok().out, format!("{}\n", host.ip));
    assert_eq!(user.rmachine(&["url", "node1"]).ok().out, format!("{url}\n"));
    assert_eq!(user.rmachine(&["status", "node1"]).ok().out, "Running\n");
    assert_eq!(user.rmachine(&["version", "node1"]).ok().out, version);
    let inspected = user.rmachine(&["inspect", "-f", "{{.Driver.IPAddress}}", "node1"]).ok().out;
    assert_eq!(inspected, format!("{}\n", host.ip));

    let by_env = user
        .command("bash")
        .args([
            "-c",
            &format!(
                "eval $({0} env node1) && docker version -f '{{{{.Server.Version}}}}' && {0} active",
                env!("CARGO_BIN_EXE_rmachine")
            ),
        ])
        .output()
        .expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&by_env.stdout), format!("{version}node1\n"));
    user.rmachine(&["env", "--check", "node1"]).ok();

    user.rmachine(&["stop", "node1"]).failed(1, &["generic driver does not support stop"]);
    user.rmachine(&["kill", "node1"]).failed(1, &["generic driver does not support kill"]);
    user.rmachine(&["start", "node1"]).failed(1, &["Machine \"node1\" is already running."]);

    user.rmachine(&["ls", "-t", "9223372036854775807"]).ok();
    user.rmachine(&["rm", "-y", "node1"]).ok();
    assert_eq!(user.rmachine(&["ls", "-q"]).ok().out, "");
    assert!(host.engine_is_up(), "rm of a generic machine leaves the host alone");
    let left: Vec<_> = std::fs::read_dir(user.store().join("machines")).expect("machines").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn ssh_is_the_remote_command() {
    let host = Host::up("e2e-ssh", &["--engine"]);
    let user = User::new();
    user.create(&host, "node1", &["--generic-ssh-user", "debian"]).ok();

    let done = user.rmachine(&["ssh", "node1", "echo out; echo err >&2; exit 7"]);
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (7, "out\n", "err\n"));
    // Words after the name belong to the machine, even those that look like ours.
    assert_eq!(user.rmachine(&["ssh", "node1", "id", "-u", "-n"]).ok().out, "debian\n");
    assert_eq!(user.rmachine(&["ssh", "node1", "echo", "--debug", "-f"]).ok().out, "--debug -f\n");
    assert_eq!(user.rmachine(&["ssh", "node1", "--", "ls", "-d", "/etc"]).ok().out, "/etc\n");
    user.rmachine(&["ssh", "node1", "-L", "80:localhost:80"]).failed(2, &["ssh -L"]);
    assert_eq!(user.rmachine_with(&["ssh", "node1", "sh", "-"], b"echo from stdin").ok().out, "from stdin\n");
    let shell = user.rmachine_with(&["ssh", "node1"], b"echo a shell").ok().out;
    assert!(shell.ends_with("\na shell\n"), "the login shell greets and obeys: {shell}");
    assert_eq!(user.rmachine(&["ssh", "node1", "kill -9 $$"]).code, 137);

    let big: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let sum = user.rmachine_with(&["ssh", "node1", "sha256sum; cat /dev/null"], &big).ok().out;
    let local = {
        let path = user.home().join("big");
        std::fs::write(&path, &big).expect("written");
        let output = user.command("sha256sum").arg(&path).output().expect("sha256sum runs");
        String::from_utf8_lossy(&output.stdout).split(' ').next().expect("a sum").to_owned()
    };
    assert!(sum.starts_with(&local), "{sum} is not {local}");

    // A terminal, where there is one.
    let script = "stty size; exit 3\n";
    let command = format!("stty cols 91 rows 17; {} ssh node1", env!("CARGO_BIN_EXE_rmachine"));
    let mut terminal = user
        .command("script")
        .env("TERM", "xterm")
        .args(["-qec", &command, "/dev/null"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut input = terminal.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut input, script.as_bytes()).expect("typed");
    let output = terminal.wait_with_output().expect("it ends");
    drop(input);
    assert!(String::from_utf8_lossy(&output.stdout).contains("17 91"), "{output:?}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn what_an_engine_has_is_kept() {
    let host = Host::up("e2e-kept", &["--engine"]);
    host.run("tar -C / -c etc/hostname | docker import - kept:1 && docker volume create kept");
    host.run("mkdir -p /etc/docker && echo '{\"debug\": true, \"x-mine\": 1}' > /etc/docker/daemon.json");
    // An unknown directive stops the engine from coming up again: ours must be found before it is put in place.
    let user = User::new();
    let before = host.engine_start();
    let refused = user.create(&host, "node1", &["--engine-version", "99.9"]);
    assert!(refused.out.contains("which is kept; --engine-version 99.9"), "{}", refused.out);
    refused.failed(1, &["x-mine", "--resume node1"]);
    assert_eq!(host.engine_start(), before);

    host.run("echo '{\"debug\": true, \"dns\": [\"192.0.2.53\"]}' > /etc/docker/daemon.json");
    user.rmachine(&["create", "--resume", "--engine-opt", "dns=192.0.2.54", "node1"]).ok();
    let daemon_json: serde_json::Value =
        serde_json::from_str(&host.run("cat /etc/docker/daemon.json")).expect("daemon.json is JSON");
    assert_eq!(daemon_json["debug"], true);
    assert_eq!(daemon_json["dns"], serde_json::json!(["192.0.2.53", "192.0.2.54"]));
    user.docker("node1", &["image", "inspect", "kept:1"]).ok();
    user.docker("node1", &["volume", "inspect", "kept"]).ok();
}

#[test]
fn a_generic_host_is_rebooted_over_ssh() {
    let host = Host::up("e2e-reboot", &["--engine"]);
    let user = User::new();
    user.create(&host, "node1", &["--generic-ssh-user", "debian"]).ok();
    let update = user.command("docker").args(["update", "--restart", "always", &host.name]).output();
    assert!(update.expect("docker runs").status.success());
    let started = || host.run("cut -d ' ' -f 22 /proc/1/stat");
    let before = started();
    let done = user.rmachine(&["restart", "node1"]).ok();
    assert!(done.out.starts_with("Restarting \"node1\"...\n"), "{}", done.out);
    until("the host is up again", || host.try_run("true").status.success());
    assert_ne!(started(), before, "the host was not rebooted");
    user.docker("node1", &["version"]).ok();
}
