//! What happens to a machine, as saved phases: made, reached, provisioned, started, stopped, removed, looked at.
//!
//! Only this room (and later `cluster`) writes to the store. Every change is made under the machine's lock, on what was
//! loaded under it; every phase is on disk before the step after it begins.

mod adopt;
mod catalogs;
mod connect;
mod create;
pub(crate) mod engine_connection;
mod firewall;
mod first_boot;
mod first_host_key;
mod keyring;
mod login_key;
mod mount;
pub(crate) mod observe;
mod power;
mod provision;
mod prune;
pub(crate) mod renew;
mod run_command;
mod snapshot;
#[cfg(test)]
mod tests;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use rmachine_driver::{
    Description, Driver, DriverState, MachineHandle, MachineName, MachineView, Phase, Reporter, Tags,
};

use self::keyring::DriverKeyring;
use crate::certs::{Certs, Holder};
use crate::model::Role;
use crate::registry::Registry;
use crate::ssh::{Prompter, SshEnv};
use crate::store::{Adopted, HostConfig, MachineLock, OwnState, Store, StoreJournal, StoredMachine};

pub(crate) use crate::model::Failure;
pub(crate) use adopt::{AdoptPlan, TlsGiven};
pub(crate) use catalogs::known_values;
pub use create::{CreatePlan, Run};
pub(crate) use mount::Mountable;
pub(crate) use provision::engine_settings;
pub(crate) use prune::Prunable;
pub(crate) use run_command::Ran;

/// How long one process waits for another that works on the same machine.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Scripts come over standard input, as those of provisioning do.
const SHELL: &str = "sh -s";

/// What a user changes of a machine on the way, before anything is done with it.
pub(crate) type Amend<'a> = &'a dyn Fn(&mut StoredMachine) -> Result<(), Failure>;

/// The tools for work on machines.
#[derive(Clone)]
pub struct Machines {
    pub store: Store,
    pub registry: Registry,
    pub ssh_env: SshEnv,
    pub prompter: Arc<dyn Prompter>,
    pub reporter: Arc<dyn Reporter>,
    pub certs: Certs,
    /// The name of this computer, in the tags of what is made.
    pub computer: String,
    /// The name that hints call the program by.
    pub program: String,
}

/// A machine as it was when it was loaded.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) name: MachineName,
    pub(crate) stored: StoredMachine,
    /// Nothing when this program has no such driver.
    pub(crate) driver: Option<Arc<dyn Driver>>,
    /// The process that was changing it then.
    busy: Option<u32>,
    pub(crate) dir: std::path::PathBuf,
    keyring: Arc<DriverKeyring>,
}

impl Machine {
    /// Where it answers, as the store knows it.
    pub(crate) fn description(&self) -> Description {
        let state = &self.stored.config.driver;
        let mut description = match &self.driver {
            Some(driver) => driver.describe(state),
            None => Description::from_state(state, rmachine_driver::ENGINE_PORT),
        };
        if self.stored.own.adopted == Some(Adopted::Ssh) {
            // As the docker CLI has it.
            description.engine_url = description
                .endpoint
                .as_ref()
                .map(|e| format!("ssh://{}@{}", e.user, e.host.with_port(e.port)));
        }
        description
    }

    /// The machine as the owner of its certificates.
    pub(crate) fn holder(&self) -> Holder<'_> {
        Holder {
            name: &self.name,
            dir: &self.dir,
            auth: &self.stored.config.host_options.auth,
            hosts: self.description().endpoint.iter().map(|e| e.host.to_string()).collect(),
        }
    }

    /// Whether its engine is reached by certificates, which clients find in the machine's folder.
    pub(crate) fn has_tls(&self) -> bool {
        self.stored.own.adopted != Some(Adopted::Ssh)
    }

    /// What `env --swarm` points to. A manager of today's swarms answers on its engine's own port.
    pub(crate) fn manager_url(&self) -> Option<String> {
        match &self.stored.own.swarm {
            Some(member) if member.role == Role::Manager => self.description().engine_url,
            Some(_) => None,
            None => self.swarm_url(),
        }
    }

    /// Where the manager of a classic swarm answers: the machine's address at the port of its swarm host option.
    pub(crate) fn swarm_url(&self) -> Option<String> {
        if self.stored.own.swarm.is_some() {
            return None;
        }
        let swarm = &self.stored.config.host_options.swarm;
        let (_, port) = swarm.host.rsplit_once(':').filter(|_| swarm.master)?;
        let url = self.description().engine_url?;
        Some(format!("{}:{port}", url.rsplit_once(':')?.0))
    }

    /// What `ls` says of a machine whose making or removing was not finished.
    pub(crate) fn unfinished(&self, program: &str) -> Option<String> {
        let OwnState { phase, failure, .. } = &self.stored.own;
        let name = &self.name;
        if let Some(pid) = self.busy.filter(|_| *phase != Phase::Ready) {
            let what = if *phase == Phase::Removing { "removed" } else { "created" };
            return Some(format!("is being {what} by process {pid} (phase {phase})"));
        }
        let next = match phase {
            Phase::Ready => return self.not_joined(program),
            Phase::Removing => format!("`{program} rm {name}` finishes it"),
            _ => format!("`{program} create --resume {name}` goes on, `{program} rm {name}` gives up"),
        };
        let reason = failure.as_ref().map(|f| format!(": {}", f.replace('\n', " "))).unwrap_or_default();
        let what =
            if *phase == Phase::Removing { "not removed completely" } else { "not created completely" };
        Some(format!("{what} (phase {phase}){reason}; {next}"))
    }

    /// For one session alone: nothing of it is saved.
    pub(crate) fn log_in_as(&mut self, user: &str) {
        self.stored.config.driver.set("SSHUser", user);
    }

    fn not_joined(&self, program: &str) -> Option<String> {
        let wish = self.stored.own.swarm.as_ref().filter(|m| !m.has_joined())?;
        let name = &self.name;
        Some(format!(
            "not in the swarm {} yet; `{program} create --resume {name}` brings it in",
            wish.cluster
        ))
    }

    pub(crate) fn driver(&self) -> Result<&Arc<dyn Driver>, Failure> {
        self.driver.as_ref().ok_or_else(|| {
            let name = &self.stored.config.driver_name;
            Failure::new(format!(
                "Driver {name:?} not found. Do you have the plugin binary accessible in your PATH?"
            ))
            .hint("drivers that run as separate programs are not supported yet; docker-machine still reads this store")
        })
    }

    fn view(&self) -> MachineView<'_> {
        MachineView {
            name: &self.name,
            uuid: self.stored.own.uuid,
            dir: &self.dir,
            state: &self.stored.config.driver,
            journal: &self.stored.own.journal,
            keyring: self.keyring.as_ref(),
        }
    }
}

impl Machines {
    pub(crate) fn load(&self, name: &MachineName) -> Result<Machine, Failure> {
        // Before the state is read: one that was finished since then is finished.
        let busy = self.store.busy(name);
        let stored = self.store.load(name).map_err(Failure::from)?;
        Ok(Machine { busy, ..self.machine(name.clone(), stored) })
    }

    fn machine(&self, name: MachineName, stored: StoredMachine) -> Machine {
        let driver = self.registry.find(&stored.config.driver_name);
        let dir = self.store.machine_dir(&name);
        let keyring = Arc::new(DriverKeyring::new(&self.store, &stored.config.driver_name, None));
        Machine { name, stored, driver, busy: None, dir, keyring }
    }

    pub(crate) async fn lock(&self, name: &MachineName) -> Result<MachineLock, Failure> {
        self.store.lock(name, LOCK_WAIT).await.map_err(Failure::from)
    }

    /// Locks a machine and loads it as it is now.
    pub(crate) async fn lock_and_load(&self, name: &MachineName) -> Result<(MachineLock, Machine), Failure> {
        let lock = self.lock(name).await?;
        let machine = self.load(name)?;
        Ok((lock, machine))
    }

    pub(crate) fn save(&self, lock: &MachineLock, machine: &Machine) -> Result<(), Failure> {
        self.store.save(lock, &machine.stored).map_err(Failure::from)
    }

    fn enter(&self, lock: &MachineLock, machine: &mut Machine, phase: Phase) -> Result<(), Failure> {
        tracing::debug!(machine = %machine.name, from = %machine.stored.own.phase, to = %phase, "phase");
        machine.stored.own.phase = phase;
        if phase == Phase::Ready {
            machine.stored.own.failure = None;
        }
        self.save(lock, machine)
    }

    /// Creates the CA and the client certificate that a machine's engine trusts, unless they exist.
    async fn ensure_client(&self, machine: &Machine) -> Result<(), Failure> {
        let auth = &machine.stored.config.host_options.auth;
        self.certs.ensure_client(auth, &|text| self.step(&machine.name, text)).await
    }

    pub(crate) fn step(&self, name: &MachineName, text: &str) {
        self.reporter.step(name, text);
    }

    fn tags(&self, machine: &Machine) -> Tags {
        let own = &machine.stored.own;
        Tags {
            uuid: own.uuid,
            machine: machine.name.clone(),
            // A relative one would be another folder wherever `prune` is run.
            store: std::path::absolute(self.store.root())
                .unwrap_or_else(|_| self.store.root().to_owned())
                .to_string_lossy()
                .into_owned(),
            computer: self.computer.clone(),
            expires: own.expires.map(jiff::Timestamp::as_second),
        }
    }

    /// Lets a driver change a machine; its state is saved whether it did well or not.
    async fn with_driver<F>(&self, lock: &MachineLock, machine: &mut Machine, act: F) -> Result<(), Failure>
    where
        F: AsyncFnOnce(&dyn Driver, &mut MachineHandle<'_>) -> Result<(), rmachine_driver::DriverError>,
    {
        let driver = machine.driver()?.clone();
        let before = machine.stored.clone();
        let tags = self.tags(machine);
        let StoredMachine { config, own } = &mut machine.stored;
        let uuid = own.uuid;
        let mut journal = StoreJournal::new(&self.store, lock, own);
        let mut handle = MachineHandle {
            name: &machine.name,
            uuid,
            dir: &machine.dir,
            tags,
            state: &mut config.driver,
            journal: &mut journal,
            keyring: machine.keyring.as_ref(),
            reporter: self.reporter.as_ref(),
        };
        let done = act(driver.as_ref(), &mut handle).await;
        // A driver that refused has changed nothing, and so does the store: an old file keeps its form.
        if machine.stored != before {
            self.save(lock, machine)?;
        }
        Ok(done?)
    }
}

/// The state of a machine that is not in the store yet.
fn planned(config: HostConfig, own: OwnState) -> StoredMachine {
    StoredMachine { config, own }
}

/// Sets the user and port that SSH uses, in docker-machine's keys.
fn set_login(state: &mut DriverState, user: &str, port: u16) {
    state.set("SSHUser", user);
    state.set("SSHPort", port);
}
