//! Stores that docker-machine made: its machines are listed, reached and provisioned.

use std::fs;

use crate::e2e::lab::{Host, User, key};

#[test]
fn a_machine_of_docker_machines_is_ours_too() {
    let host = Host::up("e2e-store", &["--engine"]);
    // docker-machine's way: every flag in the drop-in, and no daemon.json.
    let user = User::new();
    user.create(&host, "node1", &["--generic-ssh-user", "debian", "--engine-label", "a=b"]).ok();
    let dockerd = host.run("command -v dockerd");
    host.run(&format!(
        "rm /etc/docker/daemon.json; printf '%s\\n' '[Service]' ExecStart= 'ExecStart={} -H tcp://0.0.0.0:2376 \
         -H unix:///var/run/docker.sock --storage-driver overlay2 --tlsverify --tlscacert /etc/docker/ca.pem --tlscert \
         /etc/docker/server.pem --tlskey /etc/docker/server-key.pem --label a=b --label provider=generic ' \
         Environment= > /etc/systemd/system/docker.service.d/10-machine.conf; systemctl daemon-reload; \
         systemctl restart docker",
        dockerd.trim()
    ));
    fs::remove_file(user.machine_file("node1", "rmachine.json")).expect("removed");

    assert!(user.ls_row("node1").contains("Running"));
    user.docker("node1", &["version"]).ok();
    assert_eq!(user.rmachine(&["ssh", "node1", "id", "-un"]).ok().out, "debian\n");
    user.rmachine(&["provision", "node1"]).ok();
    let drop_in = host.run("cat /etc/systemd/system/docker.service.d/10-machine.conf");
    assert!(!drop_in.contains("--label"), "the flags were not taken over: {drop_in}");
    assert_eq!(user.labels("node1"), ["a=b", "provider=generic"]);
}

#[test]
fn ssh_config_names_user_port_and_key() {
    let host = Host::up("e2e-sshconfig", &["--engine"]);
    let user = User::new();
    let ssh = user.home().join(".ssh");
    fs::create_dir(&ssh).expect("made");
    let config = format!("Host box\n  HostName {}\n  User debian\n  IdentityFile {}\n", host.ip, key());
    fs::write(ssh.join("config"), config).expect("written");
    user.rmachine(&["create", "-d", "generic", "--generic-ip-address", "box", "node1"]).ok();
    assert_eq!(user.rmachine(&["ip", "node1"]).ok().out, format!("{}\n", host.ip));
    assert_eq!(user.rmachine(&["ssh", "node1", "id", "-un"]).ok().out, "debian\n");
    let inspected = user.rmachine(&["inspect", "-f", "{{.Driver.SSHUser}}:{{.Driver.SSHPort}}", "node1"]);
    assert_eq!(inspected.ok().out, "debian:22\n");
}

/// Nothing of it can be reached from here but through another host, and everything works but the docker CLI.
#[test]
fn a_host_behind_a_jump_host() {
    let jump = Host::up("e2e-jump", &["--engine"]);
    let host = Host::up("e2e-behind", &["--engine"]);
    let gateway = host.run("ip route show default | cut -d ' ' -f 3");
    host.run(&format!("iptables -I INPUT -s {} -j DROP", gateway.trim()));
    let user = User::new();
    let ssh = user.home().join(".ssh");
    fs::create_dir(&ssh).expect("made");
    let key = key();
    let config = format!(
        "Host jump\n  HostName {}\n  User debian\n  IdentityFile {key}\nHost inner\n  HostName {}\n  ProxyJump jump\n",
        jump.ip, host.ip
    );
    fs::write(ssh.join("config"), config).expect("written");
    let create =
        ["create", "-d", "generic", "--generic-ip-address", "inner", "--generic-ssh-key", &key, "node1"];
    // A jump host is somebody else's: its key is the user's own to accept.
    user.rmachine(&create).failed(1, &["jump host", "known_hosts"]);
    let public = jump.run("cat /etc/ssh/ssh_host_ed25519_key.pub");
    fs::write(ssh.join("known_hosts"), format!("{} {public}", jump.ip)).expect("written");
    let made = user.rmachine(&["create", "--resume", "node1"]).ok();
    assert!(made.out.contains("jump host"), "{}", made.out);
    assert_eq!(user.rmachine(&["ssh", "node1", "hostname"]).ok().out, "node1\n");
    assert!(user.ls_row("node1").contains("Running"), "{}", user.ls_row("node1"));
    assert_eq!(user.rmachine(&["status", "node1"]).ok().out, "Running\n");
}
