//! From a plan to a machine that is ready, phase by phase; `--resume` goes on where an earlier run ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{
    CreateRequest, Driver, DriverErrorKind, HostKeyPair, Import, Login, MachineName, Phase, Quote,
};

use crate::machines::keyring::DriverKeyring;
use crate::machines::{Amend, Machine, Machines, engine_settings, planned};
use crate::model::{Exit, Failure};
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
    pub(crate) ssh_timeout: Option<Duration>,
    pub(crate) keep_on_failure: bool,
}

impl Machines {
    /// The same, and tells when there is a machine that boots.
    pub(crate) async fn create_telling(
        &self,
        plan: CreatePlan,
        made: &(dyn Fn() + Sync),
    ) -> Result<(), Failure> {
        let name = plan.name.clone();
        let lock = self.lock(&name).await?;
        if self.store.exists(&name) {
            return Err(self.exists_already(&name));
        }
        let auth = &plan.config.host_options.auth;
        self.certs.ensure_client(auth, &|text| self.step(&name, text)).await?;
        let mut own = plan.own;
        own.keep_on_failure = plan.keep_on_failure;
        let machine = self.machine(name.clone(), planned(plan.config, own));
        let mut machine = self.with_secret(machine, plan.secret);
        self.step(&name, "Running pre-create checks...");
        plan.driver.check(&machine.view()).await.map_err(refused)?;
        check_key(&machine, &plan.imports).map_err(|e| refused_for(e.into()))?;
        if let Some(prices) = plan.driver.prices() {
            let quote = prices.quote(&machine.view()).await.map_err(refused)?;
            self.reporter.info(&name, &price(&quote));
        }
        for note in self.store.reserve(&lock, &machine.stored, &plan.imports)? {
            self.reporter.info(&name, &note);
        }
        self.advance(&lock, &mut machine, plan.ssh_timeout, made).await
    }

    /// What a machine would cost, for a look beforehand.
    pub(crate) async fn quote(&self, plan: &CreatePlan) -> Result<Option<String>, Failure> {
        let Some(prices) = plan.driver.prices() else { return Ok(None) };
        let stored = planned(plan.config.clone(), plan.own.clone());
        let machine = self.with_secret(self.machine(plan.name.clone(), stored), plan.secret.clone());
        Ok(Some(price(&prices.quote(&machine.view()).await?)))
    }

    /// With what the user told of the account at the provider.
    fn with_secret(&self, machine: Machine, secret: Option<SecretString>) -> Machine {
        let keyring = DriverKeyring::new(&self.store, &machine.stored.config.driver_name, secret);
        Machine { keyring: Arc::new(keyring), ..machine }
    }

    /// Goes on with a machine whose making was not finished.
    pub(crate) async fn resume(
        &self,
        name: &MachineName,
        run: &Run,
        amend: Amend<'_>,
    ) -> Result<(), Failure> {
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
        machine.stored.own.keep_on_failure |= run.keep_on_failure;
        self.ensure_client(&machine).await?;
        self.start_over_if_gone(&lock, &mut machine).await?;
        self.advance(&lock, &mut machine, run.ssh_timeout, &|| ()).await
    }

    /// Somebody destroyed what there was, or a run was killed while it cleaned up: there is nothing to go on with.
    async fn start_over_if_gone(&self, lock: &MachineLock, machine: &mut Machine) -> Result<(), Failure> {
        let driver = machine.driver()?;
        if machine.stored.own.phase == Phase::Reserved || driver.features().login != Login::Generated {
            return Ok(());
        }
        let state = driver.state(&machine.view()).await;
        if !state.is_err_and(|e| e.kind == DriverErrorKind::Missing) {
            return Ok(());
        }
        self.step(&machine.name, "What was made of it is gone: it is made anew...");
        self.start_over(lock, machine)
    }

    /// As it was before anything was made; its keys are another host's from now on.
    fn start_over(&self, lock: &MachineLock, machine: &mut Machine) -> Result<(), Failure> {
        let own = &mut machine.stored.own;
        (own.host_key, own.next_host_key) = (None, None);
        self.enter(lock, machine, Phase::Reserved)
    }

    /// Takes a machine from the phase it is in to the last one.
    async fn advance(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        ssh_timeout: Option<Duration>,
        made: &(dyn Fn() + Sync),
    ) -> Result<(), Failure> {
        let done = self.phases(lock, machine, ssh_timeout, made).await;
        let Err(failure) = done else {
            self.reporter.finish(&machine.name, true);
            return Ok(());
        };
        machine.stored.own.failure = Some(failure.message.clone());
        // When the store cannot be written either, the first failure is the one to tell.
        let _ = self.save(lock, machine);
        let failure = self.after_failure(lock, machine, failure.prefix("Error creating machine: ")).await;
        self.reporter.finish(&machine.name, false);
        Err(failure)
    }

    /// Removes what would go on costing money; says what is left, and what can be done with it.
    async fn after_failure(&self, lock: &MachineLock, machine: &mut Machine, failure: Failure) -> Failure {
        let (name, program) = (machine.name.clone(), self.program.clone());
        let billed = machine.driver().is_ok_and(|d| d.features().is_billed);
        let keep = machine.stored.own.keep_on_failure;
        let mut failure = failure;
        if billed && !keep && machine.stored.own.phase > Phase::Reserved {
            self.step(&name, "Removing what was made, for it would cost money...");
            let removed =
                self.with_driver(lock, machine, async |driver, handle| driver.remove(handle).await).await;
            match removed.and_then(|()| self.start_over(lock, machine)) {
                // What could be done about it there can be done no more.
                Ok(()) => {
                    failure =
                        Failure { hints: Vec::new(), ..failure }.detail("removed again: all that was made");
                }
                Err(e) => {
                    failure.details.push(format!("it could not be removed again: {}", e.message));
                    failure.details.extend(e.details);
                }
            }
        }
        let phase = machine.stored.own.phase;
        let left = format!("left behind: machine \"{name}\" in phase {phase}, shown by `{program} ls`");
        let hint = format!(
            "`{program} create --resume {name}` goes on from there, `{program} rm {name}` removes it"
        );
        let hint = if billed && !keep && phase == Phase::Reserved {
            format!("{hint}; with --keep-on-failure what is made stays, to be looked at")
        } else {
            hint
        };
        failure.detail(left).hint(hint)
    }

    async fn phases(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        ssh_timeout: Option<Duration>,
        made: &(dyn Fn() + Sync),
    ) -> Result<(), Failure> {
        let name = machine.name.clone();
        if machine.stored.own.phase == Phase::Reserved {
            self.step(&name, "Creating machine...");
            let key = self.login_key(machine)?;
            let first = self.first_host_key(machine)?;
            let host_key =
                first.as_ref().map(|pair| HostKeyPair { private: &pair.private, public: &pair.public });
            let keep_on_failure = machine.stored.own.keep_on_failure;
            let first_boot = self.first_boot(machine);
            let request = CreateRequest {
                public_key: key.as_deref(),
                host_key,
                first_boot: Some(&first_boot),
                keep_on_failure,
            };
            self.with_driver(lock, machine, async |driver, handle| driver.create(handle, &request).await)
                .await
                .map_err(|e| e.prefix("Error in driver during machine creation: "))?;
            self.enter(lock, machine, Phase::Created)?;
        }
        made();
        if !machine.driver()?.features().host {
            return self.enter(lock, machine, Phase::Ready);
        }
        let wait = ssh_timeout.unwrap_or(machine.driver()?.features().boot);
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

fn price(quote: &Quote) -> String {
    format!("It costs {} an hour, {} a month", quote.per_hour, quote.per_month)
}

/// docker-machine's sentence; its exit code says that nothing was made.
fn refused(error: rmachine_driver::DriverError) -> Failure {
    refused_for(error.into())
}

fn refused_for(failure: Failure) -> Failure {
    Failure {
        exit: Exit::PreCheck,
        message: format!("Error with pre-create check: {:?}", failure.message),
        ..failure
    }
}
