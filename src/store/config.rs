//! docker-machine's config.json, version 3: the fields in its order, under its names.
//!
//! Keys that are not known here survive, at the end of their object. A file that docker-machine wrote comes back byte
//! for byte; whole numbers beyond 64 bits and floats of more than 15 digits do not.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rmachine_driver::{Cause, DriverState, MachineName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::store::{CONFIG, StoreError, files, json, migrate};

/// The version of config.json that is written.
pub(super) const VERSION: u64 = 3;

/// A Go slice: an absent one (`null`) and an empty one (`[]`) are told apart in the file, and nowhere else.
pub type List = Option<Vec<String>>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfig {
    pub(crate) config_version: u64,
    pub(crate) driver: DriverState,
    pub(crate) driver_name: String,
    pub(crate) host_options: HostOptions,
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostOptions {
    pub(crate) driver: String,
    pub(crate) memory: i64,
    pub(crate) disk: i64,
    #[serde(rename = "EngineOptions")]
    pub(crate) engine: EngineOptions,
    #[serde(rename = "SwarmOptions")]
    pub(crate) swarm: SwarmOptions,
    #[serde(rename = "AuthOptions")]
    pub(crate) auth: AuthOptions,
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EngineOptions {
    /// `--engine-opt`, each `flag=value`.
    pub(crate) arbitrary_flags: List,
    pub(crate) dns: List,
    pub(crate) graph_dir: String,
    pub(crate) env: List,
    pub(crate) ipv6: bool,
    pub(crate) insecure_registry: List,
    pub(crate) labels: List,
    pub(crate) log_level: String,
    pub(crate) storage_driver: String,
    pub(crate) selinux_enabled: bool,
    pub(crate) tls_verify: bool,
    pub(crate) registry_mirror: List,
    #[serde(rename = "InstallURL")]
    pub(crate) install_url: String,
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

/// Classic swarm, kept for the file's sake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SwarmOptions {
    pub(crate) is_swarm: bool,
    pub(crate) address: String,
    pub(crate) discovery: String,
    pub(crate) agent: bool,
    pub(crate) master: bool,
    pub(crate) host: String,
    pub(crate) image: String,
    pub(crate) strategy: String,
    pub(crate) heartbeat: u64,
    /// A float to docker-machine; kept as it is written.
    pub(crate) overcommit: Number,
    pub(crate) arbitrary_flags: List,
    pub(crate) arbitrary_join_flags: List,
    pub(crate) env: List,
    pub(crate) is_experimental: bool,
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AuthOptions {
    pub(crate) cert_dir: String,
    pub(crate) ca_cert_path: String,
    pub(crate) ca_private_key_path: String,
    pub(crate) ca_cert_remote_path: String,
    pub(crate) server_cert_path: String,
    pub(crate) server_key_path: String,
    pub(crate) client_key_path: String,
    pub(crate) server_cert_remote_path: String,
    pub(crate) server_key_remote_path: String,
    pub(crate) client_cert_path: String,
    #[serde(rename = "ServerCertSANs")]
    pub(crate) server_cert_sans: List,
    /// The machine's folder, where clients look for ca.pem, cert.pem and key.pem.
    pub(crate) store_path: String,
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

impl HostConfig {
    /// What docker-machine's `create` writes when it is given no flags but the driver's.
    pub fn new(name: &MachineName, driver_name: &str, driver: DriverState, root: &Path) -> Self {
        let host_options = HostOptions {
            driver: String::new(),
            memory: 0,
            disk: 0,
            engine: EngineOptions::default(),
            swarm: SwarmOptions::default(),
            auth: AuthOptions::new(name, root),
            extra: Map::new(),
        };
        Self {
            config_version: VERSION,
            driver,
            driver_name: driver_name.to_owned(),
            host_options,
            name: name.to_string(),
            extra: Map::new(),
        }
    }

    /// The text of config.json, and of `inspect`.
    pub(crate) fn to_json_pretty(&self) -> Result<String, StoreError> {
        json::pretty(self).map_err(|source| StoreError::Encode { path: PathBuf::from(CONFIG), source })
    }

    /// Reads a config.json of any version for the machine in `root` that bears this name.
    pub(super) fn parse(text: &[u8], root: &Path, name: &MachineName) -> Result<Self, ParseError> {
        let document = serde_json::from_slice(text).map_err(ParseError::broken)?;
        let document = migrate::to_current(document, root, name)?;
        let mut config: Self = serde_json::from_value(Value::Object(document)).map_err(ParseError::broken)?;
        config.name = name.to_string();
        Ok(config)
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            arbitrary_flags: empty(),
            dns: None,
            graph_dir: String::new(),
            env: empty(),
            ipv6: false,
            insecure_registry: empty(),
            labels: empty(),
            log_level: String::new(),
            storage_driver: String::new(),
            selinux_enabled: false,
            tls_verify: true,
            registry_mirror: empty(),
            install_url: "https://get.docker.com".to_owned(),
            extra: Map::new(),
        }
    }
}

impl Default for SwarmOptions {
    fn default() -> Self {
        Self {
            is_swarm: false,
            address: String::new(),
            discovery: String::new(),
            agent: false,
            master: false,
            host: "tcp://0.0.0.0:3376".to_owned(),
            image: "swarm:latest".to_owned(),
            strategy: "spread".to_owned(),
            heartbeat: 0,
            overcommit: Number::from(0),
            arbitrary_flags: empty(),
            arbitrary_join_flags: empty(),
            env: None,
            is_experimental: false,
            extra: Map::new(),
        }
    }
}

impl AuthOptions {
    fn new(name: &MachineName, root: &Path) -> Self {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let certs = root.join("certs");
        let machine = root.join("machines").join(name.as_str());
        Self {
            ca_cert_path: text(certs.join("ca.pem")),
            ca_private_key_path: text(certs.join("ca-key.pem")),
            ca_cert_remote_path: String::new(),
            server_cert_path: text(machine.join("server.pem")),
            server_key_path: text(machine.join("server-key.pem")),
            client_key_path: text(certs.join("key.pem")),
            server_cert_remote_path: String::new(),
            server_key_remote_path: String::new(),
            client_cert_path: text(certs.join("cert.pem")),
            server_cert_sans: empty(),
            cert_dir: text(certs),
            store_path: text(machine),
            extra: Map::new(),
        }
    }
}

impl AuthOptions {
    /// Certificates of this store's own CA from here on.
    pub(crate) fn belong_to(&mut self, root: &Path) {
        let text = |name: &str| root.join("certs").join(name).to_string_lossy().into_owned();
        self.cert_dir = root.join("certs").to_string_lossy().into_owned();
        self.ca_cert_path = text("ca.pem");
        self.ca_private_key_path = text("ca-key.pem");
        self.client_cert_path = text("cert.pem");
        self.client_key_path = text("key.pem");
    }

    /// Certificates in the machine's own folder, of a CA that is not this store's.
    pub(crate) fn keep_to(&mut self, machine: &Path) {
        let text = |name: &str| machine.join(name).to_string_lossy().into_owned();
        self.cert_dir = machine.to_string_lossy().into_owned();
        self.ca_cert_path = text("ca.pem");
        self.ca_private_key_path = text("ca-key.pem");
        self.client_cert_path = text("cert.pem");
        self.client_key_path = text("key.pem");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a list that is there, and empty")]
fn empty() -> List {
    Some(Vec::new())
}

/// Why a config.json cannot be used.
#[derive(Debug)]
pub(super) enum ParseError {
    Broken(Cause),
    Future(u64),
}

impl ParseError {
    pub(super) fn broken(error: impl Into<Cause>) -> Self {
        Self::Broken(error.into())
    }

    pub(super) fn at(self, path: PathBuf) -> StoreError {
        match self {
            Self::Broken(source) => StoreError::BadConfig { path, source },
            Self::Future(version) => StoreError::FutureConfig { path, version },
        }
    }
}

pub(super) fn load(dir: &Path, root: &Path, name: &MachineName) -> Result<HostConfig, StoreError> {
    let path = dir.join(CONFIG);
    match files::read(&path) {
        Ok(text) => HostConfig::parse(&text, root, name).map_err(|e| e.at(path)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(StoreError::NoConfig(path))
        }
        Err(source) => Err(StoreError::Read { path, source }),
    }
}
