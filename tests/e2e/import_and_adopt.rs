//! Machines that come from other computers, and engines that are somebody else's.

use std::fs;
use std::process::Stdio;

use crate::e2e::lab::{Host, User, key};

fn export(user: &User, names: &[&str], file: &std::path::Path) {
    let out = fs::File::create(file).unwrap();
    let mut command = user.command(env!("CARGO_BIN_EXE_rmachine"));
    assert!(command.arg("export").args(names).stdout(out).stderr(Stdio::null()).status().unwrap().success());
}

#[test]
fn an_imported_machine_works_beside_machines_of_another_ca() {
    let (a, b) = (Host::up("verbs-import-a", &["--engine"]), Host::up("verbs-import-b", &["--engine"]));
    let (office, laptop) = (User::new(), User::new());
    office.create(&a, "node1", &["--generic-ssh-user", "debian"]).ok();
    laptop.create(&b, "node1", &[]).ok();
    let archive = laptop.home().join("a.tar");
    export(&office, &["node1"], &archive);
    // Nothing of the office is needed any more.
    fs::remove_dir_all(office.store()).unwrap();
    laptop.rmachine(&["import", "a.tar"]).failed(1, &["already exists", "--rename node1=NEW"]);
    laptop.rmachine(&["import", "--rename", "node1=office1", "a.tar"]).ok();
    assert!(laptop.ls_row("office1").contains("v26."), "{}", laptop.ls_row("office1"));
    assert_eq!(laptop.rmachine(&["ssh", "office1", "id", "-un"]).ok().out, "debian\n");
    laptop.rmachine(&["env", "--check", "office1"]).ok();
    laptop.docker("office1", &["version"]).ok();
    laptop.docker("node1", &["version"]).ok();
    let before = a.engine_start();
    laptop.rmachine(&["regenerate-certs", "-f", "office1"]).failed(1, &["its key is missing"]);
    assert_eq!(a.engine_start(), before);
    // Taken over, it hangs on the laptop's own CA.
    laptop.rmachine(&["regenerate-certs", "-f", "--client-certs", "office1"]).ok();
    laptop.docker("office1", &["version"]).ok();
    let ca = |path: &str| fs::read(laptop.store().join(path)).unwrap();
    assert_eq!(ca("machines/office1/ca.pem"), ca("certs/ca.pem"));
}

/// All that could change on a host by being adopted.
fn print_of(host: &Host) -> String {
    host.run(
        "find /etc /usr/lib/systemd /root /home -type f ! -path '*/.ansible/*' -exec sha256sum {} + | sort -k 2 | sha256sum; \
         find /etc -printf '%p %m %u %T@ %C@\\n' | sort | sha256sum; systemctl show -p \
         ActiveEnterTimestamp,ExecMainPID,DropInPaths docker; hostname; docker info -f '{{.ID}} {{json .Labels}}'",
    )
}

#[test]
fn an_adopted_engine_is_left_as_it_is() {
    let host = Host::up("verbs-adopt", &["--engine"]);
    let user = User::new();
    let before = print_of(&host);
    let key = key();
    let adopt = ["adopt", "--generic-ip-address", &host.ip, "--generic-ssh-key", &key, "old"];
    let done = user.rmachine(&adopt).ok();
    assert!(done.out.contains("Adopted old: its engine is Docker 26."), "{}", done.out);
    let url = format!("ssh://root@{}:22", host.ip);
    let row = user.ls_row("old");
    assert!(row.contains("Running") && row.contains(&url) && row.contains("v26."), "{row}");
    assert_eq!(user.rmachine(&["url", "old"]).ok().out, format!("{url}\n"));
    assert_eq!(user.rmachine(&["ip", "old"]).ok().out, format!("{}\n", host.ip));
    assert_eq!(
        user.rmachine(&["version", "old"]).ok().out,
        host.run("docker version -f '{{.Server.Version}}'")
    );
    user.rmachine(&["ssh", "old", "true"]).ok();
    assert!(user.rmachine(&["env", "old"]).ok().out.contains(&format!("DOCKER_HOST=\"{url}\"")));
    assert_eq!(user.rmachine(&["config", "old"]).ok().out, format!("-H={url}\n"));
    for verb in [&["provision", "old"][..], &["upgrade", "old"], &["regenerate-certs", "-f", "old"]] {
        user.rmachine(verb).failed(1, &["\"old\" was adopted", "provision --force old"]);
    }
    user.rmachine(&adopt).failed(1, &["Docker machine \"old\" already exists"]);
    user.rmachine(&["rm", "-y", "old"]).ok();
    assert_eq!(print_of(&host), before, "something on the host was changed");

    // A user who may not use the socket finds out before anything is noted down.
    let plain = [
        "adopt",
        "--generic-ip-address",
        &host.ip,
        "--generic-ssh-user",
        "plain",
        "--generic-ssh-key",
        &key,
        "p",
    ];
    user.rmachine(&plain).failed(3, &["the engine of \"p\" does not answer", "group docker"]);
    assert_eq!(user.rmachine(&["ls", "-q"]).ok().out, "");

    // By its port, with the files of whoever configured it.
    let other = User::new();
    other.create(&host, "theirs", &[]).ok();
    let file = |name: &str| other.machine_file("theirs", name).display().to_string();
    let before = print_of(&host);
    let tcp = format!("tcp://{}:2376", host.ip);
    user.rmachine(&[
        "adopt",
        "--url",
        &tcp,
        "--tls-ca-cert",
        &file("ca.pem"),
        "--tls-cert",
        &file("cert.pem"),
        "--tls-key",
        &file("key.pem"),
        "port",
    ])
    .ok();
    fs::remove_dir_all(other.store()).unwrap();
    user.docker("port", &["version"]).ok();
    assert!(user.ls_row("port").contains("v26."));
    user.rmachine(&["provision", "--force", "port"]).failed(1, &["no host to provision"]);
    assert_eq!(print_of(&host), before, "something on the host was changed");

    // Taken over on purpose, it is a machine like any other.
    user.rmachine(&adopt).ok();
    user.rmachine(&["provision", "--force", "old"]).ok();
    user.docker("old", &["version"]).ok();
    assert!(user.ls_row("old").contains("tcp://"));
}
