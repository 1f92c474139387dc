//! Hosts, and a user with a store of their own who runs rmachine against them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const UP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/up");
const DOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/down");

const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/install");

/// Where the lab keeps its key: beside what cargo builds.
fn target_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp lies in its target folder")
}

/// Where the programs are that drive docker-machine; they are installed when they are not there.
pub fn client_folder() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let output = lab_script(INSTALL).output().expect("tests/clients/install runs");
        let folder = done(output).ok().out;
        PathBuf::from(folder.trim())
    })
}

pub fn lab_script(script: &str) -> Command {
    let mut command = Command::new(script);
    command.env("CARGO_TARGET_DIR", target_dir());
    command
}

/// One host, gone when it is dropped.
pub struct Host {
    pub name: String,
    pub ip: String,
}

impl Host {
    /// `options` are those of `tests/lab/up`. The name must be a test's own.
    pub fn up(name: &str, options: &[&str]) -> Self {
        // A host of an earlier run that was killed would not be fresh.
        down(name);
        let output = lab_script(UP).args(["--name", name]).args(options).output().expect("tests/lab/up runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let ip = said.trim().strip_prefix(name).map(|ip| ip.trim().to_owned());
        let complaint = String::from_utf8_lossy(&output.stderr);
        let ip =
            ip.filter(|_| output.status.success()).unwrap_or_else(|| panic!("no host {name}: {complaint}"));
        Self { name: name.to_owned(), ip }
    }

    /// Runs a command as root on the host, beside SSH.
    pub fn run(&self, command: &str) -> String {
        let output = self.try_run(command);
        assert!(
            output.status.success(),
            "on {}: {command}: {}{}",
            self.name,
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    pub fn try_run(&self, command: &str) -> Output {
        let mut docker = Command::new("docker");
        docker.args(["exec", &self.name, "sh", "-c", command]).output().expect("docker runs")
    }

    /// Changes with every start of the engine.
    pub fn engine_start(&self) -> String {
        self.run("systemctl show -p InvocationID --value docker.service")
    }

    pub fn engine_is_up(&self) -> bool {
        self.try_run("docker version").status.success()
    }

    pub fn fingerprint(&self) -> String {
        let line = self.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
        line.split(' ').nth(1).expect("ssh-keygen prints a fingerprint").to_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        down(&self.name);
    }
}

fn down(name: &str) {
    lab_script(DOWN).arg(name).output().expect("tests/lab/down runs");
}

/// Somebody with a home and a store of their own.
pub struct User {
    home: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.code == 0, "exit {}\n{}\n{}", self.code, self.out, self.err);
        self
    }

    /// Ended with this code, and with all of these words on stderr.
    #[track_caller]
    pub fn failed(self, code: i32, words: &[&str]) -> Self {
        assert!(self.code == code, "exit {} and not {code}\n{}\n{}", self.code, self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in:\n{}", self.err);
        }
        self
    }
}

impl User {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a home") }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn store(&self) -> PathBuf {
        self.home().join(".docker/machine")
    }

    pub fn machine_file(&self, machine: &str, file: &str) -> PathBuf {
        self.store().join("machines").join(machine).join(file)
    }

    /// The phase that is on disk.
    pub fn phase(&self, machine: &str) -> String {
        let text =
            std::fs::read_to_string(self.machine_file(machine, "rmachine.json")).expect("rmachine.json");
        let own: serde_json::Value = serde_json::from_str(&text).expect("rmachine.json is JSON");
        own["Phase"].as_str().expect("a phase").to_owned()
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("USER", "tester")
            .env("SHELL", "/bin/bash")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.home());
        command
    }

    pub fn rmachine(&self, args: &[impl AsRef<OsStr>]) -> Done {
        self.rmachine_with(args, b"")
    }

    /// With these variables beside the usual ones.
    pub fn rmachine_in(&self, vars: &[(&str, &str)], args: &[&str]) -> Done {
        let mut command = self.command(env!("CARGO_BIN_EXE_rmachine"));
        command.envs(vars.iter().copied()).args(args).stdin(Stdio::null());
        done(command.output().expect("rmachine runs"))
    }

    pub fn rmachine_with(&self, args: &[impl AsRef<OsStr>], stdin: &[u8]) -> Done {
        let mut child = self
            .command(env!("CARGO_BIN_EXE_rmachine"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("rmachine starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        let input = stdin.to_vec();
        let feeder = std::thread::spawn(move || {
            // A command that does not read its input closes it.
            let _ = pipe.write_all(&input);
        });
        let done = done(child.wait_with_output().expect("rmachine ends"));
        feeder.join().expect("fed");
        done
    }

    /// `create -d generic` on a host, as root unless `extra` says otherwise.
    pub fn create(&self, host: &Host, name: &str, extra: &[&str]) -> Done {
        self.rmachine(&words(&create_args(host, name, extra)))
    }

    /// Starts `create` and hands it over as soon as a line of its output contains `word`.
    pub fn create_until(&self, host: &Host, name: &str, extra: &[&str], word: &str) -> Running {
        self.start_until(&words(&create_args(host, name, extra)), word)
    }

    /// Starts a command and hands it over as soon as a line of its output contains `word`.
    pub fn start_until(&self, args: &[&str], word: &str) -> Running {
        let mut child = self
            .command(env!("CARGO_BIN_EXE_rmachine"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("rmachine starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let seen = lines.by_ref().map_while(Result::ok).any(|line| line.contains(word));
        assert!(seen, "{word:?} never came");
        Running(child)
    }

    /// The docker CLI, pointed at a machine by `config`.
    pub fn docker(&self, machine: &str, args: &[&str]) -> Done {
        let config = self.rmachine(&["config", machine]).ok().out;
        let flags = config.lines().map(|l| l.replace('"', ""));
        done(self.command("docker").args(flags).args(args).output().expect("docker runs"))
    }

    /// In order: an engine names them in another one after each start.
    pub fn labels(&self, machine: &str) -> Vec<String> {
        let labels = self.docker(machine, &["info", "-f", "{{json .Labels}}"]).ok().out;
        let mut labels: Vec<String> = serde_json::from_str(&labels).expect("a list of labels");
        labels.sort();
        labels
    }

    pub fn ls_row(&self, machine: &str) -> String {
        let list = self.rmachine(&["ls"]).ok().out;
        let row = list.lines().find(|l| l.split_whitespace().next() == Some(machine));
        row.unwrap_or_else(|| panic!("{machine} is not in:\n{list}")).to_owned()
    }
}

/// A command under way.
pub struct Running(Child);

impl Running {
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it is a child").is_some()
    }

    pub fn kill_9(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("gone");
    }

    pub fn signal(self, signal: &str) -> Done {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
        done(self.0.wait_with_output().expect("it ends"))
    }
}

pub fn lab_dir() -> PathBuf {
    target_dir().join("lab")
}

pub fn key() -> String {
    lab_dir().join("id_ed25519").to_string_lossy().into_owned()
}

fn create_args(host: &Host, name: &str, extra: &[&str]) -> Vec<String> {
    let key = key();
    let mut args = vec!["create", "-d", "generic", "--generic-ip-address", &host.ip];
    if !extra.iter().any(|e| e.starts_with("--generic-ssh-key")) {
        args.extend(["--generic-ssh-key", &key]);
    }
    args.extend(extra);
    args.push(name);
    args.into_iter().map(str::to_owned).collect()
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

pub fn done(output: Output) -> Done {
    Done { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asks until something is so, for a minute at most.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
