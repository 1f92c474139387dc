//! Machines that are containers: made, used, stopped, lost and removed, with nothing left at the engine.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::e2e::docker_user::{Owner, docker};
use crate::e2e::lab::{Done, Host, Running, User, until};

impl Owner {
    fn args<'a>(&'a self, name: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["create", "-d", "docker", "--docker-network", &self.network];
        args.extend(extra);
        args.push(name);
        args
    }

    fn create(&self, name: &str, extra: &[&str]) -> Done {
        self.user.rmachine(&self.args(name, extra))
    }

    fn create_until(&self, name: &str, word: &str) -> Running {
        self.user.start_until(&self.args(name, &[]), word)
    }

    fn rm(&self, name: &str) {
        self.user.rmachine(&["rm", "-y", name]).ok();
    }

    fn address(&self, name: &str) -> String {
        self.user.rmachine(&["ip", name]).ok().out.trim().to_owned()
    }

    fn status(&self, name: &str) -> String {
        self.user.rmachine(&["status", name]).ok().out.trim().to_owned()
    }
}

#[test]
fn a_machine_from_its_first_to_its_last_day() {
    let owner = Owner::new("rm-e2e-life");
    let user = &owner.user;
    let made = owner.create("dd-life", &["--docker-memory", "1g", "--engine-label", "env=test"]).ok();
    assert!(!made.out.contains("seen for the first time"), "its host key was known before:\n{}", made.out);
    let own = std::fs::read_to_string(user.machine_file("dd-life", "rmachine.json")).expect("rmachine.json");
    let host_key = docker(&["exec", "dd-life", "cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).ok().out;
    assert!(own.contains(host_key.rsplit_once(' ').expect("a comment").0), "{own}\n{host_key}");

    // A container inside, with Debian's own busybox, since there may be no registry.
    let install = "apt-get update -qq && apt-get install -y -qq busybox-static >/dev/null 2>&1";
    user.rmachine(&["ssh", "dd-life", install]).ok();
    user.rmachine(&["ssh", "dd-life", "tar -C / -c bin/busybox | docker import - busybox"]).ok();
    let run = ["run", "--name", "inner", "busybox", "/bin/busybox", "echo", "hello"];
    assert_eq!(user.docker("dd-life", &run).ok().out, "hello\n");
    let labels = user.docker("dd-life", &["info", "-f", "{{.Labels}}"]).ok().out;
    assert!(labels.contains("env=test") && labels.contains("provider=docker"), "{labels}");

    let address = owner.address("dd-life");
    for (down, up) in [("stop", "start"), ("kill", "start"), ("", "restart")] {
        if !down.is_empty() {
            user.rmachine(&[down, "dd-life"]).ok();
            assert_eq!(owner.status("dd-life"), "Stopped", "after {down}");
            assert!(user.ls_row("dd-life").contains("Stopped"));
            user.rmachine(&[down, "dd-life"]).failed(1, &["is already stopped"]);
        }
        user.rmachine(&[up, "dd-life"]).ok();
        assert_eq!(owner.status("dd-life"), "Running", "after {up}");
        assert_eq!(owner.address("dd-life"), address, "after {up}");
        assert_eq!(user.docker("dd-life", &["ps", "-aq"]).ok().out.lines().count(), 1, "after {up}");
    }
    owner.rm("dd-life");
    assert_eq!(owner.left(), "");
}

#[test]
fn an_engine_starts_once_and_not_before_it_is_configured() {
    let owner = Owner::new("rm-e2e-once");
    let made = owner.create("dd-once", &["--engine-opt", "log-driver=local"]).ok();
    // It found everything at its first start: nothing was written to it afterwards.
    assert!(!made.out.contains("Setting Docker configuration"), "{}", made.out);
    let started = "journalctl -u docker.service -o cat --no-pager | grep -c '^Starting docker.service'";
    assert_eq!(owner.user.rmachine(&["ssh", "dd-once", started]).ok().out, "1\n");
    let driver = owner.user.docker("dd-once", &["info", "-f", "{{.LoggingDriver}}"]).ok().out;
    assert_eq!(driver, "local\n");
    let keys = "cd /etc/docker && stat -c '%a %n' server-key.pem; test ! -e /etc/ssh/ssh_host_rsa_key";
    assert_eq!(owner.user.rmachine(&["ssh", "dd-once", keys]).ok().out, "600 server-key.pem\n");
    let again = owner.user.rmachine(&["provision", "dd-once"]).ok();
    assert!(!again.out.contains("Setting Docker configuration"), "{}", again.out);
    owner.rm("dd-once");
}

/// What it found at its first start it cannot live with: told as for any other host, and mended as there.
#[test]
fn an_engine_that_cannot_start_with_what_it_was_given() {
    let owner = Owner::new("rm-e2e-nope");
    let failed = owner.create("dd-nope", &["--engine-opt", "storage-driver=nope"]);
    failed.failed(
        1,
        &[
            "the engine does not come up",
            "driver=nope",
            "is configured as was wanted, and down",
            "create --resume dd-nope",
        ],
    );
    owner.user.rmachine(&["create", "--resume", "--engine-opt", "log-driver=local", "dd-nope"]).ok();
    let driver = owner.user.docker("dd-nope", &["info", "-f", "{{.LoggingDriver}}"]).ok().out;
    assert_eq!(driver, "local\n");
    owner.rm("dd-nope");
    assert_eq!(owner.left(), "");
}

#[test]
fn a_machine_whose_network_was_pruned_gets_it_back() {
    let owner = Owner::new("rm-e2e-pruned");
    owner.create("dd-pruned", &[]).ok();
    let address = owner.address("dd-pruned");
    let range =
        docker(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", &owner.network]).ok();
    let prune = || {
        owner.user.rmachine(&["stop", "dd-pruned"]).ok();
        docker(&["network", "rm", &owner.network]).ok();
    };
    prune();
    owner.user.rmachine(&["start", "dd-pruned"]).ok();
    assert_eq!(owner.address("dd-pruned"), address);
    owner.user.docker("dd-pruned", &["version"]).ok();

    // Its range is somebody else's by now.
    prune();
    let other = format!("{}-other", owner.network);
    docker(&["network", "create", "--subnet", range.out.trim(), &other]).ok();
    let moved = owner.user.rmachine(&["start", "dd-pruned"]);
    docker(&["network", "rm", &other]).ok();
    assert_ne!(owner.address("dd-pruned"), address);
    let said = moved.ok().out;
    for words in
        [&format!("Its address was {address}"), "`rmachine provision dd-pruned` gives it a new certificate"]
    {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    owner.user.rmachine(&["provision", "dd-pruned"]).ok();
    owner.user.docker("dd-pruned", &["version"]).ok();
    owner.rm("dd-pruned");
    assert_eq!(owner.left(), "");
}

#[test]
fn killed_at_any_moment_a_create_is_removed_without_a_trace() {
    let owner = Owner::new("rm-e2e-killed");
    // As each phase begins, and within the driver's own.
    for word in [
        "Running pre-create checks...",
        "Waiting for machine to be running",
        "Waiting for SSH to be available...",
        "Provisioning with",
        "Copying certs to the local machine directory...",
        "Checking connection to Docker...",
    ] {
        owner.create_until("dd-killed", word).kill_9();
        if owner.user.machine_file("dd-killed", "rmachine.json").exists() {
            owner.rm("dd-killed");
        }
        assert_eq!(owner.left(), "", "killed at {word:?}");
    }
    for milliseconds in [0, 15, 40, 80, 130, 200, 300, 450, 700, 1000, 1500] {
        let create = owner.create_until("dd-killed", "Creating machine...");
        std::thread::sleep(Duration::from_millis(milliseconds));
        create.kill_9();
        owner.rm("dd-killed");
        assert_eq!(owner.left(), "", "killed {milliseconds} ms after the driver began");
    }
}

#[test]
fn killed_at_any_moment_a_create_is_resumed() {
    let owner = Owner::new("rm-e2e-resumed");
    for milliseconds in [0, 60, 180, 400, 900] {
        let create = owner.create_until("dd-resumed", "Creating machine...");
        std::thread::sleep(Duration::from_millis(milliseconds));
        create.kill_9();
        if owner.user.phase("dd-resumed") != "ready" {
            owner.user.rmachine(&["create", "--resume", "dd-resumed"]).ok();
        }
        owner.user.docker("dd-resumed", &["version"]).ok();
        let containers = docker(&["ps", "-aq", "--filter", &owner.label()]).out;
        assert_eq!(containers.lines().count(), 1, "killed after {milliseconds} ms");
        owner.rm("dd-resumed");
    }
    assert_eq!(owner.left(), "");
}

/// Two processes that make a network at the same instant get two of the same name, on which no container can be made.
#[test]
fn a_network_that_was_made_twice_becomes_one() {
    let owner = Owner::new("rm-e2e-twice");
    for third in [1, 2] {
        let name = &owner.network;
        let body = format!(
            r#"{{"Name":"{name}","CheckDuplicate":false,"Driver":"bridge","Labels":{{"rmachine.network":"{name}"}},
            "IPAM":{{"Config":[{{"Subnet":"10.231.{third}.0/24","IPRange":"10.231.{third}.128/25"}}]}}}}"#
        );
        let words =
            ["-fsS", "--unix-socket", "/var/run/docker.sock", "-H", "Content-Type: application/json", "-d"];
        let made = Command::new("curl")
            .args(words)
            .args([&body, "http://localhost/networks/create"])
            .output()
            .expect("curl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let networks = || docker(&["network", "ls", "-q", "--filter", &format!("name={}", owner.network)]).out;
    assert_eq!(networks().lines().count(), 2);
    owner.create("dd-twice", &[]).ok();
    assert_eq!(networks().lines().count(), 1);
    owner.rm("dd-twice");
    assert_eq!(owner.left(), "");
}

#[test]
fn two_stores_share_a_network_and_the_last_one_removes_it() {
    let (one, two) = (Owner::new("rm-e2e-shared"), Owner::new("rm-e2e-shared"));
    std::thread::scope(|scope| {
        scope.spawn(|| one.create("dd-shared-1", &[]).ok());
        scope.spawn(|| two.create("dd-shared-2", &[]).ok());
    });
    assert_ne!(one.address("dd-shared-1"), two.address("dd-shared-2"));
    // A stopped machine keeps its address while others come and go.
    one.user.rmachine(&["stop", "dd-shared-1"]).ok();
    let address = one.address("dd-shared-1");
    two.create("dd-shared-3", &[]).ok();
    assert_ne!(two.address("dd-shared-3"), address);
    two.user.rmachine(&["rm", "-y", "dd-shared-2", "dd-shared-3"]).ok();
    one.user.rmachine(&["start", "dd-shared-1"]).ok();
    assert_eq!(one.address("dd-shared-1"), address);
    one.rm("dd-shared-1");
    assert_eq!(docker(&["network", "ls", "-q", "--filter", "name=rm-e2e-shared"]).out, "");
}

#[test]
fn a_machine_behind_published_ports() {
    let owner = Owner::new("rm-e2e-published");
    let options =
        ["--docker-publish", "--docker-hostname", "web.example", "--docker-volume", "/etc:/outer:ro"];
    owner.create("dd-published", &options).ok();
    let url = owner.user.rmachine(&["url", "dd-published"]).ok().out;
    assert!(url.starts_with("tcp://127.0.0.1:2"), "{url}");
    let seen = owner.user.rmachine(&["ssh", "dd-published", "test -e /outer/passwd && echo yes"]).ok().out;
    assert_eq!(seen, "yes\n");
    owner.user.rmachine(&["restart", "dd-published"]).ok();
    assert_eq!(owner.user.rmachine(&["url", "dd-published"]).ok().out, url);
    owner.user.docker("dd-published", &["version"]).ok();
    owner.rm("dd-published");
    assert_eq!(owner.left(), "");
}

/// As on a computer where the engine is in a virtual machine: nothing but ports of 127.0.0.1 leads to the machines.
#[test]
fn a_swarm_behind_published_ports() {
    let owner = Owner::new("rm-e2e-pubswarm");
    let user = &owner.user;
    let words = ["swarm", "create", "-d", "docker", "--docker-network", &owner.network, "--docker-publish"];
    let made = user.rmachine(&[&words[..], &["--managers", "1", "--workers", "1", "dd-pub"]].concat()).ok();
    assert!(made.out.contains("Publishing its SSH and its engine on 127.0.0.1, ports "), "{}", made.out);
    let urls = user.rmachine(&["ls", "-f", "{{.URL}}"]).ok().out;
    let ports: Vec<&str> = urls.lines().filter_map(|u| u.strip_prefix("tcp://127.0.0.1:")).collect();
    assert!(ports.len() == 2 && ports[0] != ports[1], "{urls}");
    let nodes = user.docker("dd-pub-m1", &["node", "ls", "--format", "{{.Status}}"]).ok().out;
    assert_eq!(nodes, "Ready\nReady\n");

    // A port that somebody else takes while its machine is down.
    user.rmachine(&["stop", "dd-pub-w1"]).ok();
    let url = user.rmachine(&["url", "dd-pub-w1"]).ok().out;
    let port: u16 = url.trim().rsplit_once(':').expect("a port").1.parse().expect("a number");
    let thief = std::net::TcpListener::bind(("127.0.0.1", port)).expect("it is free");
    let refused = user.rmachine(&["start", "dd-pub-w1"]);
    refused.failed(1, &[&port.to_string(), "already", "ss -ltnp"]);
    drop(thief);
    user.rmachine(&["start", "dd-pub-w1"]).ok();
    assert_eq!(user.rmachine(&["url", "dd-pub-w1"]).ok().out, url);
    user.docker("dd-pub-w1", &["version"]).ok();
    user.rmachine(&["rm", "-y", "-f", "dd-pub-m1", "dd-pub-w1"]).ok();
    assert_eq!(owner.left(), "");
}

#[test]
fn the_options_reach_the_container_and_the_image() {
    let owner = Owner::new("rm-e2e-options");
    docker(&["tag", "rmachine-lab:trixie", "debian:rmachine-options"]).ok();
    let options = [
        "--docker-cpus",
        "1.5",
        "--docker-port",
        "127.0.0.1:0:80",
        "--docker-volume",
        "dd-options-data:/data",
    ];
    owner.create("dd-options", &options).failed(1, &["--docker-port", "[[IP:]HOST:]MACHINE[/udp]"]);
    let vars = [
        ("RMACHINE_DOCKER_SUITE", "rmachine-options"),
        ("RMACHINE_DOCKER_PACKAGE", "busybox-static"),
        ("RMACHINE_DOCKER_NO_ENGINE", "true"),
        ("RMACHINE_DOCKER_MEMORY", "768m"),
        ("RMACHINE_DOCKER_HOSTNAME", "db.example"),
    ];
    let options = [
        "--docker-cpus",
        "1.5",
        "--docker-port",
        "127.0.0.1::80",
        "--docker-volume",
        "dd-options-data:/data",
    ];
    let words = owner.args("dd-options", &[&options[..], &["--engine-install", "distro"]].concat());
    let made = owner.user.rmachine_in(&vars, &words).ok().out;
    assert!(made.contains("Building the node image rmachine-node:rmachine-options-"), "{made}");
    assert!(made.contains("Installing Docker..."), "{made}");
    let asked = |format: &str| docker(&["inspect", "-f", format, "dd-options"]).ok().out;
    assert_eq!(asked("{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}"), "805306368 1500000000\n");
    let port = asked("{{(index .NetworkSettings.Ports \"80/tcp\" 0).HostPort}}");
    let ssh = |command: &str| owner.user.rmachine(&["ssh", "dd-options", command]).ok().out;
    assert_eq!(ssh("hostname; findmnt -n -o TARGET /data"), "db.example\n/data\n");
    ssh("mkdir /www; echo served >/www/x; busybox httpd -h /www -p 80");
    let mut stream =
        std::net::TcpStream::connect(format!("127.0.0.1:{}", port.trim())).expect("it is published");
    let mut answer = String::new();
    std::io::Write::write_all(&mut stream, b"GET /x HTTP/1.0\r\n\r\n").expect("asked");
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("answered");
    assert!(answer.ends_with("served\n"), "{answer}");
    owner.user.docker("dd-options", &["version"]).ok();

    let image = asked("{{.Config.Image}}");
    let image = image.trim();
    owner.user.rmachine(&["node-image", "rm", image]).failed(1, &["in use by 1 containers"]);
    owner.rm("dd-options");
    assert_eq!(owner.left(), "", "a volume that was named stays, and bears no label");
    docker(&["volume", "rm", "dd-options-data"]).ok();
    owner.user.rmachine(&["node-image", "rm", image]).ok();
    docker(&["rmi", "debian:rmachine-options"]).ok();
}

#[test]
fn a_container_that_somebody_removed_is_an_error_until_rm() {
    let owner = Owner::new("rm-e2e-vanished");
    owner.create("dd-vanished", &[]).ok();
    docker(&["rm", "-f", "dd-vanished"]).ok();
    assert!(!owner.left().is_empty(), "its volumes are still there");
    let row = owner.user.ls_row("dd-vanished");
    assert!(row.contains("Error") && row.contains("somebody removed it"), "{row}");
    owner
        .user
        .rmachine(&["start", "dd-vanished"])
        .failed(1, &["is gone: somebody removed it", "rm dd-vanished"]);
    owner.rm("dd-vanished");
    assert_eq!(owner.left(), "");
}

#[test]
fn a_strangers_container_keeps_its_name_and_its_peace() {
    let owner = Owner::new("rm-e2e-foreign");
    docker(&["rm", "-f", "dd-foreign"]);
    let id = docker(&["create", "--name", "dd-foreign", "rmachine-lab:trixie", "true"]).ok().out;
    owner.create("dd-foreign", &[]).failed(3, &["already", "rmachine did not make it", "another name"]);
    assert_eq!(docker(&["inspect", "-f", "{{.Id}}", "dd-foreign"]).ok().out, id);
    assert_eq!(owner.user.rmachine(&["ls", "-q"]).ok().out, "");
    docker(&["rm", "dd-foreign"]).ok();
    assert_eq!(owner.left(), "");
}

#[test]
fn without_an_engine_nothing_is_made() {
    let owner = Owner::new("rm-e2e-none");
    let with = |host: &str, args: &[&str]| owner.user.rmachine_in(&[("DOCKER_HOST", host)], args);
    with("unix:///nowhere.sock", &["create", "-d", "docker", "dd-none"])
        .failed(3, &["no engine answers at unix:///nowhere.sock", "apt-get install docker.io"]);
    with("tcp://127.0.0.1:1", &["create", "-d", "docker", "dd-none"])
        .failed(3, &["no engine answers at tcp://127.0.0.1:1", "connection refused"]);
    with("ssh://x", &["create", "-d", "docker", "dd-none"]).failed(1, &["engines behind SSH"]);
    let image = ["create", "-d", "docker", "--docker-image", "no-such:image", "dd-none"];
    owner.user.rmachine(&image).failed(3, &["the engine has no image", "no-such:image"]);
    assert_eq!(owner.user.rmachine(&["ls", "-q"]).ok().out, "");
}

#[test]
fn the_default_is_what_works_here() {
    let owner = Owner::new("rm-e2e-default");
    let taken = owner.user.rmachine(&["create", "--dry-run", "dd-default"]).ok().out;
    let begin =
        "No driver is named: taking \"docker\", because the engine at unix:///var/run/docker.sock answers.";
    assert!(taken.starts_with(begin), "{taken}");
    // As the docker CLI has written it down.
    let socket = "host=unix:///run/docker.sock";
    let made = owner.user.command("docker").args(["context", "create", "mine", "--docker", socket]).output();
    assert!(made.expect("docker runs").status.success());
    let context = [("DOCKER_CONTEXT", "mine")];
    let taken = owner.user.rmachine_in(&context, &["create", "--dry-run", "dd-default"]).ok().out;
    assert!(
        taken.contains("the engine at unix:///run/docker.sock of the docker context \"mine\" answers"),
        "{taken}"
    );
    let wrong =
        owner.user.rmachine_in(&[("DOCKER_CONTEXT", "yours")], &["create", "-d", "docker", "dd-default"]);
    wrong.failed(1, &["the docker context \"yours\"", "docker context ls"]);
    let nowhere = [("DOCKER_HOST", "unix:///nowhere.sock")];
    let taken = owner.user.rmachine_in(&nowhere, &["create", "--dry-run", "dd-default"]);
    assert!(format!("{taken:?}").contains("virtualbox"), "{taken:?}");
    let named =
        owner.user.rmachine(&["create", "--dry-run", "-d", "none", "--url", "tcp://x:1", "dd-default"]).ok();
    assert!(!named.out.contains("No driver is named"), "{}", named.out);
}

/// Root may open any socket, so it is somebody else who tries.
#[test]
fn without_permission_the_way_to_get_it_is_told() {
    let owner = Owner::new("rm-e2e-denied");
    let root = Command::new("id").arg("-u").output().expect("id runs").stdout == b"0\n";
    let store = tempfile::tempdir().expect("a store");
    make_open(store.path());
    let binary = env!("CARGO_BIN_EXE_rmachine");
    let mut command = owner.user.command(if root { "setpriv" } else { binary });
    if root {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", binary]);
    }
    let store = store.path().join("s");
    command.arg("-s").arg(store).args(["create", "-d", "docker", "dd-denied"]).stdin(Stdio::null());
    let output = command.current_dir("/").output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(
        told.contains("no permission to use the engine") && told.contains("usermod -aG docker"),
        "{told}"
    );
}

fn make_open(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("open to all");
}

/// From a base image that is there under Debian's name, as where a registry answers.
#[test]
fn a_build_that_fails_says_why_and_leaves_nothing() {
    let owner = Owner::new("rm-e2e-broken");
    docker(&["tag", "rmachine-lab:trixie", "debian:rmachine-broken"]).ok();
    let options = ["--docker-suite", "rmachine-broken", "--docker-package", "no-such-package"];
    let failed = owner.create("dd-broken", &options).failed(
        1,
        &["the node image cannot be built: Unable to locate package no-such-package", "rm dd-broken"],
    );
    owner.rm("dd-broken");
    docker(&["rmi", "debian:rmachine-broken"]).ok();
    let (_, named) = failed.out.split_once("rmachine-node:rmachine-broken-").expect("the image's name");
    let recipe = format!("label=rmachine.node.recipe={}", &named[..12]);
    assert_eq!(docker(&["images", "-aq", "--filter", &recipe]).ok().out, "");
    assert_eq!(owner.left(), "");
}

#[test]
fn an_image_is_built_listed_and_removed() {
    let owner = Owner::new("rm-e2e-image");
    docker(&["tag", "rmachine-lab:trixie", "debian:rmachine-base"]).ok();
    let build = ["node-image", "build", "--docker-suite", "rmachine-base", "--docker-no-engine"];
    let built = owner.user.rmachine(&build).ok().out;
    let name = built.lines().last().expect("a name").to_owned();
    assert!(name.starts_with("rmachine-node:rmachine-base-"), "{built}");
    let row = |list: &str| list.lines().find(|l| l.starts_with(&name)).map(str::to_owned);
    let listed = row(&owner.user.rmachine(&["node-image", "ls"]).ok().out).expect("it is listed");
    assert!(listed.ends_with("0         yes"), "{listed}");
    owner.user.rmachine(&["node-image", "rm", &name]).ok();
    assert_eq!(row(&owner.user.rmachine(&["node-image", "ls"]).ok().out), None);
    owner.user.rmachine(&["node-image", "rm", &name]).failed(1, &["There is no node image"]);
    docker(&["rmi", "debian:rmachine-base"]).ok();
}

/// An engine of its own, on another host and with next to no room, and a root file system that is made here.
#[test]
fn an_engine_without_room_says_so_and_is_left_clean() {
    let host = Host::up("e2e-no-room", &["--engine", "--tmpfs", "/small:size=80m"]);
    host.run(
        "systemd-run --quiet dockerd -H tcp://0.0.0.0:2375 --data-root /small --exec-root /run/small --pidfile \
         /run/small.pid --bridge=none --iptables=false",
    );
    until("the small engine answers", || {
        host.try_run("docker -H tcp://127.0.0.1:2375 version").status.success()
    });
    let user = User::new();
    let bin = user.home().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    let fake = "#!/bin/sh\ncd \"$(mktemp -d)\" && head -c 200M /dev/zero >big && tar -c big; rm big\n";
    for (name, text) in [("mmdebstrap", fake), ("id", "#!/bin/sh\necho 0\n")] {
        std::fs::write(bin.join(name), text).expect("a script");
        make_open(&bin.join(name));
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let engine = format!("tcp://{}:2375", host.ip);
    let done = user.rmachine_in(&[("DOCKER_HOST", &engine), ("PATH", &path)], &["node-image", "build"]);
    done.failed(1, &["the node image cannot be built", "no space left on device", "docker system prune"]);
    assert_eq!(host.run("docker -H tcp://127.0.0.1:2375 images -aq"), "");

    // Nor is there room for a container of an image that is there.
    host.run("tar -C / -c etc/hostname | docker -H tcp://127.0.0.1:2375 import - tiny && cat /dev/zero >/small/full || true");
    let create = ["create", "-d", "docker", "--docker-image", "tiny", "dd-full"];
    let done = user.rmachine_in(&[("DOCKER_HOST", &engine)], &create);
    done.failed(1, &["no space left on device", "docker system prune", "rmachine rm dd-full"]);
    assert_eq!(host.run("docker -H tcp://127.0.0.1:2375 ps -aq"), "");
    user.rmachine(&["rm", "-y", "dd-full"]).ok();
    let all =
        "for what in network volume; do docker -H tcp://127.0.0.1:2375 $what ls --format '{{.Name}}'; done";
    assert_eq!(host.run(all), "host\nnone\n");
}
