//! A root file system made on this computer by mmdebstrap or debootstrap, handed on while it is made: the one place
//! where this driver runs a program.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use rmachine_driver::{DriverError, DriverErrorKind, Progress};
use rmachine_engine_api::Bytes;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::Mutex;

use super::tail::Tail;
use super::{INIT, PACKAGES, ROOTFS, Recipe, SETUP};

const PIECE: usize = 128 * 1024;

type Archive = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The script at work.
pub(super) struct Rootfs {
    /// Both its end and the archive's are judged by how it ended.
    child: Arc<Mutex<Child>>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    _scripts: TempDir,
}

/// Starts the script; it refuses at once when it cannot work here.
pub(super) async fn start(recipe: &Recipe) -> Result<Rootfs, DriverError> {
    let cannot = |e: io::Error| {
        DriverError::because(DriverErrorKind::Provider, "no root file system can be made here", e)
    };
    let scripts = scripts().map_err(cannot)?;
    let mut child = command(scripts.path(), recipe).spawn().map_err(cannot)?;
    let mut rootfs = Rootfs {
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        child: Arc::new(Mutex::new(child)),
        _scripts: scripts,
    };
    rootfs.refuses_at_once().await?;
    Ok(rootfs)
}

/// Among processes and mounts of its own, which end with it: whoever makes a root file system mounts /proc and more in
/// it, and a builder that is killed would leave them behind. It ends with this program, however that ends.
fn command(scripts: &Path, recipe: &Recipe) -> Command {
    let mut command = if can_be_apart() {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.arg(scripts.join("rootfs.sh")).arg(&recipe.suite).arg("-").args(recipe.further_packages());
    // What it builds in goes with the scripts.
    command.env("TMPDIR", scripts).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Root may; others are refused by the script anyway. Both programs come in one package.
fn can_be_apart() -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let there = |program: &str| ["/usr/bin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists());
    root && there("unshare") && there("setpriv")
}

const SCRIPTS: &str = "rmachine-node-";

fn scripts() -> io::Result<TempDir> {
    sweep();
    // Open to all, for apt downloads as a user of its own; there are no secrets in it.
    let dir = tempfile::Builder::new()
        .prefix(&format!("{SCRIPTS}{}-", std::process::id()))
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir_in(folder())?;
    for (name, text) in [("rootfs.sh", ROOTFS), ("packages", PACKAGES), ("init", INIT), ("setup.sh", SETUP)] {
        put(&dir.path().join(name), text)?;
    }
    Ok(dir)
}

/// A root file system is hundreds of megabytes and has devices; /tmp is often memory, and without devices.
fn folder() -> PathBuf {
    let (usual, roomy) = (std::env::temp_dir(), PathBuf::from("/var/tmp"));
    if usual == Path::new("/tmp") && roomy.is_dir() { roomy } else { usual }
}

/// What builders left that were killed.
fn sweep() {
    let entries = std::fs::read_dir(folder()).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let builder = name.strip_prefix(SCRIPTS).and_then(|rest| rest.split('-').next());
        if builder.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            // Somebody else's cannot be removed, and is not ours to mind.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().create_new(true).write(true).open(path)?.write_all(text.as_bytes())
}

impl Rootfs {
    /// The script checks what it needs within a few milliseconds.
    async fn refuses_at_once(&mut self) -> Result<(), DriverError> {
        let moment = std::time::Duration::from_millis(150);
        let mut child = self.child.lock().await;
        let ended = tokio::time::timeout(moment, child.wait()).await;
        let Some(status) = ended.ok().and_then(Result::ok).filter(|s| !s.success()) else { return Ok(()) };
        let mut said = String::new();
        if let Some(mut stderr) = self.stderr.take() {
            drop(stderr.read_to_string(&mut said).await);
        }
        Err(refusal(status, said.trim()))
    }

    /// The archive, piece by piece. Its end is an error unless the script ended well.
    pub(super) fn archive(&mut self) -> Archive {
        let child = self.child.clone();
        Box::pin(unfold((self.stdout.take(), child), |(stdout, child)| async move {
            let mut stdout = stdout?;
            let mut piece = vec![0; PIECE];
            match stdout.read(&mut piece).await {
                Ok(0) => ended(&child).await.err().map(|e| (Err(e), (None, child))),
                Ok(n) => {
                    piece.truncate(n);
                    Some((Ok(Bytes::from(piece)), (Some(stdout), child)))
                }
                Err(e) => Some((Err(e), (None, child))),
            }
        }))
    }

    /// Tells what the script says, and how it ended.
    pub(super) async fn watch(&mut self, progress: Progress<'_>) -> Result<(), DriverError> {
        let Some(stderr) = self.stderr.take() else { return Ok(()) };
        let tail = Tail::of(progress);
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            tail.tell(&line);
        }
        match self.child.lock().await.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(refusal(status, &tail.reason().unwrap_or_default())),
            Err(e) => Err(DriverError::because(DriverErrorKind::Provider, "the root file system", e)),
        }
    }
}

async fn ended(child: &Mutex<Child>) -> io::Result<()> {
    let status = child.lock().await.wait().await?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("rootfs.sh ended with {status}"))) }
}

fn refusal(status: ExitStatus, said: &str) -> DriverError {
    let said = said.strip_prefix("rootfs.sh: ").unwrap_or(said);
    let said = if said.is_empty() { status.to_string() } else { said.to_owned() };
    let missing = said.contains("neither mmdebstrap nor debootstrap");
    let error =
        DriverError::new(DriverErrorKind::Provider, format!("no root file system can be made here: {said}"));
    if missing {
        return error.hint("install what makes one: sudo apt-get install mmdebstrap");
    }
    if said.contains("by root only") {
        return error.hint("build the image once as root: sudo rmachine node-image build");
    }
    error
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn run(script: &str) -> Rootfs {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Rootfs {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child: Arc::new(Mutex::new(child)),
            _scripts: scripts().unwrap(),
        }
    }

    async fn all(script: &str) -> (String, Option<String>, Result<(), String>) {
        let mut rootfs = run(script);
        let pieces = rootfs.archive().collect::<Vec<_>>();
        let (pieces, made) = tokio::join!(pieces, rootfs.watch(&|_| {}));
        let (mut text, mut error) = (String::new(), None);
        for piece in pieces {
            match piece {
                Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(e) => error = Some(e.to_string()),
            }
        }
        (text, error, made.map_err(|e| e.to_string()))
    }

    #[tokio::test]
    async fn an_archive_is_whole_or_an_error() {
        assert_eq!(all("echo tar").await, ("tar\n".into(), None, Ok(())));
        let (text, error, made) = all("echo half; echo 'E: no space' >&2; exit 25").await;
        assert_eq!(
            (text.as_str(), error.as_deref()),
            ("half\n", Some("rootfs.sh ended with exit status: 25"))
        );
        assert_eq!(made.unwrap_err(), "no root file system can be made here: no space");
    }

    #[tokio::test]
    async fn a_refusal_comes_at_once() {
        let mut rootfs =
            run("echo 'rootfs.sh: neither mmdebstrap nor debootstrap is here; try: x' >&2; exit 1");
        let error = rootfs.refuses_at_once().await.unwrap_err();
        assert_eq!(
            error.message,
            "no root file system can be made here: neither mmdebstrap nor debootstrap is here; try: x"
        );
        assert_eq!(error.hints, ["install what makes one: sudo apt-get install mmdebstrap"]);
        run("sleep 1").refuses_at_once().await.unwrap();
        let mut quick = run("echo tar");
        quick.refuses_at_once().await.unwrap();
        assert!(quick.archive().collect::<Vec<_>>().await.iter().all(Result::is_ok), "it is whole");
    }

    #[test]
    fn what_killed_builders_left_is_swept() {
        let dir = |pid: &str| {
            let path = folder().join(format!("{SCRIPTS}{pid}-swept"));
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        // More than Linux has processes.
        let (dead, alive) = (dir("99999999"), dir(&std::process::id().to_string()));
        sweep();
        assert!(!dead.exists() && alive.exists());
        std::fs::remove_dir(alive).unwrap();
    }

    #[test]
    fn the_command_is_told_what_to_make() {
        let recipe = Recipe { suite: "trixie".into(), extra: vec!["vim".into()], engine: true };
        let command = command(Path::new("/t"), &recipe);
        let words: Vec<_> = command.as_std().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        let words = &words[words.iter().position(|w| w == "/t/rootfs.sh").unwrap()..];
        assert_eq!(words, ["/t/rootfs.sh", "trixie", "-", "docker.io", "docker-cli", "vim"]);
    }
}
