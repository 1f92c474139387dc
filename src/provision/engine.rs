//! The engine's configuration of a host: daemon.json says everything, the drop-in takes back what would clash with it.

use serde_json::{Map, Value};

use crate::engine::options::{self, Endpoints};
use crate::provision::error::ProvisionError;
use crate::provision::facts::{Config, Engine};
use crate::provision::plan::Wanted;
use crate::provision::unit::{self, UnitFile};

/// What the engine's two files are to be.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) daemon_json: Map<String, Value>,
    pub(super) drop_in: String,
}

impl Configuration {
    pub(super) fn new(engine: &Engine, config: &Config, wanted: &Wanted) -> Result<Self, ProvisionError> {
        if let Some(version) = &engine.version {
            wanted.engine.check_engine(version)?;
        }
        let base = base(&engine.unit)?;
        let old = options::parse_daemon_json(config.daemon_json.as_deref().unwrap_or_default())?;
        let endpoints = endpoints(&base, &old, wanted.engine_port);
        let daemon_json = options::daemon_json(&old, &wanted.told, &wanted.engine, &endpoints)?;
        check_later(&engine.unit, &daemon_json)?;
        let command = freed(&base, config.defaults.as_deref().unwrap_or_default(), &daemon_json);
        Ok(Self { drop_in: drop_in(&command, wanted), daemon_json })
    }
}

/// What starts the engine without our drop-in.
fn base(files: &[UnitFile]) -> Result<String, ProvisionError> {
    let main = || files.first().map(|file| file.path.clone()).unwrap_or_default();
    let before = files.iter().filter(|file| !file.is_ours() && !file.is_after_ours());
    unit::exec_start(before).ok_or_else(|| ProvisionError::NoUnit(main()))
}

/// A drop-in that is read after ours has the last word.
fn check_later(files: &[UnitFile], daemon_json: &Map<String, Value>) -> Result<(), ProvisionError> {
    let last = files.iter().rfind(|file| file.is_after_ours() && file.exec_start().is_some());
    let Some((file, command)) = last.and_then(|file| Some((file, unit::exec_start([file])?))) else {
        return Ok(());
    };
    let flags = options::without_clashes(&words(&command), daemon_json).dropped.join(" ");
    if flags.is_empty() { Ok(()) } else { Err(ProvisionError::Clash { path: file.path.clone(), flags }) }
}

const SOCKETS: [&str; 2] = ["unix:///var/run/docker.sock", "unix:///run/docker.sock"];

/// A socket that systemd holds is taken from it. Go, and so dockerd, listens on IPv6 too where it is told 0.0.0.0.
fn endpoints(base: &str, old: &Map<String, Value>, port: u16) -> Endpoints {
    let hosts = old.get("hosts").and_then(Value::as_array).cloned().unwrap_or_default();
    let there = SOCKETS.into_iter().find(|socket| hosts.iter().any(|host| host == socket));
    let local = there.unwrap_or(if base.contains("fd://") { "fd://" } else { SOCKETS[0] });
    Endpoints {
        hosts: vec![local.to_owned(), format!("tcp://0.0.0.0:{port}")],
        ca_cert: "/etc/docker/ca.pem".to_owned(),
        server_cert: "/etc/docker/server.pem".to_owned(),
        server_key: "/etc/docker/server-key.pem".to_owned(),
    }
}

/// The command without the flags that daemon.json says too, which dockerd would refuse.
fn freed(base: &str, defaults: &str, daemon_json: &Map<String, Value>) -> String {
    let mut words = words(base);
    if let Some(at) = words.iter().position(|word| word == "$DOCKER_OPTS" || word == "${DOCKER_OPTS}") {
        let options = docker_opts(defaults);
        if !options::without_clashes(&options, daemon_json).dropped.is_empty() {
            words.splice(at..=at, options);
        }
    }
    let parted = options::without_clashes(&words, daemon_json);
    if parted.dropped.is_empty() {
        return base.to_owned();
    }
    parted.kept.iter().map(|word| systemd_word(word)).collect::<Vec<_>>().join(" ")
}

fn docker_opts(defaults: &str) -> Vec<String> {
    let mut values = defaults.lines().filter_map(|line| line.trim().strip_prefix("DOCKER_OPTS="));
    let value = values.next_back().and_then(shlex::split).unwrap_or_default().join(" ");
    words(&value)
}

/// systemd's quotes are near enough to a shell's; a line that is no shell's is parted at its blanks.
fn words(command: &str) -> Vec<String> {
    let blanks = || command.split_whitespace().map(str::to_owned).collect();
    if command.contains(['"', '\'']) { shlex::split(command).unwrap_or_else(blanks) } else { blanks() }
}

fn systemd_word(word: &str) -> String {
    if !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

fn drop_in(command: &str, wanted: &Wanted) -> String {
    let mut text = format!("[Service]\nExecStart=\nExecStart={command}\n");
    for (name, value) in wanted.engine.env() {
        text.push_str(&options::systemd_environment(name, value));
        text.push('\n');
    }
    text
}

/// What a fresh engine would be told, for `--dry-run`.
pub(crate) fn preview(settings: &options::EngineSettings, port: u16) -> Result<String, options::OptionError> {
    let nothing = Map::new();
    let told = options::daemon_json(&nothing, &[], settings, &endpoints("fd://", &nothing, port))?;
    Ok(options::render(&told))
}
