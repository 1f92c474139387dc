//! VirtualBox in mounts, processes and mostly a network of its own, and a user who runs rmachine there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/virtualbox");

/// What `tests/virtualbox/root` made.
pub fn lab() -> &'static Path {
    static LAB: OnceLock<PathBuf> = OnceLock::new();
    LAB.get_or_init(|| {
        let mut root = Command::new(format!("{SCRIPTS}/root"));
        let output = root.env("CARGO_TARGET_DIR", target()).output().expect("tests/virtualbox/root runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().into()
    })
}

/// More of it, that not every test needs.
pub fn made_by(script: &str) {
    let mut script = Command::new(format!("{SCRIPTS}/{script}"));
    let output = script.arg(lab()).env("CARGO_TARGET_DIR", target()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp lies in its target folder")
}

/// A disk image that boots a small Linux.
pub fn guest() -> PathBuf {
    lab().join("guest.img")
}

/// What behaves as boot2docker's ISO did.
pub fn boot2docker() -> PathBuf {
    lab().join("boot2docker.iso")
}

pub struct Scene {
    dir: TempDir,
    holder: Child,
    /// The first process inside.
    inside: u32,
    id: String,
    vars: Vec<(String, String)>,
}

impl Scene {
    /// With a network of its own, where adapters can be made.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// On this computer's network, where NAT has somewhere to go.
    pub fn on_this_network() -> Self {
        Self::with(&[("VBOX_NETWORK", "1")])
    }

    pub fn with(vars: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = TempDir::with_prefix("rmachine-vbox-").expect("a folder");
        for folder in ["bin", "H", "S"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder in it");
        }
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut apart = Command::new(format!("{SCRIPTS}/apart"));
        apart.args(["sh", "-c", "echo ready; exec sleep infinity"]);
        apart.env("VBOX_LAB", lab()).env("VBOX_SHARE", dir.path()).envs(vars.iter().copied());
        let mut holder = apart.stdout(Stdio::piped()).spawn().expect("tests/virtualbox/apart runs");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let children = std::fs::read_to_string(children).expect("the process inside");
        let inside = children.split_whitespace().next().and_then(|c| c.parse().ok()).expect("one");
        let scene = Self { dir, holder, inside, id, vars: Vec::new() };
        scene.vbox(&["setextradata", "global", "VBoxInternal/HM/FallbackToIEM", "1"]);
        scene
    }

    /// What the stand-in for VBoxManage does beside calling the real one.
    pub fn set(&mut self, key: &str, value: &str) {
        self.vars.retain(|(k, _)| k != key);
        self.vars.push((key.to_owned(), value.to_owned()));
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    fn command(&self, program: &str, log: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.inside.to_string(), "--mount", "--net", "--pid", "--", program]);
        command.env_clear().current_dir(self.path("H"));
        command.env("PATH", format!("{SCRIPTS}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"));
        for (key, folder) in
            [("HOME", "H"), ("MACHINE_STORAGE_PATH", "S"), ("VBOX_SHARE", ""), ("XDG_RUNTIME_DIR", "run")]
        {
            command.env(key, self.path(folder));
        }
        // The folder itself, without a slash at its end.
        command.env("VBOX_SHARE", self.dir.path()).env("VBOX_LAB", lab()).env("VBOX_ID", &self.id);
        command.env("USER", "tester").env("TERM", "dumb").env("VBOX_LOG", self.path(log));
        command
    }

    /// rmachine with these words, split as a shell would.
    pub fn rmachine(&self, words: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_rmachine"), "log");
        let words = shlex::split(words).expect("words");
        command.args(words).envs(self.vars.iter().map(|(k, v)| (k, v)));
        command
    }

    pub fn run(&self, words: &str) -> Done {
        Done::of(self.rmachine(words).stdin(Stdio::null()).output().expect("rmachine runs"))
    }

    #[track_caller]
    pub fn ok(&self, words: &str) -> String {
        let done = self.run(words);
        assert_eq!(done.code, Some(0), "{words}: {done:?}");
        done.out
    }

    /// VBoxManage, by hand: not counted among rmachine's calls.
    #[track_caller]
    pub fn vbox(&self, words: &[&str]) -> String {
        let mut done = self.try_vbox(words);
        // Its service ends five seconds after its last client, and refuses who comes just then.
        for _ in 0..5 {
            if !done.err.contains("Failed to create the VirtualBox object") {
                break;
            }
            done = self.try_vbox(words);
        }
        assert_eq!(done.code, Some(0), "{words:?}: {done:?}");
        done.out
    }

    pub fn try_vbox(&self, words: &[&str]) -> Done {
        let program = format!("{SCRIPTS}/VBoxManage");
        Done::of(self.command(&program, "by-hand").args(words).output().expect("VBoxManage runs"))
    }

    /// Any program in there.
    pub fn shell(&self, script: &str) -> Done {
        Done::of(self.command("sh", "by-hand").args(["-c", script]).output().expect("sh runs"))
    }

    /// A script that is VBoxManage inside, from outside.
    pub fn shim(&self) -> String {
        let command = self.command(&format!("{SCRIPTS}/VBoxManage"), "log");
        let words = command.get_args().map(|a| a.to_string_lossy().into_owned());
        let vars = command
            .get_envs()
            .filter_map(|(k, v)| Some(format!("{}={}", k.to_string_lossy(), v?.to_string_lossy())));
        let all: Vec<String> = ["env", "-i"]
            .map(str::to_owned)
            .into_iter()
            .chain(vars)
            .chain(["nsenter".to_owned()])
            .chain(words)
            .collect();
        let all = all.iter().map(|w| shlex::try_quote(w).expect("no zeros").into_owned()).collect::<Vec<_>>();
        format!("#!/bin/sh\nexec {} \"$@\"\n", all.join(" "))
    }

    /// rmachine's calls of VBoxManage since the last time.
    pub fn calls(&self) -> Vec<String> {
        let log = self.path("log");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let _ = std::fs::remove_file(log);
        text.lines().map(|l| l.trim().to_owned()).collect()
    }

    /// Everything that VirtualBox knows of.
    pub fn inventory(&self) -> String {
        let lists = ["vms", "runningvms", "hdds", "dvds", "dhcpservers", "hostonlyifs", "natnets"];
        lists.map(|list| format!("# {list}\n{}", self.vbox(&["list", list]))).concat()
    }

    /// A value of a machine's config.json, under `Driver`.
    pub fn driver_state(&self, machine: &str) -> Value {
        let path = self.path(&format!("S/machines/{machine}/config.json"));
        let text = std::fs::read_to_string(path).expect("config.json");
        let mut config: Value = serde_json::from_str(&text).expect("JSON");
        config["Driver"].take()
    }

    /// A small disk that boots nothing, to be configured with.
    pub fn disk(&self, name: &str) -> PathBuf {
        self.disk_of(name, &mut vec![0; 4 << 20])
    }

    /// One with this content, but for the mark of disks that boot.
    pub fn disk_of(&self, name: &str, content: &mut [u8]) -> PathBuf {
        let (raw, disk) = (self.path("raw"), self.path(name));
        content[510..512].copy_from_slice(&[0x55, 0xaa]);
        std::fs::write(&raw, content).expect("a disk");
        let format = disk.extension().expect("an ending").to_string_lossy().replace("img", "raw");
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-f", "raw", "-O", &format]).args([&raw, &disk]);
        assert!(convert.status().expect("qemu-img runs").success());
        disk
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // With it goes every process inside, and with them the mounts.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Failed with these words.
    #[track_caller]
    pub fn failed(&self, words: &[&str]) {
        assert!(self.code.is_some_and(|c| c != 0), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {self:?}");
        }
    }
}
