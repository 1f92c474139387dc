//! The driver `digitalocean` against a provider whose droplets are real hosts: what a create request says of keys and
//! user-data is what cloud-init itself makes of it, in a Debian of its own.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rmachine_digitalocean_server::{Cloud, Hosts, Served};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::lab::{Done, Host, User, lab_script, until};

const TOKEN: &str = "dop_v1_e2e_t0ken";
const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/providers/digitalocean/openapi.json");
const PRISM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/prism");

/// Applies user-data as a first boot would, and lets in nobody else.
const FIRST_BOOT: &str = r"
set -e
rm -f /root/.ssh/authorized_keys
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends cloud-init >/dev/null
echo 'datasource_list: [NoCloud]' >/etc/cloud/cloud.cfg.d/90_lab.cfg
cloud-init init --local
cloud-init init
systemctl restart ssh
";

/// Droplets as hosts of the lab.
struct Lab {
    prefix: &'static str,
    up: Arc<Mutex<HashMap<u64, Host>>>,
}

impl Hosts for Lab {
    fn create(&mut self, id: u64, asked: &Value, keys: &[String]) {
        let (name, up) = (format!("{}-{id}", self.prefix), self.up.clone());
        let user_data = asked["user_data"].as_str().unwrap_or_default().to_owned();
        let keys: Vec<String> = keys.to_vec();
        thread::spawn(move || {
            let host = Host::up(&name, &["--engine"]);
            let seed = "/var/lib/cloud/seed/nocloud";
            let meta = serde_json::json!({"instance-id": name, "public-keys": keys}).to_string();
            host.run(&format!("mkdir -p {seed}"));
            put(&name, &format!("{seed}/user-data"), &user_data);
            put(&name, &format!("{seed}/meta-data"), &meta);
            host.run(FIRST_BOOT);
            up.lock().unwrap().insert(id, host);
        });
    }

    fn address(&mut self, id: u64) -> Option<String> {
        Some(self.up.lock().unwrap().get(&id)?.ip.clone())
    }

    fn power(&mut self, id: u64, on: bool) {
        if let Some(host) = self.up.lock().unwrap().get(&id) {
            let act: &[&str] = if on { &["start"] } else { &["stop", "-t", "20"] };
            let done = Command::new("docker").args(act).arg(&host.name).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }

    fn destroy(&mut self, id: u64) {
        self.up.lock().unwrap().remove(&id);
    }
}

fn put(host: &str, path: &str, text: &str) {
    let mut tee = Command::new("docker")
        .args(["exec", "-i", host, "tee", path])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut tee.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(tee.wait().unwrap().success());
}

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
    hosts: Arc<Mutex<HashMap<u64, Host>>>,
    served: Served,
    url: String,
    prism: Option<Prism>,
    _runtime: Runtime,
}

impl Scene {
    fn new(prefix: &'static str) -> Self {
        let hosts = Arc::new(Mutex::new(HashMap::new()));
        let cloud = Cloud::new(TOKEN, Box::new(Lab { prefix, up: hosts.clone() }));
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

    /// Runs as root on the droplet's host, beside SSH.
    fn on_host(&self, command: &str) -> String {
        self.hosts.lock().unwrap().values().next().unwrap().run(command)
    }

    fn assert_clean(&self) {
        assert_eq!(self.cloud.holds(), Vec::<String>::new());
        assert_eq!(self.cloud.violations(), Vec::<String>::new());
    }
}

#[test]
fn a_droplet_from_its_first_to_its_last_day() {
    let scene = Scene::new("do-life").judged();
    let made = scene.create("web1", &["--digitalocean-firewall", "198.51.100.0/24"]).ok();
    assert!(!made.out.contains("seen for the first time"), "its host key was known before:\n{}", made.out);
    assert!(made.out.contains("$6.00 a month"), "{}", made.out);

    // The key of the first boot is gone, there and here.
    let planted = scene.cloud.asked("web1").unwrap()["user_data"].as_str().unwrap().to_owned();
    let now = scene.on_host("cat /etc/ssh/ssh_host_ed25519_key.pub");
    let blob = now.split_whitespace().nth(1).unwrap();
    assert!(!planted.contains(blob), "the host still has the key that the provider has seen");
    let own = std::fs::read_to_string(scene.user.machine_file("web1", "rmachine.json")).unwrap();
    assert!(own.contains(blob) && !scene.user.machine_file("web1", "first_host_key").exists());
    // Exactly the key of the request.
    assert_eq!(scene.on_host("sort -u /root/.ssh/authorized_keys | grep -c ssh-").trim(), "1");

    scene.cloud.forget_log();
    scene.user.docker("web1", &["version"]).ok();
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

    // What was baked needs no engine to be installed.
    let baked = scene.run(&["snapshot", "web1", "baked"]).ok();
    assert!(baked.out.contains("baked"), "{}", baked.out);
    assert!(scene.run(&["snapshot", "--ls", "web1"]).ok().out.contains("baked"));

    for list in ["regions", "sizes", "images"] {
        scene.run(&["digitalocean", list]).ok();
    }
    scene.run(&["rm", "-y", "web1"]).ok();
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
