//! What a node image is made of, and the name that follows from it.

use rmachine_driver::{DriverError, Options};
use sha2::{Digest, Sha256};

pub(crate) const REPOSITORY: &str = "rmachine-node";

pub(crate) const PACKAGES: &str = include_str!("../../../../templates/node/packages");
pub(crate) const INIT: &str = include_str!("../../../../templates/node/init");
pub(crate) const SETUP: &str = include_str!("../../../../templates/node/setup.sh");
pub(crate) const ROOTFS: &str = include_str!("../../../../templates/node/rootfs.sh");
pub(crate) const DOCKERFILE: &str = include_str!("../../../../templates/node/Dockerfile");

/// Suites in which the client is part of the engine's package.
const CLIENT_INSIDE: &[&str] = &["buster", "bullseye", "bookworm"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) suite: String,
    /// Packages that the user asks for, sorted.
    pub(crate) extra: Vec<String>,
    pub(crate) engine: bool,
}

impl Recipe {
    pub(crate) fn from_options(options: &Options) -> Result<Self, DriverError> {
        let suite = options.text("docker-suite");
        if suite.is_empty() || !suite.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            return Err(DriverError::invalid(format!(
                "--docker-suite {suite:?} is not a Debian suite like trixie"
            )));
        }
        let mut extra = options.list("docker-package").to_vec();
        if let Some(bad) = extra.iter().find(|p| !is_package(p)) {
            return Err(DriverError::invalid(format!(
                "--docker-package {bad:?} is not the name of a Debian package"
            )));
        }
        extra.sort();
        extra.dedup();
        Ok(Self { suite: suite.to_owned(), extra, engine: !options.flag("docker-no-engine") })
    }

    /// Beside those that every node has.
    pub(crate) fn further_packages(&self) -> Vec<&str> {
        let mut packages = Vec::new();
        if self.engine {
            packages.push("docker.io");
            if !CLIENT_INSIDE.contains(&self.suite.as_str()) {
                packages.push("docker-cli");
            }
        }
        packages.extend(self.extra.iter().map(String::as_str));
        packages
    }

    pub(crate) fn all_packages(&self) -> Vec<&str> {
        let base = PACKAGES.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
        base.chain(self.further_packages()).collect()
    }

    /// Of everything that has a say in what the image holds.
    pub(crate) fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for part in [PACKAGES, INIT, SETUP, ROOTFS, DOCKERFILE, &self.suite] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        for package in self.further_packages() {
            hasher.update(package.as_bytes());
            hasher.update([0]);
        }
        hasher.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect()
    }

    pub(crate) fn tag(&self) -> String {
        format!("{}-{}", self.suite, self.hash())
    }

    pub(crate) fn image(&self) -> String {
        format!("{REPOSITORY}:{}", self.tag())
    }
}

fn is_package(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    first
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(suite: &str, extra: &[&str], engine: bool) -> Recipe {
        Recipe { suite: suite.into(), extra: extra.iter().map(|e| (*e).into()).collect(), engine }
    }

    #[test]
    fn the_name_follows_the_recipe() {
        let plain = recipe("trixie", &[], true);
        assert!(plain.image().starts_with("rmachine-node:trixie-"), "{}", plain.image());
        assert_eq!(plain.tag().len(), "trixie-".len() + 12);
        for other in
            [recipe("sid", &[], true), recipe("trixie", &["vim"], true), recipe("trixie", &[], false)]
        {
            assert_ne!(plain.hash(), other.hash());
        }
    }

    #[test]
    fn the_client_is_a_package_of_its_own_from_trixie_on() {
        assert_eq!(recipe("bookworm", &["vim"], true).further_packages(), ["docker.io", "vim"]);
        assert_eq!(recipe("trixie", &[], true).further_packages(), ["docker.io", "docker-cli"]);
        assert!(recipe("trixie", &[], false).further_packages().is_empty());
        let all = recipe("trixie", &[], true);
        assert!(all.all_packages().starts_with(&["systemd", "systemd-sysv"]));
    }
}
