//! What hosts do to us: one clear error each, what was there is there, and the next command works.

use std::process::Command;

use crate::e2e::lab::{Host, User, key};

#[test]
fn an_engine_that_does_not_come_up_gets_its_old_configuration_back() {
    let host = Host::up("e2e-rollback", &["--engine"]);
    rolled_back(&host, "trixie");
}

/// Its engine is too old for `--validate`.
#[test]
fn so_does_bookworms() {
    let host = Host::up("e2e-rollback-bookworm", &["--engine", "--suite", "bookworm"]);
    rolled_back(&host, "bookworm");
}

fn rolled_back(host: &Host, suite: &str) {
    let user = User::new();
    host.run("mkdir -p /etc/docker && echo '{\"debug\": true}' > /etc/docker/daemon.json");
    let failed = user.create(host, "node1", &["--engine-opt", "storage-driver=nope"]);
    // The engine's own words, what is in force now, and what to do.
    let words = ["driver not supported", "old configuration", "--resume node1"];
    failed.failed(1, &words);
    assert!(host.engine_is_up(), "{suite}: the engine is down");
    assert_eq!(host.run("cat /etc/docker/daemon.json").trim(), "{\"debug\": true}");
    assert!(!host.try_run("ls /etc/docker/server-key.pem /etc/docker/.rmachine-pending").status.success());
    assert!(user.ls_row("node1").contains("phase reachable"));
    user.rmachine(&["create", "--resume", "--engine-opt", "log-driver=local", "node1"]).ok();
    assert_eq!(user.docker("node1", &["info", "-f", "{{.LoggingDriver}}"]).ok().out, "local\n");
    assert_eq!(user.phase("node1"), "ready");

    // Of a machine that works, what its host refused is not tried again.
    user.rmachine(&["provision", "--engine-opt", "storage-driver=nope", "node1"])
        .failed(1, &["old configuration"]);
    user.rmachine(&["provision", "node1"]).ok();
    assert!(host.engine_is_up());
}

#[test]
fn keys_and_users_that_are_refused() {
    let host = Host::up("e2e-refused", &["--engine"]);
    let user = User::new();
    let other = user.home().join("id_other");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other).status();
    assert!(made.expect("ssh-keygen runs").success());
    let other = format!("--generic-ssh-key={}", other.display());
    user.create(&host, "wrongkey", &[&other])
        .failed(1, &["did not let root in", "id_other", "--resume wrongkey"]);
    user.create(&host, "nobody", &["--generic-ssh-user", "ghost"])
        .failed(1, &["did not let ghost in", &host.ip]);
    for name in ["wrongkey", "nobody"] {
        assert!(user.ls_row(name).contains("phase created"));
        user.rmachine(&["rm", "-y", name]).ok();
    }
}

#[test]
fn users_without_enough_privilege() {
    let host = Host::up("e2e-sudo", &["--engine"]);
    let user = User::new();
    let before = host.engine_start();
    let failed = user.create(&host, "plain", &["--generic-ssh-user", "plain"]);
    failed.failed(1, &["sudo", "password", "NOPASSWD", "--resume plain"]);
    user.create(&host, "nosudo", &["--generic-ssh-user", "nosudo"]).failed(1, &["nosudo", "--resume nosudo"]);
    assert_eq!(host.engine_start(), before);
    assert!(!host.try_run("test -e /etc/docker/ca.pem").status.success());
}

#[test]
fn a_full_disk() {
    let host = Host::up("e2e-full", &["--engine", "--tmpfs", "/etc/docker:size=64k"]);
    host.run("head -c 64k /dev/zero > /etc/docker/ballast || true");
    let user = User::new();
    user.create(&host, "node1", &[]).failed(1, &["full at /etc/docker", "--resume node1"]);
    assert!(host.engine_is_up());
    host.run("rm /etc/docker/ballast");
    user.rmachine(&["create", "--resume", "node1"]).ok();
    user.docker("node1", &["version"]).ok();
}

#[test]
fn a_distribution_that_is_not_known() {
    let host = Host::up("e2e-distribution", &["--engine"]);
    host.run("rm /etc/os-release; printf 'ID=slackware\\nPRETTY_NAME=\"Slackware 15\"\\n' > /etc/os-release");
    let user = User::new();
    user.create(&host, "node1", &[]).failed(1, &["Slackware 15", "Debian"]);
    // A relative is as good as the family.
    host.run("printf 'ID=linuxmint\\nID_LIKE=\"ubuntu debian\"\\nVERSION_ID=22\\n' > /etc/os-release");
    user.rmachine(&["create", "--resume", "node1"]).ok();
}

#[test]
fn an_engine_port_that_is_closed_to_us() {
    let host = Host::up("e2e-closed", &["--engine"]);
    host.run("iptables -I INPUT -p tcp --dport 2376 ! -i lo -j REJECT --reject-with tcp-reset");
    let user = User::new();
    user.create(&host, "node1", &[]).failed(1, &["2376", "firewall"]);
    assert_eq!(user.phase("node1"), "provisioned");
    host.run("iptables -D INPUT 1");
    user.rmachine(&["create", "--resume", "node1"]).ok();
}

#[test]
fn an_encrypted_key_needs_its_agent() {
    let host = Host::up("e2e-agent", &["--engine"]);
    let user = User::new();
    let locked = user.home().join("id_locked");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "secret", "-f"]).arg(&locked).status();
    assert!(made.expect("ssh-keygen runs").success());
    let public = std::fs::read_to_string(locked.with_extension("pub")).expect("a public key");
    host.run(&format!("echo '{}' >> /root/.ssh/authorized_keys", public.trim()));
    let flag = format!("--generic-ssh-key={}", locked.display());
    user.create(&host, "node1", &[&flag]).failed(1, &["passphrase", "ssh-add"]);
    user.rmachine(&["rm", "-y", "node1"]).ok();
    // With the agent holding it, the same words work.
    let askpass = user.home().join("askpass");
    std::fs::write(&askpass, "#!/bin/sh\necho secret\n").expect("written");
    let line = format!(
        "chmod +x {askpass}; eval $(ssh-agent) >/dev/null; trap 'kill $SSH_AGENT_PID' EXIT; \
         SSH_ASKPASS={askpass} SSH_ASKPASS_REQUIRE=force ssh-add -q {key} </dev/null && \
         {rmachine} create -d generic --generic-ip-address {ip} --generic-ssh-key {key} node1",
        askpass = askpass.display(),
        key = locked.display(),
        rmachine = env!("CARGO_BIN_EXE_rmachine"),
        ip = host.ip,
    );
    let output = user.command("bash").args(["-c", &line]).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_ne!(locked.to_string_lossy(), key());
}
