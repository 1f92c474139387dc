//! Engines as others have them: on cgroup v2, with a registry that answers or does not, without mmdebstrap, with users
//! who share one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::e2e::computer::Computer;
use crate::e2e::lab::until;

/// An engine that sees the unified hierarchy alone, with a containerd of its own, which has to see the same mounts. This
/// kernel's controllers are with v1: what v2 has here is the hierarchy.
const CGROUP2: &str = r#"systemctl stop docker.socket docker.service containerd.service
cat >/usr/local/sbin/unified <<'END'
set -e
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/computer
echo $$ >/sys/fs/cgroup/computer/cgroup.procs
exec dockerd --exec-opt native.cgroupdriver=cgroupfs
END
systemd-run --quiet unshare --mount sh /usr/local/sbin/unified"#;

#[test]
fn a_machine_on_cgroup_v2() {
    let computer = Computer::up("e2e-cgroup2", &["--engine"]);
    computer.run(CGROUP2);
    computer.until_engine_answers();
    computer.give_image();
    assert_eq!(computer.run("docker info -f '{{.CgroupVersion}}' 2>/dev/null"), "2\n");
    let controllers = computer.run("docker info -f '{{.CPUCfsQuota}}' 2>/dev/null");
    if controllers == "false\n" {
        let refused = computer.rmachine(&["create", "--docker-cpus", "1.5", "unified"]);
        refused.failed(3, &["cannot limit a container's CPUs", "leave --docker-cpus out"]);
    }
    computer.rmachine(&["create", "unified"]).ok();
    let inside = |command: &str| computer.rmachine(&["ssh", "unified", command]).ok().out;
    assert_eq!(inside("stat -f -c %T /sys/fs/cgroup"), "cgroup2fs\n");
    assert_eq!(inside("systemctl is-system-running --wait"), "running\n");
    assert_eq!(inside("docker info -f '{{.CgroupVersion}}' 2>/dev/null"), "2\n");
    inside("apt-get update -qq && apt-get install -y -qq busybox-static >/dev/null 2>&1");
    inside("tar -C / -c bin/busybox | docker import - busybox");
    assert_eq!(inside("docker run --name inner busybox /bin/busybox echo hello"), "hello\n");
    let address = computer.rmachine(&["ip", "unified"]).ok().out;
    for words in [&["stop"][..], &["start"], &["restart"], &["kill"], &["start"]] {
        computer.rmachine(&[words, &["unified"]].concat()).ok();
    }
    assert_eq!(computer.rmachine(&["ip", "unified"]).ok().out, address);
    assert_eq!(inside("docker start -a inner"), "hello\n");
    computer.rmachine(&["rm", "-y", "unified"]).ok();
    assert_eq!(computer.left(), "");
}

/// Builds the node image and kills that when it says this; what it said until then.
fn kill_build_at(computer: &Computer, word: &str) -> String {
    let mut build = computer.command_as("root", "rmachine", &["--progress", "json", "node-image", "build"]);
    let mut build = build.stdout(Stdio::piped()).spawn().expect("docker runs");
    let lines = BufReader::new(build.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let told: Vec<String> = lines.take_while(|line| !line.contains(word)).collect();
    computer.run("kill -9 $(pidof rmachine)");
    build.wait().expect("it ends");
    told.join("\n")
}

const REGISTRY: &str = r#"apt-get update -qq
apt-get install -y -qq --no-install-recommends docker-registry mmdebstrap >/dev/null 2>&1
systemctl disable --quiet --now docker-registry
printf '%s\n' 'version: 0.1' 'storage: {filesystem: {rootdirectory: /root/registry}}' 'http: {addr: "127.0.0.1:5000"}' >/root/registry.yml
systemd-run --quiet docker-registry serve /root/registry.yml
image=127.0.0.1:5000/library/debian:trixie
mmdebstrap --variant=minbase trixie - 2>/dev/null | docker import - $image
docker push --quiet $image
docker rmi $image
apt-get purge -y -qq mmdebstrap >/dev/null 2>&1"#;

/// Debian's own image from a registry; a build that is killed, and two users who build at once and share no lock.
#[test]
fn an_image_from_a_registry() {
    let computer = Computer::up("e2e-registry", &["--engine"]);
    computer.run(REGISTRY);
    computer.configure_engine(r#"{"registry-mirrors": ["http://127.0.0.1:5000"]}"#);
    let images = |filter: &str| computer.run(&format!("docker images -aq {filter}"));

    let told = kill_build_at(&computer, "Unpacking systemd");
    assert!(told.contains("pulling debian:trixie"), "{told}");
    assert!(!told.contains("making a root file system"), "{told}");
    until("the engine has given up the build", || computer.left().is_empty());
    assert!(
        !images("--filter dangling=true").is_empty(),
        "what was built so far, for the next build to sweep"
    );

    computer.run("gpasswd -a debian docker; gpasswd -a plain docker");
    thread::scope(|scope| {
        for user in ["debian", "plain"] {
            let computer = &computer;
            scope.spawn(move || computer.rmachine_as(user, &["node-image", "build"]).ok());
        }
    });
    assert_eq!(images("--filter dangling=true"), "", "half of an image, or a second one, is left");
    assert_eq!(computer.left(), "");
    let list = computer.rmachine(&["node-image", "ls"]).ok().out;
    assert_eq!(list.lines().filter(|l| l.ends_with("0         yes")).count(), 1, "{list}");
    let made = computer.rmachine(&["create", "registered"]).ok().out;
    assert!(!made.contains("Building the node image"), "{made}");
    computer.rmachine(&["ssh", "registered", "docker version"]).ok();
    computer.rmachine(&["rm", "-y", "registered"]).ok();
    assert_eq!(computer.left(), "");
}

/// What a registry on this computer answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    TooMany,
    Broken,
    /// The image's description, and no more than a few bytes of the image.
    HalfWay,
}

struct Registry {
    address: String,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    fn start(address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port on the lab's network");
        let address = listener.local_addr().expect("its address").to_string();
        let (mood, asked) = (Arc::new(Mutex::new(Mood::TooMany)), Arc::<Mutex<Vec<String>>>::default());
        let (its_mood, log) = (mood.clone(), asked.clone());
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 4096];
                let read = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = answer(*its_mood.lock().unwrap(), &path);
                log.lock().unwrap().push(path);
                // A client that has seen enough may go away.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, mood, asked }
    }
}

fn answer(mood: Mood, path: &str) -> String {
    let http = |status: &str, kind: &str, length: usize, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n\r\n{body}"
        )
    };
    let json = "application/json";
    let manifest_type = "application/vnd.docker.distribution.manifest.v2+json";
    let digest = format!("sha256:{}", "a".repeat(64));
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{manifest_type}","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":1000,"digest":"{digest}"}},"layers":[{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":1000,"digest":"{digest}"}}]}}"#
    );
    match mood {
        _ if path == "/v2/" => http("200 OK", json, 2, "{}"),
        Mood::TooMany => {
            let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}"#;
            http("429 Too Many Requests", json, body.len(), body)
        }
        Mood::Broken => http("500 Internal Server Error", "text/plain", 4, "oops"),
        Mood::HalfWay if path.contains("/manifests/") => {
            http("200 OK", manifest_type, manifest.len(), &manifest)
        }
        Mood::HalfWay => http("200 OK", "application/octet-stream", 1000, "a few bytes"),
    }
}

/// On a network without a way out, so that there is no other registry than this one and no archive.
#[test]
fn registries_that_fail_and_a_computer_without_a_way_out() {
    let computer = Computer::up("e2e-no-registry", &["--engine", "--no-internet"]);
    // Names fail at once.
    computer.run("echo nameserver 127.0.0.1 >/etc/resolv.conf");
    // This computer's own address there is the first.
    let (subnet, _) = computer.host.ip.rsplit_once('.').expect("an address");
    let registry = Registry::start(&format!("{subnet}.1"));
    computer.configure_engine(&format!(
        r#"{{"registry-mirrors": ["http://{}"], "max-download-attempts": 1}}"#,
        registry.address
    ));

    // Neither a registry nor what makes a root file system.
    let refused = computer.rmachine(&["create", "-d", "docker", "nothing"]);
    let words = [
        "the engine cannot get debian:trixie",
        "neither mmdebstrap nor debootstrap",
        "apt-get install mmdebstrap",
    ];
    refused.failed(1, &words);
    computer.rmachine(&["rm", "-y", "nothing"]).ok();
    assert_eq!((computer.left(), computer.run("docker images -aq")), (String::new(), String::new()));

    computer.run(
        "printf '#!/bin/sh\\ntar -C / -c etc/hostname\\n' >/usr/local/bin/mmdebstrap; chmod 755 /usr/local/bin/mmdebstrap",
    );
    for mood in [Mood::TooMany, Mood::Broken, Mood::HalfWay] {
        *registry.mood.lock().unwrap() = mood;
        registry.asked.lock().unwrap().clear();
        let built = computer.rmachine(&["node-image", "build"]).ok().out;
        assert!(built.contains("No base image from a registry ("), "{mood:?}: {built}");
        assert!(built.contains("making a root file system here"), "{mood:?}: {built}");
        let asked = registry.asked.lock().unwrap().join(" ");
        assert!(asked.contains("/manifests/trixie"), "{mood:?}: {asked}");
        assert_eq!(asked.contains("/blobs/"), mood == Mood::HalfWay, "{mood:?}: {asked}");
        computer.rmachine(&["node-image", "rm", "--all"]).ok();
        assert_eq!(computer.run("docker images -aq"), "", "{mood:?}");
    }

    // What makes a root file system cannot get at the archive.
    computer
        .run("printf '#!/bin/sh\\necho E: no archive answers >&2; exit 25\\n' >/usr/local/bin/mmdebstrap");
    let failed = computer.rmachine(&["create", "-d", "docker", "nothing"]);
    failed.failed(1, &["the node image cannot be built", "no archive answers", "rm nothing"]);
    computer.rmachine(&["rm", "-y", "nothing"]).ok();
    assert_eq!((computer.left(), computer.run("docker images -aq")), (String::new(), String::new()));
    assert_eq!(
        computer.run("ls /tmp /var/tmp | grep rmachine-node || true"),
        "",
        "the builder's folder is left"
    );
}

/// Where only debootstrap is; and what a build that is killed on the way leaves on the computer.
#[test]
fn debootstrap_makes_an_image_too() {
    let computer = Computer::up("e2e-debootstrap", &["--engine"]);
    computer.run(
        "apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap >/dev/null 2>&1",
    );
    // The archive is reached without TLS, a registry is not.
    computer.run("iptables -I OUTPUT -p tcp --dport 443 -j REJECT");

    kill_build_at(&computer, "Unpacking systemd");
    until("debootstrap has ended too", || computer.run("pgrep -f '[r]machine-node-' || true").is_empty());
    assert_eq!(computer.run("grep rmachine-node- /proc/self/mounts || true"), "");

    let built = computer.rmachine(&["node-image", "build"]).ok().out;
    assert!(built.contains("No base image from a registry ("), "{built}");
    assert_eq!(
        computer.run("ls /tmp /var/tmp | grep rmachine-node || true"),
        "",
        "a builder's folder is left"
    );
    assert_eq!(computer.run("docker images -aq --filter dangling=true"), "");
    computer.rmachine(&["create", "bootstrapped"]).ok();
    let state = computer.rmachine(&["ssh", "bootstrapped", "systemctl is-system-running --wait"]).ok().out;
    assert_eq!(state, "running\n");
    computer.rmachine(&["ssh", "bootstrapped", "docker version"]).ok();
    computer.rmachine(&["rm", "-y", "bootstrapped"]).ok();
    assert_eq!(computer.left(), "");
}

/// Their stores and their folders for locks are their own: it is the engine that says what is taken.
#[test]
fn two_users_of_one_engine_make_machines_at_once() {
    let computer = Computer::up("e2e-two-users", &["--engine"]);
    computer.give_image();
    computer.run("gpasswd -a debian docker; gpasswd -a plain docker");
    let users = ["debian", "plain"];
    thread::scope(|scope| {
        for user in users {
            let computer = &computer;
            let names = format!("{user}-{{1..3}}");
            scope.spawn(move || computer.rmachine_as(user, &["create", &names]).ok());
        }
    });
    let addresses =
        "docker inspect -f '{{.NetworkSettings.Networks.rmachine.IPAddress}}' $(docker ps -q) | sort -u";
    assert_eq!(computer.run(addresses).lines().count(), 6);
    for user in users {
        let own =
            computer.rmachine_as(user, &["ls", "-f", "{{.Name}} {{.State}} {{.DockerVersion}}"]).ok().out;
        assert_eq!(
            own.lines().filter(|l| l.starts_with(user) && l.contains(" Running v")).count(),
            3,
            "{own}"
        );
        // What the other one's store knows is not this one's to prune.
        assert_eq!(computer.rmachine_as(user, &["prune", "-y"]).ok().out, "Nothing to prune.\n");
        let one = format!("{user}-1");
        computer.rmachine_as(user, &["rm", "-y", &one, &format!("{user}-2"), &format!("{user}-3")]).ok();
    }
    assert_eq!(computer.left(), "");
}
