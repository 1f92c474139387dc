//! Bringing a host up: reached, its engine installed and configured, and found to answer.

use std::time::Duration;

use rmachine_driver::{MachineName, Phase};

use crate::certs::Server;
use crate::engine::options::{EngineFlags, EngineSettings};
use crate::machines::engine_connection::engine_address;
use crate::machines::{Amend, Machine, Machines};
use crate::model::{self, Failure};
use crate::provision::{self, EngineVersion, InstallMethod, Wanted};
use crate::ssh::Session;
use crate::store::{EngineOptions, HostConfig, List, MachineLock};

impl Machines {
    /// Installs and configures again; changes and restarts only what differs.
    pub(crate) async fn provision(
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
        self.refuse_unmade(&machine)?;
        if !driver.features().host {
            return Err(Failure::new(format!(
                "Docker machine \"{name}\" has no host to provision: the driver {:?} only keeps a URL",
                driver.name()
            )));
        }
        let (before, phase) = (machine.stored.clone(), machine.stored.own.phase);
        if phase == Phase::Ready && machine.stored.own.told.is_empty() {
            machine.stored.own.told.push(before.config.host_options.engine.clone());
        }
        amend(&mut machine.stored)?;
        self.refuse_adopted(&machine, "its engine is not ours to configure")?;
        engine_settings(&machine.stored.config)?;
        self.ensure_client(&machine).await?;
        if machine.stored.own.phase >= Phase::Created {
            self.must_run(&machine).await?;
        }
        let wait = ssh_timeout.unwrap_or(driver.features().boot);
        let done = self.bring_up(&lock, &mut machine, wait).await;
        if done.is_err() && phase == Phase::Ready {
            // What the host refused is not what the next provisioning is to try again.
            machine.stored.config.host_options = before.config.host_options;
            self.save(&lock, &machine)?;
        }
        done
    }

    /// From a host that exists to an engine that answers; each phase is saved as it is reached.
    pub(crate) async fn bring_up(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        wait: Duration,
    ) -> Result<(), Failure> {
        self.bring_up_with(lock, machine, wait, Server::Kept).await
    }

    pub(crate) async fn bring_up_with(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        wait: Duration,
        server: Server,
    ) -> Result<(), Failure> {
        let name = machine.name.clone();
        self.step(&name, "Waiting for machine to be running, this may take a few minutes...");
        self.step(&name, "Detecting operating system of created instance...");
        self.step(&name, "Waiting for SSH to be available...");
        let session = self.wait_for_ssh(machine, wait).await?;
        let reached = machine.stored.own.phase.max(Phase::Reachable);
        let telling = machine.stored.config.host_options.engine.clone();
        if !machine.stored.own.told.contains(&telling) {
            machine.stored.own.told.push(telling.clone());
        }
        self.enter(lock, machine, reached)?;
        self.replace_first_key(lock, machine, &session).await?;
        self.introduce(lock, machine, &session).await?;
        let answers = match self.provision_over(machine, &session, server).await {
            Ok(answers) => answers,
            Err(e) => {
                session.close().await;
                return Err(e.prefix("Error running provisioning: "));
            }
        };
        let provisioned = machine.stored.own.phase.max(Phase::Provisioned);
        machine.stored.own.told = vec![telling];
        self.enter(lock, machine, provisioned)?;
        self.step(&name, "Checking connection to Docker...");
        // A goodbye takes a round trip, which nobody has to wait for.
        let answers = async { if answers { Ok(()) } else { self.await_engine(machine).await } };
        let (answers, ()) = tokio::join!(answers, session.close());
        answers.map_err(|e| e.prefix("Error checking the host: "))?;
        self.tell_jump_host(machine);
        self.enter(lock, machine, Phase::Ready)?;
        self.step(&name, "Docker is up and running!");
        Ok(())
    }

    /// Whether the engine has been seen to answer from here already.
    async fn provision_over(
        &self,
        machine: &Machine,
        session: &Session,
        server: Server,
    ) -> Result<bool, Failure> {
        let name = &machine.name;
        self.step(name, "Detecting the provisioner...");
        let wanted = self.wanted(machine, self.server_tls_aside(machine, server).await?)?;
        let asking = provision::facts(session, wanted.asks_version());
        let (facts, ()) = tokio::join!(asking, session.prepare());
        let facts = facts.map_err(|e| failure_on(machine, &e))?;
        self.step(name, &format!("Provisioning with {}...", facts.provisioner()));
        self.step(name, "Copying certs to the local machine directory...");
        self.certs.copy_client(&machine.holder())?;
        let comes_up = || self.engine_answers_soon(machine);
        let done = provision::provision(session, facts, &wanted, self.reporter.as_ref(), comes_up).await;
        done.map_err(|e| failure_on(machine, &e))
    }

    /// Files and keys keep a thread busy for a while; others go on meanwhile.
    pub(crate) async fn server_tls_aside(
        &self,
        machine: &Machine,
        server: Server,
    ) -> Result<provision::Tls, Failure> {
        let (certs, copy) = (self.certs.clone(), machine.clone());
        let made = tokio::task::spawn_blocking(move || certs.server_tls(&copy.holder(), server)).await;
        made.map_err(|e| Failure::new(format!("the server's certificate was not made: {e}")))?
    }

    pub(crate) fn wanted(&self, machine: &Machine, tls: provision::Tls) -> Result<Wanted, Failure> {
        let config = &machine.stored.config;
        let own = &machine.stored.own;
        let version = own.engine_version.as_deref().map(EngineVersion::parse).transpose();
        Ok(Wanted {
            machine: machine.name.clone(),
            engine: engine_settings(config)?,
            told: own.told.iter().filter_map(|told| settings(told, &config.driver_name).ok()).collect(),
            engine_port: engine_address(machine)?.1,
            install: match own.install_method {
                model::InstallMethod::Script => {
                    InstallMethod::Script { url: config.host_options.engine.install_url.clone() }
                }
                model::InstallMethod::Distro => InstallMethod::Distro,
                model::InstallMethod::None => InstallMethod::None,
            },
            engine_version: version.map_err(|e| Failure::new(e.to_string()))?,
            set_hostname: machine.description().host_name.is_none(),
            tls,
        })
    }
}

/// In the error's own words, with the host it is about.
pub(crate) fn failure_on(machine: &Machine, error: &provision::ProvisionError) -> Failure {
    let host = machine.description().endpoint.map(|e| format!("{e}: ")).unwrap_or_default();
    let mut failure = Failure::new(format!("{host}{error}"));
    failure.details = error.log().to_vec();
    failure.details.extend(Some(error.left_behind().to_owned()).filter(|l| !l.is_empty()));
    failure.hints = error.advice(&machine.name).into_iter().collect();
    failure
}

/// The engine options of a machine, understood. Called before anything is touched, and again for each provisioning.
pub(crate) fn engine_settings(config: &HostConfig) -> Result<EngineSettings, Failure> {
    settings(&config.host_options.engine, &config.driver_name)
}

fn settings(options: &EngineOptions, driver: &str) -> Result<EngineSettings, Failure> {
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
        provider: driver,
    });
    settings.map_err(|e| Failure::new(e.to_string()))
}
