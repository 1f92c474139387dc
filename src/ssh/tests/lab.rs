//! Hosts, keys and agents for the tests: real ones, on loopback, gone when dropped.

use std::fmt::Write;
use std::fs;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{Endpoint, HostAddr};
use tempfile::TempDir;

use crate::ssh::{Connect, HostKeyPolicy, Prompter, Session, SshEnv, SshError, Unattended, connect};

pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Kills its process, and only that.
pub(super) struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A home directory with keys in it.
pub(super) struct Home {
    pub(super) dir: TempDir,
}

impl Home {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".ssh")).unwrap();
        Self { dir }
    }

    pub(super) fn ssh(&self, name: &str) -> PathBuf {
        self.dir.path().join(".ssh").join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.ssh(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Made by ssh-keygen: `kind` is its -t, with -b where it matters.
    pub(super) fn key(&self, name: &str, kind: &[&str], passphrase: &str) -> PathBuf {
        let path = self.ssh(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", passphrase, "-C", &format!("test {name}"), "-f"])
            .arg(&path)
            .arg("-t")
            .args(kind)
            .status();
        assert!(made.unwrap().success());
        path
    }

    pub(super) fn env(&self) -> SshEnv {
        SshEnv {
            home: Some(self.dir.path().to_owned()),
            agent_socket: None,
            local_user: Some("root".to_owned()),
        }
    }
}

pub(super) fn public(key: &Path) -> String {
    fs::read_to_string(format!("{}.pub", key.display())).unwrap()
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The real thing, letting root in with `authorized`.
pub(super) struct Sshd {
    _killed: Killed,
    pub(super) home: Home,
    pub(super) port: u16,
}

impl Sshd {
    pub(super) fn start(authorized: &[&Path]) -> Self {
        Self::with(authorized, &["ed25519"], "")
    }

    pub(super) fn with(authorized: &[&Path], host_keys: &[&str], config: &str) -> Self {
        let home = Home::new();
        home.write("authorized_keys", &authorized.iter().map(|key| public(key)).collect::<String>());
        // sshd takes the first value it sees; bash at this level leaves the user's .bashrc alone
        let mut text = format!(
            "{config}\nSetEnv SHLVL=5\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile {}\n",
            home.ssh("authorized_keys").display()
        );
        for kind in host_keys {
            let args = if *kind == "rsa" { vec!["rsa", "-b", "2048"] } else { vec![*kind] };
            writeln!(text, "HostKey {}", home.key(&format!("host_{kind}"), &args, "").display()).unwrap();
        }
        let config = home.write("sshd_config", &text);
        let (killed, port) = serve(&config);
        Self { _killed: killed, home, port }
    }

    pub(super) fn host_key(&self, kind: &str) -> String {
        public(&self.home.ssh(&format!("host_{kind}")))
    }

    pub(super) fn endpoint(&self, key: Option<&Path>) -> Endpoint {
        endpoint(self.port, key)
    }
}

fn serve(config: &Path) -> (Killed, u16) {
    fs::create_dir_all("/run/sshd").unwrap();
    for _ in 0..5 {
        let port = free_port();
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-p", &port.to_string(), "-f"]).arg(config).stderr(Stdio::null());
        let mut killed = Killed(command.spawn().unwrap());
        let deadline = Instant::now() + TIMEOUT;
        while killed.0.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (killed, port);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    panic!("sshd does not start; try: /usr/sbin/sshd -t -f {}", config.display());
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(super) fn endpoint(port: u16, key: Option<&Path>) -> Endpoint {
    Endpoint {
        host: HostAddr::parse("127.0.0.1").unwrap(),
        port,
        user: "root".to_owned(),
        key: key.map(Path::to_owned),
        host_key: None,
    }
}

/// A real ssh-agent with these keys in it.
pub(super) struct Agent {
    _killed: Killed,
    _dir: TempDir,
    pub(super) socket: PathBuf,
}

impl Agent {
    pub(super) fn holding(keys: &[&Path]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let killed = Killed(command.spawn().unwrap());
        let deadline = Instant::now() + TIMEOUT;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "ssh-agent does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        for key in keys {
            let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket).status();
            assert!(added.unwrap().success());
        }
        Self { _killed: killed, _dir: dir, socket }
    }
}

/// Types the same few passphrases in turn.
pub(super) struct Typist {
    words: Vec<&'static str>,
    pub(super) asked: AtomicUsize,
    pub(super) paths: Mutex<Vec<PathBuf>>,
}

impl Typist {
    pub(super) fn of(words: &[&'static str]) -> Self {
        Self { words: words.to_vec(), asked: AtomicUsize::new(0), paths: Mutex::default() }
    }
}

impl Prompter for Typist {
    fn passphrase(&self, key: &Path) -> Option<SecretString> {
        self.paths.lock().unwrap().push(key.to_owned());
        let n = self.asked.fetch_add(1, Ordering::SeqCst);
        self.words.get(n).map(|word| SecretString::from(*word))
    }
}

/// Connects with the first host key that comes.
pub(super) async fn join(endpoint: &Endpoint, env: &SshEnv) -> Result<Session, SshError> {
    join_as(endpoint, env, HostKeyPolicy::TrustFirst, &Unattended).await
}

pub(super) async fn join_as(
    endpoint: &Endpoint,
    env: &SshEnv,
    policy: HostKeyPolicy,
    prompter: &dyn Prompter,
) -> Result<Session, SshError> {
    let c =
        Connect { endpoint, alias: None, use_config: true, policy, connect_timeout: TIMEOUT, env, prompter };
    connect(c).await
}
