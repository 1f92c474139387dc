//! Those who drive docker-machine, driving us: Ansible's inventory, the wrappers for Python and Node, the docker CLI, and
//! GitLab's runner call by call. Each has a machine of its own, and a `docker-machine` on its PATH that is a link to us.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::e2e::lab::{Done, User, client_folder, done};

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// Stands for `docker-machine`: what the program says on stderr is also kept, since a client may swallow it.
const LISTENER: &str = r#"#!/bin/sh
said=$(mktemp)
"${0%/*}/real/docker-machine" "$@" 2>"$said"
code=$?
if [ -s "$said" ]; then
    { echo "docker-machine $*"; cat "$said"; } >>"${0%/*}/complaints"
    cat "$said" >&2
fi
rm -f "$said"
exit $code
"#;

/// A user who has docker-machine on the PATH, and a network for machines that are containers.
struct Site {
    user: User,
    bin: PathBuf,
    network: String,
}

impl Site {
    fn new(name: &str) -> Self {
        let user = User::new();
        let bin = user.home().join("bin");
        fs::create_dir_all(bin.join("real")).expect("a folder");
        symlink(env!("CARGO_BIN_EXE_rmachine"), bin.join("real/docker-machine")).expect("a link");
        fs::write(bin.join("docker-machine"), LISTENER).expect("a script");
        fs::set_permissions(bin.join("docker-machine"), fs::Permissions::from_mode(0o755)).expect("its mode");
        let site = Self { user, bin, network: format!("rm-e2e-client-{name}") };
        // What a run that was killed left would be in the way.
        site.clean();
        site
    }

    /// A program of the client's side.
    fn command(&self, program: &str) -> Command {
        let mut command = self.user.command(program);
        let path = std::env::var("PATH").unwrap_or_default();
        let python = client_folder().join("python");
        command
            .env("PATH", format!("{}:{}:{path}", self.bin.display(), python.join("bin").display()))
            .env("PYTHONPATH", &python)
            .env("NODE_PATH", client_folder().join("node/node_modules"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, args: &[&str]) -> Done {
        done(self.command(program).args(args).output().expect("the client runs"))
    }

    /// docker-machine as a client starts it: what goes well says nothing on stderr.
    fn quiet(&self, args: &[&str]) -> String {
        let done = self.run("docker-machine", args).ok();
        assert_eq!(done.err, "", "{args:?}");
        done.out
    }

    fn create(&self, name: &str) {
        self.quiet(&["create", "--driver", "docker", "--docker-network", &self.network, name]);
    }

    /// What docker-machine said on stderr, whoever had called it.
    fn complaints(&self) -> String {
        fs::read_to_string(self.bin.join("complaints")).unwrap_or_default()
    }

    fn clean(&self) {
        let docker =
            |args: &[&str]| done(Command::new("docker").args(args).output().expect("docker runs")).out;
        let here = format!("network={}", self.network);
        for id in docker(&["ps", "-aq", "--filter", &here]).lines() {
            docker(&["rm", "-fv", id]);
        }
        docker(&["network", "rm", &self.network]);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.clean();
    }
}

#[test]
fn ansible_finds_the_machines_and_reaches_them() {
    let site = Site::new("ansible");
    site.create("dm-ansible");
    let ansible = |program: &str, args: &[&str]| {
        let mut command = site.command(program);
        command
            .env("ANSIBLE_COLLECTIONS_PATH", client_folder().join("collections"))
            .env("ANSIBLE_HOST_KEY_CHECKING", "False")
            .env("LC_ALL", "C.UTF-8")
            .args(["-i", &format!("{CLIENTS}/inventory/docker_machine.yml")])
            .args(args);
        done(command.output().expect("ansible runs"))
    };
    let listed = ansible("ansible-inventory", &["--list"]).ok();
    let inventory: Value = serde_json::from_str(&listed.out).expect("JSON");
    let host = &inventory["_meta"]["hostvars"]["dm-ansible"];
    let address = site.quiet(&["ip", "dm-ansible"]).trim().to_owned();
    assert_eq!(told(&host["ansible_host"]), address.as_str(), "{listed:?}");
    assert_eq!(told(&host["ansible_port"]), 22);
    assert_eq!(told(&host["dm_DOCKER_HOST"]), &format!("tcp://{address}:2376"));
    assert_eq!(told(&host["dm_DOCKER_TLS_VERIFY"]), "1");
    assert_eq!(told(&host["docker_machine_node_attributes"]["DriverName"]), "docker");
    assert_eq!(inventory["driver_docker"]["hosts"][0], "dm-ansible");
    let said = ansible("ansible", &["dm-ansible", "-m", "raw", "-a", "hostname"]).ok().out;
    assert!(said.lines().any(|l| l == "dm-ansible"), "{said}");
    site.quiet(&["stop", "dm-ansible"]);
    let listed = ansible("ansible-inventory", &["--list"]).ok().out;
    assert!(!listed.contains("dm-ansible"), "it asks for running ones: {listed}");
    assert_eq!(site.complaints(), "");
    site.quiet(&["rm", "-y", "dm-ansible"]);
}

/// Texts that come from outside bear a mark.
fn told(value: &Value) -> &Value {
    value.get("__ansible_unsafe").unwrap_or(value)
}

#[test]
fn the_wrapper_for_python() {
    let site = Site::new("python");
    site.run("python3", &[&format!("{CLIENTS}/wrapper.py"), "dm-python", &site.network]).ok();
    // It asks which machine is active, and matches this sentence.
    assert_eq!(site.complaints(), "docker-machine active\nNo active host found\n");
}

#[test]
fn the_wrapper_for_node() {
    let site = Site::new("node");
    site.run("node", &[&format!("{CLIENTS}/wrapper.js"), "dm-node", &site.network]).ok();
    let complaints = site.complaints();
    let expected = [
        "docker-machine status dm-node",
        "Docker machine \"dm-node\" does not exist. Use \"docker-machine ls\" to list machines. Use \"docker-machine \
         create\" to add a new one.",
        "docker-machine start dm-node",
        "Machine \"dm-node\" is already running.",
        "docker-machine stop dm-node",
        "Machine \"dm-node\" is already stopped.",
        "docker-machine kill dm-node",
        "Machine \"dm-node\" is already stopped.",
    ];
    assert_eq!(complaints.lines().collect::<Vec<_>>(), expected);
    site.quiet(&["rm", "-y", "dm-node"]);
}

/// As every tutorial has it, in every shell that is at hand.
#[test]
fn the_docker_cli_by_env_and_by_config() {
    let site = Site::new("cli");
    site.create("dm-cli");
    let name = "docker info --format '{{.Name}}'";
    let shell = |shell: &str, script: &str| {
        let done = site.run(shell, &["-c", script]).ok();
        assert_eq!(done.err, "", "{shell}: {script}");
        done.out
    };
    for sh in ["bash", "sh"] {
        assert_eq!(shell(sh, &format!("eval $(docker-machine env dm-cli); {name}")), "dm-cli\n", "{sh}");
        assert_eq!(
            shell(sh, &format!("eval \"$(docker-machine env dm-cli)\" && {name}")),
            "dm-cli\n",
            "{sh}"
        );
        let undone =
            "eval $(docker-machine env dm-cli); eval $(docker-machine env -u); echo \"<$DOCKER_HOST>\"";
        assert_eq!(shell(sh, undone), "<>\n", "{sh}");
        let active = "eval $(docker-machine env dm-cli); docker-machine active";
        assert_eq!(shell(sh, active), "dm-cli\n", "{sh}");
    }
    let by_flags = "docker $(docker-machine config dm-cli) info --format '{{.Name}}'";
    assert_eq!(shell("bash", by_flags), "dm-cli\n");
    assert_eq!(shell("bash", "docker $(docker-machine config dm-cli) ps -q"), "");
    assert_eq!(shell("bash", "echo 'echo from stdin' | docker-machine ssh dm-cli sh -"), "from stdin\n");
    assert_eq!(
        shell("bash", "docker-machine ssh dm-cli ls -d /etc"),
        "/etc\n",
        "flags behind the name are its own"
    );
    assert_eq!(site.complaints(), "");
    assert_eq!(
        shell("bash", "docker-machine rm --force $(docker-machine ls -q) && docker-machine ls -q")
            .lines()
            .count(),
        3
    );
}

fn folders(store: &Path) -> Vec<String> {
    let folders = fs::read_dir(store.join("machines")).into_iter().flatten().flatten();
    let names = folders.filter(|e| e.path().is_dir()).map(|e| e.file_name().to_string_lossy().into_owned());
    names.filter(|n| !n.starts_with('.')).collect()
}

/// executors/docker/machine, with the arguments that it has in its source.
struct Runner<'a>(&'a Site);

impl Runner<'_> {
    fn call(&self, args: &[&str]) -> Done {
        let mut command = self.0.user.command("docker-machine");
        let path = std::env::var("PATH").unwrap_or_default();
        // Straight, since one of the calls is killed.
        command.env("PATH", format!("{}:{path}", self.0.bin.join("real").display()));
        command.arg("--bugsnag-api-token=no-report").args(args).stdin(Stdio::null());
        done(command.output().expect("docker-machine runs"))
    }

    /// Its log has a line of stderr as an error.
    fn ok(&self, args: &[&str]) -> String {
        let done = self.call(args).ok();
        assert_eq!(done.err, "", "{args:?}");
        done.out.trim().to_owned()
    }

    /// It lists folders and calls nobody.
    fn list(&self) -> Vec<String> {
        folders(&self.0.user.store())
    }

    fn exists(&self, name: &str) -> bool {
        self.0.user.machine_file(name, "config.json").is_file() && self.call(&["inspect", name]).code == 0
    }

    fn credentials(&self, name: &str) -> (String, String) {
        self.ok(&["config", name]);
        let url = self.ok(&["url", name]);
        let folder = self.ok(&["inspect", name, "-f", "{{.HostOptions.AuthOptions.StorePath}}"]);
        assert!(!url.is_empty() && !folder.is_empty());
        (url, folder)
    }

    /// `stop` may take a minute, and is killed then.
    fn stop_and_kill(&self, name: &str) {
        let mut stop = self.0.user.command(&self.0.bin.join("real/docker-machine").display().to_string());
        stop.args(["--bugsnag-api-token=no-report", "stop", name])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut stop = stop.spawn().expect("it starts");
        let mut first = [0; 8];
        std::io::Read::read_exact(stop.stdout.as_mut().expect("a pipe"), &mut first).expect("Stopping");
        stop.kill().expect("killed");
        stop.wait().expect("gone");
    }
}

/// Looks on without end: a folder in `machines/` is a machine, with a whole config.json at every moment, and it is there
/// before anything is at the provider.
struct Watcher {
    done: Arc<AtomicBool>,
    seen: JoinHandle<(usize, Vec<String>)>,
}

impl Watcher {
    fn of(store: PathBuf, names: &'static [&'static str]) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let over = done.clone();
        let seen = std::thread::spawn(move || {
            let (mut looks, mut wrong) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                wrong.extend(folders(&store).into_iter().filter(|n| !names.contains(&n.as_str())));
                wrong.extend(names.iter().filter_map(|name| amiss(&store, name)));
                looks += 1;
            }
            (looks, wrong)
        });
        Self { done, seen }
    }

    fn end(self) {
        self.done.store(true, Ordering::Relaxed);
        let (looks, wrong) = self.seen.join().expect("it looked");
        assert!(looks > 50, "only {looks} looks");
        assert_eq!(wrong, Vec::<String>::new());
    }
}

/// Two looks at what changes in between: what is amiss is so before and after.
fn amiss(store: &Path, name: &str) -> Option<String> {
    let folder = store.join("machines").join(name);
    let config = || fs::read(folder.join("config.json")).ok();
    let at_provider = || {
        let mut docker = Command::new("docker");
        docker.args(["ps", "-aq", "--filter", &format!("label=rmachine.store={}", store.display())]);
        let named = docker.args(["--filter", &format!("name=^{name}$")]).output();
        named.is_ok_and(|ids| !ids.stdout.is_empty())
    };
    match config() {
        Some(text) if serde_json::from_slice::<Value>(&text).is_err() => {
            Some(format!("{name}: {}", String::from_utf8_lossy(&text)))
        }
        Some(_) => None,
        None if folder.exists() && config().is_none() && folder.exists() => {
            Some(format!("{name} has no config.json"))
        }
        None if at_provider() && config().is_none() && at_provider() => {
            Some(format!("{name} is at the provider alone"))
        }
        None => None,
    }
}

#[test]
fn gitlabs_runner_call_by_call() {
    let site = Site::new("gitlab");
    let runner = Runner(&site);
    let watcher = Watcher::of(site.user.store(), &["runner-abc-dm-1", "runner-abc-dm-2"]);
    let network = format!("--docker-network={}", site.network);
    for name in ["runner-abc-dm-1", "runner-abc-dm-2"] {
        assert!(!runner.exists(name));
        let made = runner.ok(&["create", "--driver", "docker", &network, "--engine-label=ci=yes", name]);
        assert!(made.contains("To see how to connect your Docker Client"), "{made}");
        assert!(runner.exists(name));
    }
    let mut listed = runner.list();
    listed.sort();
    assert_eq!(listed, ["runner-abc-dm-1", "runner-abc-dm-2"]);

    let (url, folder) = runner.credentials("runner-abc-dm-1");
    let file = |name: &str| Path::new(&folder).join(name).display().to_string();
    let files = ["ca.pem", "cert.pem", "key.pem"].map(file);
    assert!(files.iter().all(|f| Path::new(f).is_file()), "{files:?}");
    let [ca, cert, key] = &files;
    let flags = ["--tlsverify", "--tlscacert", ca, "--tlscert", cert, "--tlskey", key, "-H", &url];
    let labels = site.user.command("docker").args(flags).args(["info", "-f", "{{.Labels}}"]).output();
    assert!(done(labels.expect("docker runs")).ok().out.contains("ci=yes"));

    // Removed in the middle of its stop.
    runner.stop_and_kill("runner-abc-dm-1");
    assert!(runner.exists("runner-abc-dm-1"));
    runner.ok(&["rm", "-y", "runner-abc-dm-1"]);
    assert!(!runner.exists("runner-abc-dm-1"));
    // Gone at the provider.
    Command::new("docker").args(["rm", "-f", "runner-abc-dm-2"]).output().expect("docker runs");
    assert!(runner.exists("runner-abc-dm-2"), "`inspect` asks no provider");
    assert_ne!(runner.call(&["config", "runner-abc-dm-2"]).code, 0);
    assert_ne!(runner.call(&["stop", "runner-abc-dm-2"]).code, 0);
    runner.ok(&["rm", "-y", "runner-abc-dm-2"]);
    assert_eq!(runner.list(), Vec::<String>::new());
    watcher.end();
    // The last resort, of a machine that is gone.
    assert_eq!(runner.call(&["rm", "-f", "runner-abc-dm-2"]).code, 0);
}
