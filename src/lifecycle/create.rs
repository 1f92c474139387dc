//! From a plan to a machine that is ready, phase by phase; `--resume` goes on where an earlier run ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{CreateRequest, Driver, HostKeyPair, Import, MachineName, Phase};

use super::keyring::DriverKeyring;
use super::{Amend, Failure, Lifecycle, Machine, engine_settings, planned};
use crate::ssh::{self, SshError};
use crate::store::{HostConfig, MachineLock, OwnState, StoreError};

/// A machine to be made, everything resolved and found sound before anything is touched.
pub struct CreatePlan {
    pub name: MachineName,
    pub driver: Arc<dyn Driver>,
    pub config: HostConfig,
    pub own: OwnState,
    pub imports: Vec<Import>,
    /// Of the user's account at the provider, where a flag told it.
    pub secret: Option<SecretString>,
    /// What a driver made before it failed stays at the provider.
    pub keep_on_failure: bool,
    /// How long to wait for SSH, where the user says so.
    pub ssh_timeout: Option<Duration>,
}

/// What a run of `create` was told that the machine does not remember.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// How long to wait for SSH, where the user says so.
    pub ssh_timeout: Option<Duration>,
    pub keep_on_failure: bool,
}

impl Lifecycle {
    pub async fn create(&self, plan: CreatePlan) -> Result<(), Failure> {
        let name = plan.name.clone();
        let lock = self.lock(&name).await?;
        if self.store.exists(&name) {
            return Err(self.exists_already(&name));
        }
        self.ensure_client(&name, &plan.config.host_options.auth).await?;
        let mut machine = self.machine(name.clone(), planned(plan.config, plan.own));
        machine.keyring =
            Arc::new(DriverKeyring::new(&self.store, &machine.stored.config.driver_name, plan.secret));
        self.step(&name, "Running pre-create checks...");
        plan.driver.check(&machine.view()).await.map_err(refused)?;
        check_key(&machine, &plan.imports).map_err(|e| refused_for(e.into()))?;
        for note in self.store.reserve(&lock, &machine.stored, &plan.imports)? {
            self.reporter.info(&name, &note);
        }
        let run = Run { ssh_timeout: plan.ssh_timeout, keep_on_failure: plan.keep_on_failure };
        self.advance(&lock, &mut machine, &run).await
    }

    /// Goes on with a machine whose making was not finished.
    pub async fn resume(&self, name: &MachineName, run: &Run, amend: Amend<'_>) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        match machine.stored.own.phase {
            Phase::Ready => {
                return Err(Failure::new(format!(
                    "Docker machine \"{name}\" is complete: there is nothing to resume"
                ))
                .hint(format!("`{} provision {name}` checks and repairs its engine", self.program)));
            }
            Phase::Removing => {
                return Err(Failure::new(format!("Docker machine \"{name}\" is being removed"))
                    .hint(format!("`{} rm {name}` finishes that", self.program)));
            }
            _ => {}
        }
        amend(&mut machine.stored)?;
        engine_settings(&machine.stored.config)?;
        self.ensure_client(name, &machine.stored.config.host_options.auth).await?;
        self.advance(&lock, &mut machine, run).await
    }

    /// Takes a machine from the phase it is in to the last one.
    async fn advance(&self, lock: &MachineLock, machine: &mut Machine, run: &Run) -> Result<(), Failure> {
        let done = self.phases(lock, machine, run).await;
        self.reporter.finish(&machine.name, done.is_ok());
        let Err(failure) = done else { return Ok(()) };
        machine.stored.own.failure = Some(failure.message.clone());
        let name = &machine.name;
        let program = &self.program;
        let left = format!(
            "left behind: machine \"{name}\" in phase {}, shown by `{program} ls`",
            machine.stored.own.phase
        );
        // When the store cannot be written either, the first failure is the one to tell.
        let _ = self.save(lock, machine);
        Err(failure.prefix("Error creating machine: ").detail(left).hint(format!(
            "`{program} create --resume {name}` goes on from there, `{program} rm {name}` removes it"
        )))
    }

    async fn phases(&self, lock: &MachineLock, machine: &mut Machine, run: &Run) -> Result<(), Failure> {
        let name = machine.name.clone();
        if machine.stored.own.phase == Phase::Reserved {
            self.step(&name, "Creating machine...");
            let key = self.login_key(machine)?;
            let first = self.first_host_key(machine)?;
            let host_key =
                first.as_ref().map(|pair| HostKeyPair { private: &pair.private, public: &pair.public });
            let request =
                CreateRequest { public_key: key.as_deref(), host_key, keep_on_failure: run.keep_on_failure };
            self.with_driver(lock, machine, async |driver, handle| driver.create(handle, &request).await)
                .await
                .map_err(|e| e.prefix("Error in driver during machine creation: "))?;
            self.enter(lock, machine, Phase::Created)?;
        }
        if !machine.driver()?.features().host {
            return self.enter(lock, machine, Phase::Ready);
        }
        let wait = run.ssh_timeout.unwrap_or(machine.driver()?.features().boot);
        self.bring_up(lock, machine, wait).await
    }

    fn exists_already(&self, name: &MachineName) -> Failure {
        let failure = Failure::from(StoreError::AlreadyExists(name.clone()));
        match self.load(name) {
            Ok(machine) if machine.stored.own.phase < Phase::Ready => failure
                .hint(format!("its making was not finished: `{} create --resume {name}`", self.program)),
            _ => failure,
        }
    }
}

/// The login's key, where it is one of the user's files: what is none is found before anything is made.
fn check_key(machine: &Machine, imports: &[Import]) -> Result<(), SshError> {
    let path = PathBuf::from(machine.stored.config.driver.text("SSHKeyPath"));
    let name = path.file_name().and_then(|n| n.to_str());
    let Some(import) = imports.iter().find(|i| Some(i.name.as_str()) == name) else { return Ok(()) };
    ssh::check_key(&import.from)
}

/// docker-machine's sentence; its exit code says that nothing was made.
fn refused(error: rmachine_driver::DriverError) -> Failure {
    refused_for(error.into())
}

fn refused_for(failure: Failure) -> Failure {
    Failure {
        before_making: true,
        message: format!("Error with pre-create check: {:?}", failure.message),
        ..failure
    }
}
