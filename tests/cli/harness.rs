//! The program in a box: its own store, home, PATH and environment, and what it answered as one text to compare.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No command in these tests has a reason to take longer; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// A folder that holds a store `S`, a home `H` and links to the program under both of its names.
pub(super) struct Sandbox {
    dir: TempDir,
}

/// A command line that is about to run.
pub(super) struct Call {
    command: Command,
    stdin: String,
    /// Filtered out of what comes back.
    root: PathBuf,
}

/// A program that runs.
pub(super) struct Running {
    child: Child,
    root: PathBuf,
    /// Held so that it does not read an end before its time.
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: String,
    stderr: JoinHandle<String>,
}

/// How it ended and all that it said, the box's own paths as `/S`, `/H` and `/T`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// `None` when a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Sandbox {
    pub(super) fn new() -> Self {
        let dir = TempDir::with_prefix("rmachine-cli-").unwrap();
        for folder in ["bin", "H"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for name in ["rmachine", "docker-machine"] {
            symlink(env!("CARGO_BIN_EXE_rmachine"), dir.path().join("bin").join(name)).unwrap();
        }
        Self { dir }
    }

    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path("S")
    }

    pub(super) fn machine(&self, name: &str) -> PathBuf {
        self.store().join("machines").join(name)
    }

    /// Runs these words, split as a shell would; `/S`, `/H` and `/T` at the start of a word are the box's own folders.
    pub(super) fn run(&self, words: &str) -> Outcome {
        self.call(words).run()
    }

    /// The same under docker-machine's name.
    pub(super) fn run_as_docker_machine(&self, words: &str) -> Outcome {
        self.call_as("docker-machine", words).run()
    }

    /// Runs these words where only they see it: in a network without a way out and with mounts of their own, which a
    /// script sets up as root.
    pub(super) fn run_apart(&self, setup: &str, words: &str) -> Outcome {
        let script = format!("set -e; {setup}; exec rmachine \"$@\"");
        let apart =
            ["-r", "-n", "-m", "--propagation", "private", "sh", "-c", &script, "sh"].map(str::to_owned);
        let words = shlex::split(words).unwrap();
        let words = apart.into_iter().chain(words.iter().map(|w| self.outside(w)));
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display());
        self.call_words("/usr/bin/unshare", words).env("PATH", &path).run()
    }

    pub(super) fn call(&self, words: &str) -> Call {
        self.call_as("rmachine", words)
    }

    pub(super) fn call_as(&self, program: &str, words: &str) -> Call {
        let words = shlex::split(words).unwrap();
        self.call_words(program, words.iter().map(|w| self.outside(w)))
    }

    pub(super) fn call_words(
        &self,
        program: &str,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Call {
        let mut command = Command::new(program);
        command.args(words).env_clear().current_dir(self.path("H"));
        for (key, value) in [
            ("PATH", self.path("bin")),
            ("HOME", self.path("H")),
            ("MACHINE_STORAGE_PATH", self.store()),
            ("USER", "tester".into()),
            ("TERM", "dumb".into()),
            ("SHELL", "/bin/bash".into()),
        ] {
            command.env(key, value);
        }
        Call { command, stdin: String::new(), root: self.dir.path().to_owned() }
    }

    /// Runs these words and wants them to do well.
    pub(super) fn ok(&self, words: &str) -> String {
        let outcome = self.run(words);
        assert_eq!(outcome.code, Some(0), "{words}: {outcome}");
        outcome.stdout
    }

    /// A machine of the driver `none`, made by the program.
    pub(super) fn create_none(&self, name: &str) {
        self.ok(&format!("create -d none --url tcp://127.0.0.1:2376 {name}"));
    }

    pub(super) fn read(&self, inside: &str) -> String {
        inward(self.dir.path(), &fs::read_to_string(self.path(inside)).unwrap())
    }

    pub(super) fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A machine as docker-machine left it: a fixture's text, its store here.
    pub(super) fn plant(&self, name: &str, fixture: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store").join(fixture);
        let text = fs::read_to_string(path).unwrap();
        let here = text.replace("\"/S", &format!("\"{}", self.store().display()));
        self.write(&format!("S/machines/{name}/config.json"), &here);
    }

    /// A machine of a driver that we do not have, as docker-machine keeps it.
    pub(super) fn plant_stranger(&self, name: &str) {
        self.plant(name, "v3-virtualbox.json");
        let path = self.machine(name).join("config.json");
        let text = fs::read_to_string(&path).unwrap();
        let driver = "\"DriverName\": \"virtualbox\"";
        assert!(text.contains(driver));
        fs::write(path, text.replace(driver, "\"DriverName\": \"vmwarefusion\"")).unwrap();
    }

    /// Every path in the box but the program's links, sorted; folders end with a slash.
    pub(super) fn tree(&self) -> Vec<String> {
        let mut paths = Vec::new();
        walk(self.dir.path(), self.dir.path(), &mut paths);
        paths.retain(|p| !p.starts_with("bin/"));
        paths.sort();
        paths
    }

    /// What lies in `machines/`, hidden names too.
    pub(super) fn machines(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.store().join("machines"))
            .into_iter()
            .flatten()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn outside(&self, word: &str) -> String {
        for folder in ["S", "H", "T"] {
            let Some(rest) = word.strip_prefix(&format!("/{folder}")) else { continue };
            if rest.is_empty() || rest.starts_with('/') {
                let base = if folder == "T" { self.dir.path().to_owned() } else { self.path(folder) };
                return format!("{}{rest}", base.display());
            }
        }
        word.to_owned()
    }
}

impl Call {
    pub(super) fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    pub(super) fn env_remove(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    pub(super) fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    /// Runs to the end.
    pub(super) fn run(self) -> Outcome {
        let mut running = self.spawn();
        running.stdin = None;
        running.end()
    }

    /// Starts it; its stdin stays open.
    pub(super) fn spawn(mut self) -> Running {
        let command = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that does not read is free to have closed it.
        let _ = stdin.write_all(self.stdin.as_bytes());
        let stderr = child.stderr.take().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let stderr = spawn(move || text_of(stderr));
        Running { child, root: self.root, stdin: Some(stdin), lines, seen: String::new(), stderr }
    }

    /// For tests that want the process and its streams for themselves.
    pub(super) fn into_command(self) -> Command {
        self.command
    }
}

impl Running {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of stdout begins like this.
    pub(super) fn wait_for_line(&mut self, begin: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line {begin:?}; seen so far:\n{}", self.seen);
            };
            self.seen.push_str(&line);
            if line.starts_with(begin) {
                return;
            }
        }
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", self.id())]).status();
        assert!(sent.unwrap().success(), "kill -{name} failed");
    }

    pub(super) fn end(mut self) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("still running after {PATIENCE:?}; seen so far:\n{}", self.seen);
            }
            std::thread::sleep(POLL);
        };
        drop(self.stdin);
        let rest: String = self.lines.iter().collect();
        let stdout = inward(&self.root, &format!("{}{rest}", self.seen));
        let stderr = inward(&self.root, &self.stderr.join().unwrap());
        Outcome { code: status.code(), stdout, stderr }
    }
}

impl Outcome {
    /// The same with a text of the moment, a port or a duration, put in words.
    pub(super) fn with(mut self, from: impl fmt::Display, to: &str) -> Self {
        let from = from.to_string();
        self.stdout = self.stdout.replace(&from, to);
        self.stderr = self.stderr.replace(&from, to);
        self
    }
}

/// `exit N` and each stream that is not empty. Blanks at the end of a line, and an empty line at the end, are followed by a
/// mark, since nobody would see them otherwise; a last line without an end is told, as `diff` does.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit {code}")?,
            None => writeln!(f, "killed")?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                let end = if text.ends_with('\n') { "" } else { "\n\\ no newline at the end\n" };
                write!(f, "--- {name}\n{}{end}", marked(text))?;
            }
        }
        Ok(())
    }
}

fn marked(text: &str) -> String {
    let text = text.replace(" \n", " ⏎\n");
    let text = text.strip_suffix(' ').map_or(text.clone(), |t| format!("{t} ⏎"));
    text.strip_suffix("\n\n").map_or(text.clone(), |t| format!("{t}\n⏎\n"))
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let _ = tell.send(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        }
    });
    lines
}

fn text_of(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn inward(root: &Path, text: &str) -> String {
    let root = root.to_string_lossy();
    let text = text.replace(&format!("{root}/S"), "/S").replace(&format!("{root}/H"), "/H");
    text.replace(&*root, "/T")
}

fn walk(root: &Path, dir: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            paths.push(format!("{name}/"));
            walk(root, &entry.path(), paths);
        } else {
            paths.push(name);
        }
    }
}
