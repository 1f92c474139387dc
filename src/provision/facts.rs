//! What a host said about itself, read from the answer of `templates/provision/facts.sh`.

use std::collections::BTreeMap;

use crate::provision::error::ProvisionError;
use crate::provision::os_release::OsRelease;
use crate::provision::unit::{DROP_IN, UnitFile};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) os: OsRelease,
    pub(crate) arch: String,
    pub(crate) hostname: String,
    pub(crate) user: String,
    pub(crate) privilege: Privilege,
    pub(crate) systemd: bool,
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

/// An engine that systemd starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engine {
    /// What `dockerd --version` says, without the packager's additions: 26.1.5.
    pub(crate) version: Option<String>,
    pub(crate) active: bool,
    /// On its way up.
    pub(crate) starting: bool,
    pub(crate) enabled: bool,
    /// In the order in which systemd reads them, ours among them.
    pub(crate) unit: Vec<UnitFile>,
}

/// The engine's configuration as it is on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) daemon_json: Option<String>,
    pub(crate) drop_in: Option<String>,
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
        Ok(Self {
            os: OsRelease::parse(answer.text("os-release")),
            arch: answer.value("arch"),
            hostname: answer.value("hostname"),
            user: answer.value("user"),
            privilege: answer.privilege(),
            systemd: answer.has("systemd"),
            snap: answer.has("snap"),
            tools: answer.tools(),
            cloud_init: answer.values.get("cloud-init").map(|v| (*v).to_owned()),
            free: answer.free(),
            engine: answer.engine(),
            config: answer.config(),
            hosts: answer.text("hosts").to_owned(),
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

/// The lines of an answer, sorted.
struct Answer<'a> {
    values: BTreeMap<&'a str, &'a str>,
    texts: BTreeMap<&'a str, String>,
    /// The keys of `texts` in the order in which they came.
    order: Vec<&'a str>,
}

impl<'a> Answer<'a> {
    fn read(answer: &'a str) -> Result<Self, ProvisionError> {
        let begun = answer.split_once("@rmachine facts 1\n").map(|(_, rest)| rest);
        let body = begun.and_then(|rest| rest.split_once("@rmachine end")).map(|(body, _)| body);
        let mut read = Self { values: BTreeMap::new(), texts: BTreeMap::new(), order: Vec::new() };
        for line in body.ok_or_else(|| ProvisionError::no_facts(answer))?.lines() {
            read.line(line);
        }
        Ok(read)
    }

    fn line(&mut self, line: &'a str) {
        match line.split_at_checked(2) {
            Some(("= ", rest)) => {
                let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                self.values.insert(key, value);
            }
            Some((": ", key)) => {
                self.texts.insert(key, String::new());
                self.order.push(key);
            }
            Some(("| ", rest)) => {
                if let Some(text) = self.order.last().and_then(|key| self.texts.get_mut(key)) {
                    text.push_str(rest);
                    text.push('\n');
                }
            }
            _ => {}
        }
    }

    fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    fn value(&self, key: &str) -> String {
        self.values.get(key).copied().unwrap_or_default().to_owned()
    }

    fn text(&self, key: &str) -> &str {
        self.texts.get(key).map(String::as_str).unwrap_or_default()
    }

    fn privilege(&self) -> Privilege {
        match self.values.get("sudo") {
            Some(&"root") => Privilege::Root,
            Some(&"yes") => Privilege::Sudo,
            Some(&"refused") => Privilege::Refused(self.text("sudo-says").trim().to_owned()),
            _ => Privilege::NoSudo,
        }
    }

    fn tools(&self) -> BTreeMap<String, String> {
        let tools = self.values.iter().filter_map(|(key, path)| Some((key.strip_prefix("tool.")?, path)));
        tools.map(|(name, path)| (name.to_owned(), (*path).to_owned())).collect()
    }

    fn free(&self) -> BTreeMap<String, u64> {
        let rows = self.text("df").lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter_map(|row| Some((row.get(5)?.to_string(), row.get(3)?.parse().ok()?))).collect()
    }

    /// A client alone is no engine, and one that systemd does not know cannot be configured.
    fn engine(&self) -> Option<Engine> {
        let service = self.unit_properties();
        if service.get("LoadState") != Some(&"loaded") || !self.has("tool.dockerd") {
            return None;
        }
        let state = service.get("ActiveState").copied();
        // The job of one that does not run is its start, which waits for others: while a host boots.
        let queued = service.get("Job").is_some_and(|job| !matches!(*job, "" | "0"));
        Some(Engine {
            version: version(self.text("dockerd")),
            active: state == Some("active"),
            starting: state == Some("activating") || state == Some("inactive") && queued,
            enabled: service.get("UnitFileState") == Some(&"enabled"),
            unit: self.unit_files(),
        })
    }

    fn unit_properties(&self) -> BTreeMap<&str, &str> {
        let block = self.text("units").split("\n\n").find(|block| block.contains("Id=docker.service"));
        block.unwrap_or_default().lines().filter_map(|line| line.split_once('=')).collect()
    }

    fn unit_files(&self) -> Vec<UnitFile> {
        let paths = self.order.iter().filter_map(|key| key.strip_prefix("unit ").map(|path| (key, path)));
        paths.map(|(key, path)| UnitFile { path: path.to_owned(), text: self.text(key).to_owned() }).collect()
    }

    fn config(&self) -> Config {
        let modes = self.text("modes").lines().filter_map(|line| line.split_once(' '));
        Config {
            daemon_json: self.texts.get("daemon.json").cloned(),
            drop_in: self.texts.get(DROP_IN).cloned(),
            defaults: self.texts.get("default").cloned(),
            digests: self.text("digests").trim_end().to_owned(),
            modes: modes.map(|(mode, name)| (name.to_owned(), mode.to_owned())).collect(),
            pending: self.has("pending"),
        }
    }
}

/// `Docker version 26.1.5+dfsg1, build 411e817`
fn version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("version ")?;
    let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    (!number.is_empty()).then_some(number)
}
