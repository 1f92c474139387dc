//! The words that rmachine's core and its drivers share, and nothing else.
//!
//! A driver makes, starts, stops, removes and describes machines at one provider. It sees this crate and its
//! provider: no SSH session, no store, no Docker, no terminal. What differs between drivers is data ([`Features`],
//! [`OptionSpec`]) or a method of [`Driver`]; the core never asks for a driver's name.

mod catalog;
mod endpoint;
mod error;
mod first_boot;
mod image;
mod journal;
mod keyring;
mod name;
mod options;
mod report;
mod snapshot;
mod state;
mod tags;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
pub use uuid::Uuid;

pub use catalog::{Catalog, CatalogSpec, Quote};
pub use endpoint::{Endpoint, HostAddr, HostAddrError};
pub use error::{DriverError, DriverErrorKind, Leftovers, Resource};
pub use first_boot::{EngineUnit, FirstBoot, FirstFile};
pub use image::{NodeImage, Progress};
pub use journal::{Journal, JournalRecord};
pub use keyring::{Keyring, NoKeyring};
pub use name::{MachineName, MachineNameError};
pub use options::{OptionKind, OptionSpec, OptionValue, Options, Source, Value};
pub use report::{Reporter, Silent};
pub use secrecy;
use secrecy::SecretString;
pub use snapshot::Snapshot;
pub use state::{DriverState, Phase, State};
pub use tags::{Tagged, Tags};

/// The port on which a machine's engine answers unless its driver says otherwise.
pub const ENGINE_PORT: u16 = 2376;

/// What a driver can do, as data.
#[derive(Debug, Clone)]
pub struct Features {
    /// There is a host behind the machine: it answers SSH and its engine is ours to install and configure.
    pub host: bool,
    /// The address was given by the user, so their `~/.ssh/config` has a say in user, port, key and route.
    pub ssh_config: bool,
    /// How long a host that was just made or started may take until it answers SSH.
    pub boot: Duration,
    /// How `restart` is done.
    pub restart: Restart,
    /// Where the key of the first login comes from.
    pub login: Login,
    /// Its machines are made from images that it builds itself: see [`Driver::build_image`].
    pub images: bool,
    /// It can give a machine a host key before its first boot: see [`HostKeyPair`].
    pub first_host_key: Option<FirstHostKey>,
    /// Its machines cost money from their first minute: what a `create` that failed has made is removed again, unless the
    /// user wants to look at it.
    pub billed: bool,
    /// One question tells the states of many machines: see [`Driver::states`].
    pub lists: bool,
    /// Its machines run on this computer and share its cores: one that others will wait for goes first.
    pub here: bool,
}

/// How machines get the host key of their first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstHostKey {
    /// Where the machine itself, and nobody else, can read what it was given, as a URL: a host that tells it is that
    /// machine, whatever key it shows.
    pub told_at: Option<&'static str>,
    /// The flag of `create` for images that read nothing at their first boot.
    pub opt_out: Option<&'static str>,
}

/// Where the key comes from that the first SSH connection to a new machine uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The host is there and lets somebody in already: a key of the user's, or the agent's.
    Given,
    /// The core makes a pair in the machine's folder, sets `SSHKeyPath` and hands the public half to `create`.
    Generated,
}

/// How a machine of a driver is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// `stop`, then `start`.
    StopStart,
    /// The host is told over SSH to reboot; the driver has no say in it.
    OverSsh,
    /// Not at all; the text is docker-machine's refusal.
    Refused(&'static str),
}

/// What `create` was asked for, before anything exists.
#[derive(Debug)]
pub struct DraftRequest<'a> {
    pub name: &'a MachineName,
    pub options: &'a Options,
    /// The root of the store, as docker-machine keeps it in `StorePath`.
    pub store_path: &'a Path,
    /// Where files of this machine will live; not there yet.
    pub machine_dir: &'a Path,
    /// It is to be a member of a cluster.
    pub member: bool,
}

/// A machine as a driver means to make it: refused here, or known to be complete, before any I/O.
#[derive(Debug, Default)]
pub struct Draft {
    pub state: DriverState,
    /// Files of the user's that the machine keeps a copy of.
    pub imports: Vec<Import>,
    /// What a flag told of the user's account at the provider; it travels beside the state, never in it, and comes back
    /// as [`Keyring::given`]. The driver keeps it once it knows whose it is.
    pub secret: Option<SecretString>,
}

/// A file to copy into the machine's folder, readable by its owner alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub from: PathBuf,
    pub name: String,
    /// A missing file is worth a line, not a failure.
    pub optional: bool,
}

/// A machine as the store knows it, to be read.
#[derive(Debug, Clone, Copy)]
pub struct MachineView<'a> {
    pub name: &'a MachineName,
    pub uuid: Uuid,
    pub dir: &'a Path,
    pub state: &'a DriverState,
    pub journal: &'a [JournalRecord],
    pub keyring: &'a dyn Keyring,
}

/// A machine that a driver works on: its state may change, and what is made is journaled at once.
pub struct MachineHandle<'a> {
    pub name: &'a MachineName,
    pub uuid: Uuid,
    pub dir: &'a Path,
    /// What everything that is made for it bears.
    pub tags: Tags,
    pub state: &'a mut DriverState,
    pub journal: &'a mut dyn Journal,
    pub keyring: &'a dyn Keyring,
    pub reporter: &'a dyn Reporter,
}

/// What `create` hands to a driver beside the machine.
#[derive(Clone, Copy, Default)]
pub struct CreateRequest<'a> {
    /// The key that the first SSH connection will use, where the core made one.
    pub public_key: Option<&'a str>,
    /// The host key of the first boot, where the driver's features ask for one.
    pub host_key: Option<HostKeyPair<'a>>,
    /// What the machine is to find at its first start, for drivers that can put files into it before.
    pub first_boot: Option<&'a dyn FirstBoot>,
    /// What a `create` that fails has made at the provider stays there, to be looked at.
    pub keep_on_failure: bool,
}

/// A host key that was made here, so that the first connection is to nobody else. A driver that gave it to its machine
/// says so in [`Description::endpoint`]; once the host is reached, the core has it make one that nobody else ever saw.
#[derive(Debug, Clone, Copy)]
pub struct HostKeyPair<'a> {
    /// In OpenSSH's form.
    pub private: &'a SecretString,
    /// One line, without its end.
    pub public: &'a str,
}

/// Where a machine answers, as far as its state tells: no network is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// What `ip` prints.
    pub address: Option<String>,
    /// What `url` prints.
    pub engine_url: Option<String>,
    pub endpoint: Option<Endpoint>,
    /// What the host is called, where the driver saw to that; else it gets the machine's name.
    pub host_name: Option<String>,
}

/// One provider's way to machines.
#[async_trait]
pub trait Driver: Send + Sync {
    /// The name kept in config.json.
    fn name(&self) -> &'static str;

    /// Other names under which `-d` finds it.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn features(&self) -> Features;

    /// The flags of `create`.
    fn options(&self) -> Vec<OptionSpec>;

    /// Turns options into the state of a machine to be; refuses what cannot work. No I/O.
    fn draft(&self, request: &DraftRequest<'_>) -> Result<Draft, DriverError>;

    /// Looks, before anything is made, whether `create` can work. Changes nothing.
    async fn check(&self, machine: &MachineView<'_>) -> Result<(), DriverError>;

    /// Makes the machine. Called again on the same journal it goes on where it was.
    async fn create(
        &self,
        machine: &mut MachineHandle<'_>,
        request: &CreateRequest<'_>,
    ) -> Result<(), DriverError>;

    /// Reads addresses out of the state.
    fn describe(&self, state: &DriverState) -> Description {
        Description::from_state(state, ENGINE_PORT)
    }

    async fn state(&self, machine: &MachineView<'_>) -> Result<State, DriverError>;

    /// The states of all these machines, in their order; with one call where the provider has one for many.
    async fn states(&self, machines: &[MachineView<'_>]) -> Vec<Result<State, DriverError>> {
        let mut states = Vec::with_capacity(machines.len());
        for machine in machines {
            states.push(self.state(machine).await);
        }
        states
    }

    /// Whether the machine lets in whoever knocks until [`Driver::let_in`] says who we are. No I/O.
    fn awaits_caller(&self, _state: &DriverState) -> bool {
        false
    }

    /// The host was reached, and saw us come from this address: from now on it need let in nobody else.
    async fn let_in(&self, _machine: &mut MachineHandle<'_>, _from: IpAddr) -> Result<(), DriverError> {
        Ok(())
    }

    /// Has the provider keep away from the machine whoever is not named, in the words of the driver's own flag.
    async fn guard(&self, _machine: &mut MachineHandle<'_>, _words: &[String]) -> Result<(), DriverError> {
        Err(self.without("firewall"))
    }

    async fn start(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError>;

    async fn stop(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError>;

    async fn kill(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError>;

    /// Everything at the provider that bears our tags, whoever made it. Nothing, for a driver that makes nothing.
    async fn tagged(&self, _keyring: &dyn Keyring) -> Result<Vec<Tagged>, DriverError> {
        Ok(Vec::new())
    }

    /// Removes what `tagged` listed. What is already gone is done.
    async fn remove_tagged(&self, _keyring: &dyn Keyring, _tagged: &[Tagged]) -> Result<(), DriverError> {
        Ok(())
    }

    /// Removes all that the journal names. What is already gone is done.
    async fn remove(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError>;

    /// Whether this driver could make a machine here and now without being told anything; the text is the reason, a
    /// clause. Asked, with little patience, when the user names no driver.
    async fn at_hand(&self, _patience: Duration) -> Option<String> {
        None
    }

    /// The images that new machines are made from, as far as they are built yet.
    async fn images(&self) -> Result<Vec<NodeImage>, DriverError> {
        Ok(Vec::new())
    }

    /// Builds the image that `create` with these options would build; one that is there already is returned as it is.
    /// What is announced is worth a line of its own.
    async fn build_image(
        &self,
        _options: &Options,
        _announce: Progress<'_>,
        _progress: Progress<'_>,
    ) -> Result<NodeImage, DriverError> {
        Err(DriverError::unsupported(format!("the driver {:?} builds no images", self.name())))
    }

    /// Keeps the machine as it is now. A name that is taken already is refused.
    async fn snapshot(&self, _machine: &mut MachineHandle<'_>, _name: &str) -> Result<Snapshot, DriverError> {
        Err(self.without("snapshots"))
    }

    /// What is kept of a machine, oldest first.
    async fn snapshots(&self, _machine: &MachineView<'_>) -> Result<Vec<Snapshot>, DriverError> {
        Err(self.without("snapshots"))
    }

    /// Makes a machine again what it was.
    async fn restore(&self, _machine: &mut MachineHandle<'_>, _name: &str) -> Result<(), DriverError> {
        Err(self.without("snapshots"))
    }

    /// Forgets what was kept; false when there is none of that name.
    async fn remove_snapshot(
        &self,
        _machine: &mut MachineHandle<'_>,
        _name: &str,
    ) -> Result<bool, DriverError> {
        Err(self.without("snapshots"))
    }

    /// The lists of its provider's that it can tell.
    fn catalogs(&self) -> &'static [CatalogSpec] {
        &[]
    }

    /// One of [`Driver::catalogs`].
    async fn catalog(&self, _name: &str, _keyring: &dyn Keyring) -> Result<Catalog, DriverError> {
        Err(self.without("catalogs"))
    }

    /// What a machine that is about to be made will cost. Nothing, where nobody sends a bill.
    async fn quote(&self, _machine: &MachineView<'_>) -> Result<Option<Quote>, DriverError> {
        Ok(None)
    }

    /// The keys of the state that are this computer's affair, texts all: secrets, and where those are sent or read. They are
    /// in no archive, and none is taken from one.
    fn stays(&self) -> &'static [&'static str] {
        self.secrets()
    }

    /// The keys of the state under which docker-machine keeps secrets in the clear: never shown.
    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }

    /// Moves such a secret out of the state and into the keyring; the account that it opens, or nothing where there was
    /// none.
    async fn give_up_secret(&self, _machine: &mut MachineHandle<'_>) -> Result<Option<String>, DriverError> {
        Ok(None)
    }

    /// The account that a secret opens, asked at the provider. Refused, where there are no accounts.
    async fn account(&self, _secret: &SecretString) -> Result<String, DriverError> {
        Err(self.without("accounts"))
    }

    /// The refusal of what a driver does not have.
    fn without(&self, what: &str) -> DriverError {
        DriverError::unsupported(format!("the driver {:?} has no {what}", self.name()))
    }

    /// Removes an image of [`Driver::images`] by its name; false when there is none.
    async fn remove_image(&self, _name: &str) -> Result<bool, DriverError> {
        Ok(false)
    }
}

impl Description {
    /// From the keys that every docker-machine driver keeps.
    pub fn from_state(state: &DriverState, engine_port: u16) -> Self {
        let Ok(host) = HostAddr::parse(state.text("IPAddress")) else { return Self::default() };
        let port = u16::try_from(state.int("SSHPort")).ok().filter(|p| *p != 0).unwrap_or(22);
        let user = state.text("SSHUser");
        let key = state.text("SSHKeyPath");
        Self {
            address: Some(host.to_string()),
            engine_url: Some(format!("tcp://{}", host.with_port(engine_port))),
            endpoint: Some(Endpoint {
                host,
                port,
                user: if user.is_empty() { "root".to_owned() } else { user.to_owned() },
                key: (!key.is_empty()).then(|| PathBuf::from(key)),
                host_key: None,
            }),
            host_name: None,
        }
    }
}
