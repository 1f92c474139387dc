//! What has to change on a host: pure, so that it can be shown as well as done.

use std::fmt;

use rmachine_driver::MachineName;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::engine::options::{parse_daemon_json, render};
use crate::provision::engine::Configuration;
use crate::provision::error::ProvisionError;
use crate::provision::facts::{Config, Engine, Facts, Privilege};
use crate::provision::packages::Packages;
use crate::provision::service::{Service, ServiceFile, ServiceState};
use crate::provision::version::EngineVersion;
use crate::provision::wanted::{InstallMethod, Tls, Wanted};

/// The ways from facts to wanted. Empty when there is nothing to do.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) install: Option<Install>,
    /// Not known before there is an engine: what a package brings is asked for after it is there.
    pub(crate) configure: Option<Configure>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Install {
    pub(crate) method: InstallMethod,
    pub(crate) version: Option<EngineVersion>,
    pub(super) packages: Packages,
    pub(super) service: Service,
}

#[derive(Debug)]
pub(crate) struct Configure {
    pub(super) service: Service,
    pub(crate) files: Vec<HostFile>,
    pub(crate) hostname: Option<String>,
    pub(crate) restart: bool,
    /// It is starting with what is wanted: it is restarted only if it does not come up.
    pub(super) starting: bool,
    pub(super) reload: bool,
    pub(super) enable: bool,
    /// The state that this was planned from.
    pub(super) digests: String,
}

#[derive(Debug)]
pub(crate) struct HostFile {
    pub(crate) name: FileName,
    pub(crate) content: SecretString,
}

/// The files that are ours on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileName {
    DaemonJson,
    Ca,
    ServerCert,
    ServerKey,
    StartOptions(Service),
}

/// What has to change on this host, or why it cannot be what is wanted.
pub(crate) fn plan(facts: &Facts, wanted: &Wanted) -> Result<Changes, ProvisionError> {
    let (packages, service) = check_host(facts)?;
    let Some(engine) = &facts.engine else { return install(facts, packages, service, wanted) };
    let mut warnings = Vec::new();
    let configure = configure(facts, service, engine, wanted, &mut warnings)?;
    warnings.extend(other_version(engine, wanted));
    Ok(Changes { install: None, configure, warnings })
}

/// What everything on this host is done with, or why nothing can be done there.
pub(super) fn check_host(facts: &Facts) -> Result<(Packages, Service), ProvisionError> {
    let managers = (facts.packages()?, facts.service()?);
    let user = facts.user.clone();
    match &facts.privilege {
        Privilege::Root | Privilege::Sudo => Ok(managers),
        Privilege::Refused(says) => Err(ProvisionError::SudoRefused { user, says: says.clone() }),
        Privilege::NoSudo => Err(ProvisionError::NoSudo(user)),
    }
}

fn install(
    facts: &Facts,
    packages: Packages,
    service: Service,
    wanted: &Wanted,
) -> Result<Changes, ProvisionError> {
    if facts.snap {
        return Err(ProvisionError::Snap);
    }
    if let Some(path) = facts.tools.get("dockerd") {
        return Err(ProvisionError::NoService { program: path.clone(), definition: service.definition() });
    }
    if wanted.install == InstallMethod::None {
        return Err(ProvisionError::NoEngine);
    }
    let method = wanted.install.clone();
    let install = Install { method, version: wanted.engine_version.clone(), packages, service };
    Ok(Changes { install: Some(install), configure: None, warnings: low_space(facts) })
}

/// A package and what it unpacks to; an installation that ends half-way says so by itself.
const SPACE_KIB: u64 = 1024 * 1024;

fn low_space(facts: &Facts) -> Vec<String> {
    let low = facts.free.iter().filter(|(_, free)| **free < SPACE_KIB);
    low.map(|(mount, free)| format!("Only {} MiB are free at {mount} on the host", free / 1024)).collect()
}

fn other_version(engine: &Engine, wanted: &Wanted) -> Option<String> {
    let (version, found) = (wanted.engine_version.as_ref()?, engine.version.as_ref()?);
    (!version.is(found)).then(|| {
        format!(
            "The host has engine {found}, which is kept; --engine-version {version} is for hosts without one"
        )
    })
}

fn configure(
    facts: &Facts,
    service: Service,
    engine: &Engine,
    wanted: &Wanted,
    warnings: &mut Vec<String>,
) -> Result<Option<Configure>, ProvisionError> {
    let files = changed_files(service, &facts.config, engine, wanted)?;
    let pending = facts.config.pending;
    let state = &engine.state;
    let work = Configure {
        service,
        starting: state.starting && !pending && files.is_empty(),
        reload: pending || files.iter().any(|file| file.name == FileName::StartOptions(service)),
        restart: pending || !state.active || !files.is_empty(),
        enable: !state.enabled,
        hostname: new_hostname(facts, wanted, warnings),
        digests: facts.config.digests.clone(),
        files,
    };
    Ok((work.restart || work.enable || work.hostname.is_some()).then_some(work))
}

/// What an engine that has never started yet is to find, so that it is as wanted from the beginning. Only drivers whose
/// images run systemd ask for it.
pub(crate) fn first_files(unit: ServiceFile, wanted: &Wanted) -> Result<Vec<HostFile>, ProvisionError> {
    let state = ServiceState { active: false, starting: false, enabled: true, files: vec![unit] };
    changed_files(Service::Systemd, &Config::default(), &Engine { version: None, state }, wanted)
}

fn changed_files(
    service: Service,
    config: &Config,
    engine: &Engine,
    wanted: &Wanted,
) -> Result<Vec<HostFile>, ProvisionError> {
    let new = Configuration::new(service, engine, config, wanted)?;
    let mut files = Vec::new();
    if !config.daemon_json.as_deref().is_some_and(|old| says(old, &new.daemon_json)) {
        files.push(HostFile::new(FileName::DaemonJson, render(&new.daemon_json)));
    }
    files.extend(changed_pems(config, &wanted.tls));
    if config.start_options.as_deref().map(str::trim_end) != Some(new.start_options.trim_end()) {
        files.push(HostFile::new(FileName::StartOptions(service), new.start_options));
    }
    Ok(files)
}

/// Layout does not count.
fn says(text: &str, json: &Map<String, Value>) -> bool {
    parse_daemon_json(text).is_ok_and(|old| old == *json)
}

fn changed_pems(config: &Config, tls: &Tls) -> Vec<HostFile> {
    let pems = [
        HostFile::new(FileName::Ca, tls.ca.clone()),
        HostFile::new(FileName::ServerCert, tls.cert.clone()),
        HostFile { name: FileName::ServerKey, content: tls.key.clone() },
    ];
    pems.into_iter()
        .filter(|file| !config.has(file.name.as_str(), &file.digest(), file.name.mode()))
        .collect()
}

/// The longest that Linux takes.
const HOSTNAME: usize = 64;

fn new_hostname(facts: &Facts, wanted: &Wanted, warnings: &mut Vec<String>) -> Option<String> {
    let name = wanted.machine.as_str();
    if !wanted.set_hostname || (facts.hostname == name && known(&facts.hosts, name)) {
        return None;
    }
    if name.len() > HOSTNAME || MachineName::parse(name).is_err() {
        warnings
            .push(format!("The host keeps its name {}: {name} is none that a host can have", facts.hostname));
        return None;
    }
    Some(name.to_owned())
}

fn known(hosts: &str, name: &str) -> bool {
    hosts.lines().any(|line| line.split_whitespace().skip(1).any(|word| word == name))
}

impl Changes {
    /// Whether nothing is to do but to wait for an engine that is starting.
    pub(super) fn only_waits(&self) -> bool {
        let waits = |c: &Configure| c.starting && !c.enable && c.hostname.is_none();
        self.install.is_none() && self.configure.as_ref().is_some_and(waits)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.install.is_none() && self.configure.is_none()
    }
}

/// A line for each, as `--dry-run` shows them.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(install) = &self.install {
            writeln!(f, "install Docker {install}")?;
            writeln!(f, "configure the engine and restart it")?;
        }
        let Some(configure) = &self.configure else { return Ok(()) };
        if let Some(name) = &configure.hostname {
            writeln!(f, "name the host {name}")?;
        }
        for file in &configure.files {
            writeln!(f, "write {} (mode 0{})", file.name.path(), file.name.mode())?;
        }
        if configure.enable {
            writeln!(f, "start the engine at boot")?;
        }
        if configure.starting {
            writeln!(f, "wait for the engine, which is starting")?;
        } else if configure.restart {
            writeln!(f, "restart the engine")?;
        }
        Ok(())
    }
}

impl fmt::Display for Install {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(version) = &self.version {
            write!(f, "{version} ")?;
        }
        match &self.method {
            InstallMethod::Script { url } => write!(f, "by the script {url}"),
            InstallMethod::Distro | InstallMethod::None => write!(f, "from the distribution"),
        }
    }
}

impl HostFile {
    fn new(name: FileName, content: String) -> Self {
        Self { name, content: content.into() }
    }

    pub(super) fn digest(&self) -> String {
        let digest = Sha256::digest(self.content.expose_secret());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FileName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::DaemonJson => "daemon.json",
            Self::Ca => "ca.pem",
            Self::ServerCert => "server.pem",
            Self::ServerKey => "server-key.pem",
            Self::StartOptions(service) => service.start_options_name(),
        }
    }

    pub(crate) fn path(self) -> String {
        match self {
            Self::StartOptions(service) => service.start_options_path().to_owned(),
            _ => format!("/etc/docker/{}", self.as_str()),
        }
    }

    pub(super) fn mode(self) -> &'static str {
        if self.is_secret() { "600" } else { "644" }
    }

    pub(crate) fn is_secret(self) -> bool {
        self == Self::ServerKey
    }

    pub(super) fn is_pem(self) -> bool {
        matches!(self, Self::Ca | Self::ServerCert | Self::ServerKey)
    }
}
