//! Bringing a host up: reached, its engine installed and configured, and found to answer.

use std::time::Duration;

use rmachine_driver::{HostAddr, MachineName, Phase};

use super::{Amend, Failure, Lifecycle, Machine};
use crate::engine::options::{EngineFlags, EngineSettings};
use crate::engine::{EngineError, connect_tls};
use crate::provision::{self, EngineVersion, InstallMethod, Wanted};
use crate::ssh::Session;
use crate::store::{self, HostConfig, List, MachineLock};

/// docker-machine's patience with the engine's TLS.
const TLS: Duration = Duration::from_secs(20);

impl Lifecycle {
    /// Installs and configures again; changes and restarts only what differs.
    pub async fn provision(
        &self,
        machine: Machine,
        ssh_timeout: Option<Duration>,
        amend: Amend<'_>,
    ) -> Result<(), Failure> {
        let done = self.provision_locked(&machine.name, ssh_timeout, amend).await;
        self.reporter.finish(&machine.name, done.is_ok());
        done
    }

    async fn provision_locked(
        &self,
        name: &MachineName,
        ssh_timeout: Option<Duration>,
        amend: Amend<'_>,
    ) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        let driver = machine.driver()?.clone();
        match machine.stored.own.phase {
            Phase::Reserved => {
                return Err(Failure::new(format!("Docker machine \"{name}\" has not been made yet"))
                    .hint(format!("`{} create --resume {name}` makes it", self.program)));
            }
            Phase::Removing => {
                return Err(Failure::new(format!("Docker machine \"{name}\" is being removed"))
                    .hint(format!("`{} rm {name}` finishes that", self.program)));
            }
            _ => {}
        }
        if !driver.features().host {
            return Err(Failure::new(format!(
                "Docker machine \"{name}\" has no host to provision: the driver {:?} only keeps a URL",
                driver.name()
            )));
        }
        amend(&mut machine.stored)?;
        engine_settings(&machine.stored.config)?;
        self.ensure_client(name, &machine.stored.config.host_options.auth).await?;
        self.bring_up(&lock, &mut machine, ssh_timeout.unwrap_or(driver.features().boot)).await
    }

    /// From a host that exists to an engine that answers; each phase is saved as it is reached.
    pub(super) async fn bring_up(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        wait: Duration,
    ) -> Result<(), Failure> {
        let name = machine.name.clone();
        self.step(&name, "Waiting for machine to be running, this may take a few minutes...");
        self.step(&name, "Detecting operating system of created instance...");
        self.step(&name, "Waiting for SSH to be available...");
        let session = self.wait_for_ssh(machine, wait).await?;
        let reached = machine.stored.own.phase.max(Phase::Reachable);
        self.enter(lock, machine, reached)?;
        let outcome = self.provision_over(machine, &session).await;
        session.close().await;
        outcome.map_err(|e| e.prefix("Error running provisioning: "))?;
        let provisioned = machine.stored.own.phase.max(Phase::Provisioned);
        self.enter(lock, machine, provisioned)?;
        self.step(&name, "Checking connection to Docker...");
        self.await_engine(machine).await.map_err(|e| e.prefix("Error checking the host: "))?;
        self.enter(lock, machine, Phase::Ready)?;
        self.step(&name, "Docker is up and running!");
        Ok(())
    }

    async fn provision_over(&self, machine: &Machine, session: &Session) -> Result<(), Failure> {
        let name = &machine.name;
        self.step(name, "Detecting the provisioner...");
        // Making an RSA key keeps a core busy for a while; the host answers meanwhile.
        let tls = tokio::task::block_in_place(|| self.server_tls(machine));
        let facts = provision::facts(session).await.map_err(|e| self.provision_failure(name, &e))?;
        self.step(name, &format!("Provisioning with {}...", facts.provisioner()));
        let tls = tls?;
        self.step(name, "Copying certs to the local machine directory...");
        self.copy_client(machine)?;
        let wanted = self.wanted(machine, tls)?;
        let done = provision::provision(session, facts, &wanted, self.reporter.as_ref()).await;
        done.map(drop).map_err(|e| self.provision_failure(name, &e))
    }

    fn wanted(&self, machine: &Machine, tls: provision::Tls) -> Result<Wanted, Failure> {
        let config = &machine.stored.config;
        let own = &machine.stored.own;
        let version = own.engine_version.as_deref().map(EngineVersion::parse).transpose();
        Ok(Wanted {
            machine: machine.name.clone(),
            engine: engine_settings(config)?,
            engine_port: engine_address(machine)?.1,
            install: match own.install_method {
                store::InstallMethod::Script => {
                    InstallMethod::Script { url: config.host_options.engine.install_url.clone() }
                }
                store::InstallMethod::Distro => InstallMethod::Distro,
                store::InstallMethod::None => InstallMethod::None,
            },
            engine_version: version.map_err(|e| Failure::new(e.to_string()))?,
            set_hostname: true,
            tls,
        })
    }

    /// The engine has answered on its own socket; here it has to answer over the network, with a certificate.
    async fn await_engine(&self, machine: &Machine) -> Result<(), Failure> {
        let (host, port) = engine_address(machine)?;
        self.ping(machine).await?.map_err(|e| unreachable(&host, port, &e))
    }

    /// For `config` and `env --check`: whether the engine answers with a certificate of ours, and takes ours.
    pub async fn check_tls(&self, machine: &Machine) -> Result<(), String> {
        self.ping(machine).await.map_err(|e| e.message)?.map_err(|e| e.to_string())
    }

    /// A request, not only a handshake: with TLS 1.3 an engine refuses a client's certificate after it.
    async fn ping(&self, machine: &Machine) -> Result<Result<(), EngineError>, Failure> {
        let tls = self.client_tls(machine)?;
        let (host, port) = engine_address(machine)?;
        Ok(match connect_tls(&host, port, host.as_str(), &tls, TLS).await {
            Ok(mut client) => client.ping().await,
            Err(e) => Err(e),
        })
    }

    fn provision_failure(&self, name: &MachineName, error: &provision::ProvisionError) -> Failure {
        let mut failure = Failure::new(error.to_string());
        failure.details = error.log().to_vec();
        failure.details.extend(Some(error.left_behind().to_owned()).filter(|l| !l.is_empty()));
        failure.hints = error.hints(name);
        failure
    }
}

/// The engine options of a machine, understood. Called before anything is touched, and again for each provisioning.
pub fn engine_settings(config: &HostConfig) -> Result<EngineSettings, Failure> {
    let options = &config.host_options.engine;
    let list = |l: &List| l.clone().unwrap_or_default();
    let (opts, labels) = (list(&options.arbitrary_flags), list(&options.labels));
    let (insecure, mirrors) = (list(&options.insecure_registry), list(&options.registry_mirror));
    let env = list(&options.env);
    let settings = EngineSettings::parse(&EngineFlags {
        opts: &opts,
        labels: &labels,
        insecure_registries: &insecure,
        registry_mirrors: &mirrors,
        storage_driver: &options.storage_driver,
        env: &env,
        provider: &config.driver_name,
    });
    settings.map_err(|e| Failure::new(e.to_string()))
}

/// Where a machine's engine answers.
pub(super) fn engine_address(machine: &Machine) -> Result<(HostAddr, u16), Failure> {
    let url = machine.description().engine_url.ok_or_else(|| Failure::new("Host is not running"))?;
    parse_url(&url).ok_or_else(|| Failure::new(format!("{url:?} is not the URL of an engine")))
}

fn parse_url(url: &str) -> Option<(HostAddr, u16)> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, port) = rest.rsplit_once(':')?;
    Some((HostAddr::parse(host).ok()?, port.trim_end_matches('/').parse().ok()?))
}

fn unreachable(host: &HostAddr, port: u16, error: &EngineError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        EngineError::Dial { .. } | EngineError::Timeout { .. } => failure.hint(format!(
            "the engine runs and listens; port {port} of {host} must be open for this computer (firewall, security \
             group)"
        )),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_urls() {
        let parsed = |url| parse_url(url).map(|(h, p)| h.with_port(p));
        assert_eq!(parsed("tcp://10.0.0.5:2376").as_deref(), Some("10.0.0.5:2376"));
        assert_eq!(parsed("tcp://[2001:db8::1]:4243").as_deref(), Some("[2001:db8::1]:4243"));
        assert_eq!(parsed("https://engine.example.com:2376/").as_deref(), Some("engine.example.com:2376"));
        assert_eq!(parsed("localhost"), None);
    }
}
