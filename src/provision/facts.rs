//! What a host said about itself, read from the answer of `templates/provision/facts.sh`.

use std::collections::BTreeMap;

use crate::provision::answer::Answer;
use crate::provision::error::ProvisionError;
use crate::provision::os_release::OsRelease;
use crate::provision::packages::{self, Packages};
use crate::provision::service::{Service, ServiceState};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) os: OsRelease,
    pub(crate) arch: String,
    pub(crate) hostname: String,
    pub(crate) user: String,
    pub(crate) privilege: Privilege,
    /// The name of what runs the services, supported or not.
    pub(crate) service_manager: String,
    pub(crate) snap: bool,
    /// The tools that are there, by name, with their paths.
    pub(crate) tools: BTreeMap<String, String>,
    /// As cloud-init's files tell: disabled, running, finished; nothing where there is none.
    pub(crate) cloud_init: Option<String>,
    /// Free KiB by mount point.
    pub(crate) free: BTreeMap<String, u64>,
    pub(crate) engine: Option<Engine>,
    pub(crate) config: Config,
    /// /etc/hosts, without which nothing is known of the names that it has.
    pub(crate) hosts: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Privilege {
    Root,
    /// sudo, and it asks for nothing.
    Sudo,
    /// sudo's own words. It says the same to those who would need a password and those who may not at all.
    Refused(String),
    NoSudo,
}

/// An engine that the service manager starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engine {
    /// What `dockerd --version` says, without the packager's additions: 26.1.5.
    pub(crate) version: Option<String>,
    pub(crate) state: ServiceState,
}

/// The engine's configuration as it is on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) daemon_json: Option<String>,
    /// The file that is named by [`Service::start_options_path`].
    pub(crate) start_options: Option<String>,
    /// /etc/default/docker
    pub(crate) defaults: Option<String>,
    /// What sha256sum printed for all of our files; a script that changes them asks for it again.
    pub(crate) digests: String,
    /// By path as in `digests`.
    modes: BTreeMap<String, String>,
    /// A change was begun and not ended.
    pub(crate) pending: bool,
}

impl Facts {
    pub(crate) fn parse(answer: &str) -> Result<Self, ProvisionError> {
        let answer = Answer::read(answer)?;
        let service = Service::named(answer.value("service-manager"));
        Ok(Self {
            os: OsRelease::parse(answer.text("os-release")),
            arch: answer.value("arch").to_owned(),
            hostname: answer.value("hostname").to_owned(),
            user: answer.value("user").to_owned(),
            privilege: privilege(&answer),
            service_manager: answer.value("service-manager").to_owned(),
            snap: answer.has("snap"),
            tools: answer.values_below("tool."),
            cloud_init: answer.has("cloud-init").then(|| answer.value("cloud-init").to_owned()),
            free: free(&answer),
            engine: service.and_then(|service| engine(&answer, service)),
            config: config(&answer, service),
            hosts: answer.text("hosts").to_owned(),
        })
    }

    pub(super) fn packages(&self) -> Result<Packages, ProvisionError> {
        let found = || {
            let there = packages::PROGRAMS.into_iter().filter(|program| self.tools.contains_key(*program));
            there.collect::<Vec<_>>().join(", ")
        };
        Packages::of(&self.os).ok_or_else(|| ProvisionError::UnknownPackages {
            os: self.os.pretty_name().to_owned(),
            found: Some(found()).filter(|found| !found.is_empty()).unwrap_or_else(|| "none".to_owned()),
        })
    }

    pub(super) fn service(&self) -> Result<Service, ProvisionError> {
        Service::named(&self.service_manager).ok_or_else(|| ProvisionError::UnknownService {
            os: self.os.pretty_name().to_owned(),
            found: self.service_manager.clone(),
            supported: Service::supported(),
        })
    }

    /// docker-machine's name for what sets such a host up, for "Provisioning with ...".
    pub(crate) fn provisioner(&self) -> String {
        self.os.provisioner()
    }

    /// The command that runs a script from its standard input with all rights.
    pub(super) fn shell(&self) -> &'static str {
        if self.privilege == Privilege::Root { "sh -s" } else { "sudo -n sh -s" }
    }
}

impl Config {
    /// Whether a file of /etc/docker has this digest, in hexadecimal, and this mode.
    pub(crate) fn has(&self, name: &str, digest: &str, mode: &str) -> bool {
        let found = self.digests.lines().filter_map(|line| line.split_once("  ")).find(|(_, n)| *n == name);
        found.is_some_and(|(d, _)| d == digest) && self.modes.get(name).is_some_and(|m| m == mode)
    }
}

fn privilege(answer: &Answer<'_>) -> Privilege {
    match answer.value("sudo") {
        "root" => Privilege::Root,
        "yes" => Privilege::Sudo,
        "refused" => Privilege::Refused(answer.text("sudo-says").trim().to_owned()),
        _ => Privilege::NoSudo,
    }
}

fn free(answer: &Answer<'_>) -> BTreeMap<String, u64> {
    let rows = answer.text("df").lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|row| Some((row.get(5)?.to_string(), row.get(3)?.parse().ok()?))).collect()
}

/// A client alone is no engine, and one that is no service cannot be configured.
fn engine(answer: &Answer<'_>, service: Service) -> Option<Engine> {
    let state = service.state(answer).filter(|_| answer.has("tool.dockerd"))?;
    Some(Engine { version: version(answer.text("dockerd")), state })
}

fn config(answer: &Answer<'_>, service: Option<Service>) -> Config {
    let modes = answer.text("modes").lines().filter_map(|line| line.split_once(' '));
    Config {
        daemon_json: answer.text_if_any("daemon.json"),
        start_options: service.and_then(|service| answer.text_if_any(service.start_options_name())),
        defaults: answer.text_if_any("default"),
        digests: answer.text("digests").trim_end().to_owned(),
        modes: modes.map(|(mode, name)| (name.to_owned(), mode.to_owned())).collect(),
        pending: answer.has("pending"),
    }
}

/// `Docker version 26.1.5+dfsg1, build 411e817`
fn version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("version ")?;
    let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    (!number.is_empty()).then_some(number)
}
