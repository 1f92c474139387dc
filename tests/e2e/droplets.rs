//! Droplets as hosts of the lab: what a create request says of keys, user-data and images, and what a firewall says of
//! callers, is what becomes of them.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rmachine_digitalocean_server::Hosts;
use serde_json::Value;
use tempfile::TempDir;

use super::lab::{Host, lab_dir};

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

/// The provider's metadata service, which the host alone can ask.
const METADATA: &str = r#"
set -e
ip address add 169.254.169.254/32 dev lo
cat >/run/systemd/system/metadata.socket <<'END'
[Socket]
ListenStream=169.254.169.254:80
FreeBind=yes
Accept=yes
END
cat >/run/systemd/system/metadata@.service <<'END'
[Service]
ExecStart=/bin/sh -c 'while read -r line && [ "$${#line}" -gt 1 ]; do :; done; printf "HTTP/1.0 200 OK\r\n\r\n"; cat /run/metadata'
StandardInput=socket
StandardOutput=socket
END
systemctl daemon-reload
systemctl start metadata.socket
"#;

/// What images do at their first boot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    CloudInit,
    /// Nothing: keys are put in from outside.
    Deaf,
    /// The same, and somebody else answers in the place of the metadata service.
    Lying,
}

/// What tests want to know of the hosts.
#[derive(Clone, Default)]
pub struct Shared {
    pub up: Arc<Mutex<HashMap<u64, Host>>>,
    /// As iptables has them.
    guards: Arc<Mutex<HashMap<u64, String>>>,
}

pub struct Lab {
    prefix: &'static str,
    kind: Kind,
    shared: Shared,
    /// Snapshots: an image, and what lies on the volumes of its engine.
    images: HashMap<u64, (String, TempDir)>,
}

impl Lab {
    pub fn new(prefix: &'static str, kind: Kind, shared: &Shared) -> Self {
        Self { prefix, kind, shared: shared.clone(), images: HashMap::new() }
    }

    fn name(&self, id: u64) -> String {
        format!("{}-{id}", self.prefix)
    }
}

impl Hosts for Lab {
    fn create(&mut self, id: u64, asked: &Value, keys: &[String]) {
        let (name, kind, shared) = (self.name(id), self.kind, self.shared.clone());
        let user_data = asked["user_data"].as_str().unwrap_or_default().to_owned();
        let meta = serde_json::json!({"instance-id": name, "public-keys": keys}).to_string();
        let keys = keys.join("\n");
        let image = asked["image"].as_u64().and_then(|id| self.images.get(&id));
        let baked = image.map(|(image, disk)| (image.clone(), seeded(disk.path(), &user_data, &meta)));
        let was_baked = baked.is_some();
        thread::spawn(move || {
            let host = match baked {
                // cloud-init is in it, and runs when systemd has it run.
                Some((image, seed)) => {
                    let seed = seed.path().to_str().unwrap();
                    let host = Host::up(&name, &["--from", &image, "--seed", seed, "--keep-address"]);
                    host.run("cloud-init status --wait >/dev/null");
                    host
                }
                None => Host::up(&name, &["--engine", "--keep-address"]),
            };
            if was_baked {
                // It has been told all before its first start.
            } else if kind == Kind::CloudInit {
                let seed = "/var/lib/cloud/seed/nocloud";
                host.run(&format!("mkdir -p {seed}"));
                put(&name, &format!("{seed}/user-data"), &user_data);
                put(&name, &format!("{seed}/meta-data"), &meta);
                host.run(FIRST_BOOT);
            } else {
                put(&name, "/root/.ssh/authorized_keys", &format!("{keys}\n"));
                let lie = "#cloud-config\n{}\n".to_owned();
                put(&name, "/run/metadata", if kind == Kind::Lying { &lie } else { &user_data });
                host.run(METADATA);
            }
            let mut up = shared.up.lock().unwrap();
            if let Some(rules) = shared.guards.lock().unwrap().get(&id) {
                host.run(rules);
            }
            up.insert(id, host);
        });
    }

    fn address(&mut self, id: u64) -> Option<String> {
        Some(self.shared.up.lock().unwrap().get(&id)?.ip.clone())
    }

    fn power(&mut self, id: u64, on: bool) {
        if let Some(host) = self.shared.up.lock().unwrap().get(&id) {
            let act: &[&str] = if on { &["start"] } else { &["stop", "-t", "20"] };
            docker(&[act, &[&host.name]].concat());
            if let Some(rules) = self.shared.guards.lock().unwrap().get(&id).filter(|_| on) {
                host.run(rules);
            }
        }
    }

    fn destroy(&mut self, id: u64) {
        self.shared.up.lock().unwrap().remove(&id);
        self.shared.guards.lock().unwrap().remove(&id);
    }

    fn guard(&mut self, id: u64, inbound: Option<&[Value]>) {
        let script = iptables(inbound);
        let up = self.shared.up.lock().unwrap();
        let before = self.shared.guards.lock().unwrap().insert(id, script.clone());
        if let Some(host) = up.get(&id).filter(|_| before.as_ref() != Some(&script)) {
            host.run(&script);
        }
    }

    /// The disk: the container's own, and of the engine's volume what says who it is. Layers stay behind, since they cannot
    /// be carried through a tar.
    fn snapshot(&mut self, id: u64, snapshot: u64) {
        let host = self.name(id);
        let image = format!("rmachine-lab:{}-{snapshot}", self.prefix);
        docker(&["commit", &host, &image]);
        let disk = TempDir::new().unwrap();
        let engine = disk.path().join("var/lib/docker");
        std::fs::create_dir_all(&engine).unwrap();
        for part in ["swarm", "engine-id"] {
            docker(&["cp", &format!("{host}:/var/lib/docker/{part}"), engine.to_str().unwrap()]);
        }
        self.images.insert(snapshot, (image, disk));
    }

    /// The lab's own network is what droplets share.
    fn range(&self) -> String {
        let subnet = "{{(index .IPAM.Config 0).Subnet}}";
        docker(&["network", "inspect", "rmachine-lab", "-f", subnet]).trim().to_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (image, _) in self.images.values() {
            docker(&["rmi", "-f", image]);
        }
    }
}

/// The disk of a snapshot, with what its new droplet is told.
fn seeded(disk: &Path, user_data: &str, meta: &str) -> TempDir {
    let seed = TempDir::new_in(lab_dir()).unwrap();
    let told = seed.path().join("var/lib/cloud/seed/nocloud");
    std::fs::create_dir_all(&told).unwrap();
    std::fs::write(told.join("user-data"), user_data).unwrap();
    std::fs::write(told.join("meta-data"), meta).unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(disk.join("var/lib/docker")).arg(seed.path().join("var/lib"));
    assert!(copy.status().unwrap().success());
    seed
}

/// Nothing but these rules, and what was connected before.
fn iptables(inbound: Option<&[Value]>) -> String {
    let Some(rules) = inbound else { return "iptables -w -P INPUT ACCEPT; iptables -w -F INPUT".to_owned() };
    let mut script =
        "set -e; iptables -w -P INPUT ACCEPT; iptables -w -F INPUT; iptables -w -A INPUT -i lo -j ACCEPT\n\
        iptables -w -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n"
            .to_owned();
    for rule in rules {
        let text = |key: &str| rule[key].as_str().unwrap();
        let sources = rule["sources"]["addresses"].as_array().unwrap().iter().map(|a| a.as_str().unwrap());
        for source in sources.filter(|s| !s.contains(':')) {
            let (protocol, port) = (text("protocol"), text("ports"));
            script += &format!("iptables -w -A INPUT -p {protocol} --dport {port} -s {source} -j ACCEPT\n");
        }
    }
    script + "iptables -w -P INPUT DROP"
}

pub fn docker(args: &[&str]) -> String {
    let done = Command::new("docker").args(args).output().unwrap();
    assert!(done.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
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
