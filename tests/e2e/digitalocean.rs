//! The driver `digitalocean` against a provider whose droplets are real hosts: what a create request says of keys and
//! user-data is what cloud-init itself makes of it, in a Debian of its own.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;

use rmachine_digitalocean_server::{Accepts, Cloud, Served};
use tokio::runtime::Runtime;

use super::droplets::{Kind, Lab, Shared};
use super::lab::{Done, User, lab_script, until};

const TOKEN: &str = "dop_v1_e2e_t0ken";
const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/providers/digitalocean/openapi.json");
const PRISM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/prism");

/// Holds both sides to the description.
struct Prism {
    child: Child,
    url: String,
}

impl Prism {
    fn before(upstream: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = lab_script(PRISM)
            .args([SPEC, upstream, &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let prism = Self { child, url: format!("http://127.0.0.1:{port}") };
        until("Prism answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        prism
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Scene {
    user: User,
    cloud: Cloud,
    hosts: Shared,
    served: Served,
    url: String,
    prism: Option<Prism>,
    _runtime: Runtime,
}

impl Scene {
    fn new(prefix: &'static str) -> Self {
        Self::of(prefix, Kind::CloudInit)
    }

    fn of(prefix: &'static str, kind: Kind) -> Self {
        let hosts = Shared::default();
        let cloud = Cloud::new(TOKEN, Box::new(Lab::new(prefix, kind, &hosts)));
        cloud.knobs(|k| k.images = Accepts::KnownImages);
        let runtime = Runtime::new().unwrap();
        let served = runtime.block_on(cloud.serve());
        let url = served.url();
        Self { user: User::new(), cloud, hosts, served, url, prism: None, _runtime: runtime }
    }

    fn judged(mut self) -> Self {
        let prism = Prism::before(&self.served.url());
        self.url.clone_from(&prism.url);
        self.prism = Some(prism);
        self
    }

    fn run(&self, args: &[&str]) -> Done {
        self.user.rmachine_in(&[("DIGITALOCEAN_API_URL", &self.url)], args)
    }

    fn create(&self, name: &str, extra: &[&str]) -> Done {
        let mut args = vec!["create", "-d", "digitalocean", "--digitalocean-access-token", TOKEN];
        args.extend(extra);
        args.push(name);
        self.run(&args)
    }

    /// Runs as root on the host of a droplet, beside SSH.
    fn on(&self, droplet: &str, command: &str) -> String {
        let id = self.cloud.droplet(droplet).unwrap()["id"].as_u64().unwrap();
        self.hosts.up.lock().unwrap()[&id].run(command)
    }

    fn assert_clean(&self) {
        assert_eq!(self.cloud.holds(), Vec::<String>::new());
        assert_eq!(self.cloud.violations(), Vec::<String>::new());
    }
}

#[test]
fn a_droplet_from_its_first_to_its_last_day() {
    let scene = Scene::new("do-life").judged();
    let made = scene.create("web1", &["--digitalocean-firewall", "auto"]).ok();
    assert!(!made.out.contains("seen for the first time"), "its host key was known before:\n{}", made.out);
    assert!(made.out.contains("$6.00 a month"), "{}", made.out);

    // The key of the first boot is gone, there and here.
    let planted = scene.cloud.asked("web1").unwrap()["user_data"].as_str().unwrap().to_owned();
    let now = scene.on("web1", "cat /etc/ssh/ssh_host_ed25519_key.pub");
    let blob = now.split_whitespace().nth(1).unwrap();
    assert!(!planted.contains(blob), "the host still has the key that the provider has seen");
    let own = std::fs::read_to_string(scene.user.machine_file("web1", "rmachine.json")).unwrap();
    assert!(own.contains(blob) && !scene.user.machine_file("web1", "first_host_key").exists());
    // Exactly the key of the request.
    assert_eq!(scene.on("web1", "sort -u /root/.ssh/authorized_keys | grep -c ssh-").trim(), "1");

    // Only we get in: the address is what the host saw at the first login.
    let us = scene.cloud.open_to("22");
    assert!(us.len() == 1 && us[0].ends_with("/32") && scene.cloud.open_to("2376") == us, "{us:?}");
    assert!(made.out.contains(&format!("lets in {} alone", us[0])), "{}", made.out);

    scene.cloud.forget_log();
    scene.user.docker("web1", &["version"]).ok();
    for asked in ["ip", "url", "env", "inspect"] {
        scene.run(&[asked, "web1"]).ok();
    }
    assert_eq!(scene.run(&["ssh", "web1", "echo hello"]).ok().out, "hello\n");
    assert_eq!(scene.cloud.calls(), 0, "ssh asks nobody: {:?}", scene.cloud.log());

    let listed = |state: &str| {
        let row = scene.run(&["ls", "-f", "{{.Name}} {{.State}}"]).ok().out;
        assert_eq!(row, format!("web1 {state}\n"));
        assert_eq!(scene.run(&["status", "web1"]).ok().out, format!("{state}\n"));
    };
    listed("Running");
    scene.run(&["stop", "web1"]).ok();
    listed("Stopped");
    scene.run(&["ssh", "web1", "true"]).failed(1, &["is not running"]);
    scene.run(&["start", "web1"]).ok();
    listed("Running");
    scene.run(&["restart", "web1"]).ok();
    scene.user.docker("web1", &["version"]).ok();

    // Somebody who moves is locked out, and lets themselves in again.
    scene.run(&["firewall", "web1", "198.51.100.0/24"]).ok();
    scene.run(&["ssh", "web1", "true"]).failed(1, &["no answer from"]);
    scene.run(&["firewall", "web1"]).ok();
    assert_eq!(scene.run(&["ssh", "web1", "echo hello"]).ok().out, "hello\n");

    for list in ["regions", "sizes", "images"] {
        scene.run(&["digitalocean", list]).ok();
    }
    scene.run(&["rm", "-y", "web1"]).ok();
    scene.assert_clean();
}

/// What was baked has its engine, and nothing of the machine that it was.
#[test]
fn a_machine_from_a_snapshot_has_the_engine_and_is_nobody_else() {
    const ALL: &str = "sort -u /root/.ssh/authorized_keys; cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub; docker info -f \
                       {{.ID}}; sha256sum </etc/docker/server.pem; sha256sum </etc/docker/server-key.pem";
    const INSTALLED: &str = "sha256sum /var/log/dpkg.log /var/lib/dpkg/status; dockerd --version";
    let scene = Scene::new("do-bake");
    scene.create("web1", &["--engine-label", "of=web1"]).ok();
    scene.run(&["ssh", "web1", "docker swarm init && echo here >/root/mine"]).ok();
    scene.run(&["snapshot", "create", "web1", "baked"]).ok();
    assert!(scene.run(&["snapshot", "ls", "web1"]).ok().out.contains("baked"));
    let (before, installed) = (scene.on("web1", ALL), scene.on("web1", INSTALLED));

    let made = scene.create("web2", &["--digitalocean-image", "baked"]).ok();
    assert!(!made.out.contains("seen for the first time"), "its host key was known before:\n{}", made.out);
    assert!(!made.out.contains("Installing"), "{}", made.out);
    assert_eq!(scene.on("web2", INSTALLED), installed, "nothing was installed");
    assert_eq!(scene.on("web2", "cat /root/mine"), "here\n", "it is the disk of web1");
    let after = scene.on("web2", ALL);
    let kept: Vec<&str> = after.lines().filter(|line| before.lines().any(|l| l == *line)).collect();
    assert!(kept.is_empty(), "kept of web1: {kept:#?}");
    assert_eq!(after.lines().count(), 6, "one login, one host key, one of each:\n{after}");
    let swarm = scene.user.docker("web2", &["info", "-f", "{{.Swarm.LocalNodeState}}"]).ok().out;
    assert_eq!(swarm, "inactive\n");
    assert!(!scene.user.labels("web2").contains(&"of=web1".to_owned()));
    // The machine that was baked is untouched.
    assert_eq!(scene.on("web1", ALL), before);
    scene.run(&["rm", "-y", "web1", "web2"]).ok();
    scene.assert_clean();
}

/// An image that reads nothing at its first boot shows by what only it is told that it is the droplet.
#[test]
fn without_cloud_init_the_host_shows_who_it_is() {
    let scene = Scene::of("do-deaf", Kind::Deaf);
    let made = scene.create("web1", &[]).ok();
    assert!(made.out.contains("has shown by what only it is told"), "{}", made.out);
    let key = scene.on("web1", "cat /etc/ssh/ssh_host_ed25519_key.pub");
    let own = std::fs::read_to_string(scene.user.machine_file("web1", "rmachine.json")).unwrap();
    assert!(own.contains(key.split_whitespace().nth(1).unwrap()), "its key is pinned:\n{own}");
    assert!(!scene.user.machine_file("web1", "first_host_key").exists());
    assert_eq!(scene.run(&["ssh", "web1", "echo hello"]).ok().out, "hello\n");
    scene.run(&["rm", "-y", "web1"]).ok();
    scene.assert_clean();
}

/// Somebody in between is not let in, unless the user says that nothing can be known beforehand.
#[test]
fn a_host_that_cannot_show_who_it_is_is_refused() {
    let scene = Scene::of("do-lie", Kind::Lying);
    let words = ["expected SHA256:", "--digitalocean-no-cloud-init", "removed again: all that was made"];
    scene.create("web1", &[]).failed(1, &words);
    assert_eq!(scene.user.phase("web1"), "reserved");
    scene.assert_clean();
    scene.run(&["rm", "-y", "web1"]).ok();
    let told = scene.create("web1", &["--digitalocean-no-cloud-init"]).ok();
    assert!(told.out.contains("unverified") && told.out.contains("seen for the first time"), "{}", told.out);
    scene.run(&["rm", "-y", "web1"]).ok();
    scene.assert_clean();
}

/// Members of a swarm are guarded without being asked: the world gets in nowhere, we to SSH and the engine, they to each
/// other.
#[test]
fn a_swarm_behind_firewalls() {
    let scene = Scene::new("do-swarm");
    let words = [
        "swarm",
        "create",
        "-d",
        "digitalocean",
        "--digitalocean-access-token",
        TOKEN,
        "--workers",
        "1",
        "lab",
    ];
    scene.run(&words).ok();
    let status = scene.run(&["swarm", "status", "lab"]).ok().out;
    assert!(status.contains("lab-m1") && status.contains("lab-w1"), "{status}");
    assert_eq!(scene.cloud.firewalls().len(), 2);
    let manager = scene.cloud.droplet("lab-m1").unwrap();
    let address = manager["networks"]["v4"][1]["ip_address"].as_str().unwrap().to_owned();
    let tried = |port: u16| {
        let knock =
            format!("timeout 3 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo open || echo closed");
        scene.on("lab-w1", &knock)
    };
    assert_eq!(tried(2377), "open\n", "what a swarm says");
    assert_eq!(
        (tried(22), tried(2376)),
        ("closed\n".to_owned(), "closed\n".to_owned()),
        "it is not who made them"
    );
    scene.run(&["rm", "-y", "lab-w1", "lab-m1"]).ok();
    scene.assert_clean();
}

/// Killed while the host changes its key, it is recognised by either.
#[test]
fn killed_between_the_first_and_the_second_host_key() {
    let scene = Scene::new("do-key");
    let own = scene.user.machine_file("web1", "rmachine.json");
    let mut create = scene.user.command(env!("CARGO_BIN_EXE_rmachine"));
    let mut create = create
        .env("DIGITALOCEAN_API_URL", &scene.url)
        .args(["create", "-d", "digitalocean", "--digitalocean-access-token", TOKEN])
        .args(["--digitalocean-ssh-user", "admin", "web1"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The new key is noted before the host uses it.
    let noted = || std::fs::read_to_string(&own).is_ok_and(|text| text.contains("\"NextHostKey\""));
    while !noted() {
        assert!(create.try_wait().unwrap().is_none(), "it ended before it changed the key");
        thread::yield_now();
    }
    create.kill().unwrap();
    create.wait().unwrap();
    scene.run(&["create", "--resume", "web1"]).ok();
    assert!(!scene.user.machine_file("web1", "first_host_key").exists());
    assert_eq!(scene.run(&["ssh", "web1", "whoami"]).ok().out, "admin\n");
    scene.run(&["rm", "-y", "web1"]).ok();
    scene.assert_clean();
}
