//! Stacks on swarms of machines that are containers: deployed, looked at through their pages, failing as they should,
//! removed.
//!
//! There is no registry: `tests/lab/stacks` makes the images from Debian's packages.

mod declared;
mod files;
mod seen;

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::e2e::docker_user::Owner;
use crate::e2e::lab::{Done, Running, lab_script};

const STACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/stacks");
const TERMINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/stacks/terminal.py");

/// A user with a cluster.
pub struct Stage {
    pub owner: Owner,
    pub cluster: &'static str,
    pub nodes: &'static [&'static str],
}

impl Stage {
    pub fn rm(&self, words: &[&str]) -> Done {
        self.owner.user.rmachine(words)
    }

    /// Runs something on a node as its root.
    pub fn on(&self, node: &str, command: &str) -> String {
        self.rm(&["ssh", node, command]).ok().out
    }

    pub fn deploy(&self, stack: &str, settings: &[&str]) -> Done {
        self.deploy_with(stack, &[], settings)
    }

    pub fn deploy_with(&self, stack: &str, flags: &[&str], settings: &[&str]) -> Done {
        let mut words = [&["stack", "deploy", self.cluster, stack], flags].concat();
        settings.iter().for_each(|s| words.extend(["--set", s]));
        self.rm(&words)
    }

    /// The images into all nodes at once.
    pub fn load_images(&self) {
        let archive = archive();
        let loads: Vec<_> = self
            .nodes
            .iter()
            .map(|node| {
                let mut load = self.owner.user.command(env!("CARGO_BIN_EXE_rmachine"));
                load.args(["ssh", node, "docker", "load"]).stdin(File::open(&archive).expect("the archive"));
                load.stdout(Stdio::null()).spawn().expect("rmachine starts")
            })
            .collect();
        for mut load in loads {
            assert!(load.wait().expect("it ends").success(), "the images were not loaded");
        }
    }

    /// Keeps a page open on a port of this computer.
    pub fn open(&self, words: &[&str]) -> Page {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let (port, url) = (free.to_string(), format!("http://127.0.0.1:{free}"));
        let words: Vec<_> =
            ["stack", "open", self.cluster].iter().chain(words).copied().chain(["--port", &port]).collect();
        let running = self.owner.user.start_until(&words, &url);
        Page { url, running: Some(running) }
    }

    /// All that the swarm knows of a stack beside its volumes.
    pub fn left(&self, stack: &str) -> String {
        let kinds = ["service", "config", "secret", "network"];
        let list = |kind| format!("docker {kind} ls -q --filter label=com.docker.stack.namespace={stack}");
        self.on(self.nodes[0], &kinds.map(list).join("; "))
    }

    /// Runs rmachine in a terminal of that size, and does these things there; see terminal.py.
    pub fn in_a_terminal(&self, words: &[&str], steps: &Value) -> Value {
        let mut python = self.owner.user.command("/usr/bin/python3");
        python.args([TERMINAL, &steps.to_string(), env!("CARGO_BIN_EXE_rmachine")]).args(words);
        let output = python.output().expect("python3 runs; tests/run installs it");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&said)
            .unwrap_or_else(|e| panic!("{e}: {said}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

pub fn with<'a>(settings: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    settings.iter().chain(more).copied().collect()
}

pub struct Page {
    pub url: String,
    running: Option<Running>,
}

impl Page {
    pub fn get(&self, path: &str) -> Option<String> {
        let answer = Command::new("curl").args(["-fsS", "-m", "5", &format!("{}{path}", self.url)]).output();
        let answer = answer.expect("curl runs");
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned())
    }

    pub fn json(&self, path: &str) -> Value {
        self.get(path).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// How the targets of a job are, by address.
    pub fn targets(&self, job: &str) -> Vec<(String, String)> {
        let all = self.json("/api/v1/targets");
        let targets = all["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        let of_job = targets.iter().filter(|t| t["labels"]["job"] == job);
        let word = |t: &Value, key: &str| t[key].as_str().unwrap_or_default().to_owned();
        of_job
            .map(|t| {
                let node = t["labels"]["node"].as_str().unwrap_or_default().to_owned();
                (node, word(t, "health"))
            })
            .collect()
    }

    pub fn all_up(&self, job: &str, nodes: usize) -> bool {
        let targets = self.targets(job);
        targets.len() == nodes && targets.iter().all(|(_, health)| health == "up")
    }

    pub fn fires(&self, alert: &str) -> bool {
        let all = self.json("/api/v1/alerts");
        let alerts = all["data"]["alerts"].as_array().cloned().unwrap_or_default();
        alerts.iter().any(|a| a["labels"]["alertname"] == alert && a["state"] == "firing")
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // As Ctrl-C would.
            running.signal("-INT").failed(130, &[]);
        }
    }
}

/// What lies where is said by the script that made it.
pub fn archive() -> PathBuf {
    let made = lab_script(STACKS).stderr(Stdio::inherit()).output().expect("tests/lab/stacks runs");
    assert!(made.status.success(), "tests/lab/stacks failed");
    PathBuf::from(String::from_utf8_lossy(&made.stdout).trim())
}

/// Slow things: gossip between engines takes up a node that came back after a minute at most.
#[track_caller]
pub fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(150);
    while !holds() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(250));
    }
}
