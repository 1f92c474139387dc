//! The engine's configuration of a host: daemon.json says everything, the start options take back what would clash with it.

use serde_json::{Map, Value};

use crate::engine::options::{self, Endpoints};
use crate::provision::error::ProvisionError;
use crate::provision::facts::{Config, Engine};
use crate::provision::service::{Service, StartOptions};
use crate::provision::wanted::Wanted;

/// What the engine's two files are to be.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) daemon_json: Map<String, Value>,
    pub(super) start_options: String,
}

impl Configuration {
    pub(super) fn new(
        service: Service,
        engine: &Engine,
        config: &Config,
        wanted: &Wanted,
    ) -> Result<Self, ProvisionError> {
        if let Some(version) = &engine.version {
            wanted.engine.check_engine(version)?;
        }
        let files = &engine.state.files;
        let command = service.start_command(files)?;
        let old = options::parse_daemon_json(config.daemon_json.as_deref().unwrap_or_default())?;
        let endpoints = endpoints(&command, &old, wanted.engine_port);
        let daemon_json = options::daemon_json(&old, &wanted.told, &wanted.engine, &endpoints)?;
        let start_options = service.start_options(&StartOptions {
            files,
            defaults: config.defaults.as_deref().unwrap_or_default(),
            daemon_json: &daemon_json,
            env: wanted.engine.env(),
        })?;
        Ok(Self { daemon_json, start_options })
    }
}

const SOCKETS: [&str; 2] = ["unix:///var/run/docker.sock", "unix:///run/docker.sock"];

/// A socket that the service manager holds (`fd://`) is taken from it. Go, and so dockerd, listens on IPv6 too where it is told 0.0.0.0.
fn endpoints(command: &str, old: &Map<String, Value>, port: u16) -> Endpoints {
    let hosts = old.get("hosts").and_then(Value::as_array).cloned().unwrap_or_default();
    let there = SOCKETS.into_iter().find(|socket| hosts.iter().any(|host| host == socket));
    let local = there.unwrap_or(if command.contains("fd://") { "fd://" } else { SOCKETS[0] });
    Endpoints {
        hosts: vec![local.to_owned(), format!("tcp://0.0.0.0:{port}")],
        ca_cert: "/etc/docker/ca.pem".to_owned(),
        server_cert: "/etc/docker/server.pem".to_owned(),
        server_key: "/etc/docker/server-key.pem".to_owned(),
    }
}

/// What a fresh engine would be told, for `--dry-run`.
pub(crate) fn preview(settings: &options::EngineSettings, port: u16) -> Result<String, options::OptionError> {
    let nothing = Map::new();
    let told = options::daemon_json(&nothing, &[], settings, &endpoints("fd://", &nothing, port))?;
    Ok(options::render(&told))
}
