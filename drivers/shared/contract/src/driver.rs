use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Accounts, BatchStates, Catalogs, CreateRequest, Description, Draft, DraftRequest, DriverError,
    DriverState, ENGINE_PORT, Features, Firewall, Images, MachineHandle, MachineView, OptionSpec, Prices,
    Snapshots, State, TaggedResources,
};

/// How a driver looks for what it needs, see [`Driver::available`].
#[derive(Debug, Clone, Copy)]
pub struct Search {
    pub timeout: Duration,
    /// Contact no other computer.
    pub local_only: bool,
}

/// Creates and controls the machines of one provider.
///
/// The methods without `async` answer from memory, so that commands which only list machines start no process. A driver
/// that runs as another process asks it in [`Driver::open`], which the core awaits before it reads `options`.
#[async_trait]
pub trait Driver: Send + Sync {
    /// The name kept in config.json.
    fn name(&self) -> &str;

    /// Other names that `create -d` accepts.
    fn aliases(&self) -> Vec<Cow<'static, str>> {
        Vec::new()
    }

    /// Loads what only the driver's process can tell: its options, and features that depend on them. The core opens the
    /// one driver that the user chose; opening it again costs nothing. A built-in driver has nothing to load.
    async fn open(&self) -> Result<(), DriverError> {
        Ok(())
    }

    /// Before [`Driver::open`], the features that hold for every driver of this kind.
    fn features(&self) -> Features;

    /// The flags of `create`; complete after [`Driver::open`].
    fn options(&self) -> Vec<OptionSpec>;

    /// Keys of the state that hold secrets in the clear, as docker-machine left them: never shown.
    fn secret_keys(&self) -> Vec<Cow<'static, str>> {
        Vec::new()
    }

    /// Keys of the state that are valid on this computer only, all of them texts: secrets, and where secrets are read
    /// or sent. `export` leaves them out and `import` ignores them.
    fn local_keys(&self) -> Vec<Cow<'static, str>> {
        self.secret_keys()
    }

    /// Turns options into the state of a machine to be created; refuses options that cannot work. No I/O.
    fn draft(&self, request: &DraftRequest<'_>) -> Result<Draft, DriverError>;

    /// Checks whether `create` can work. Changes nothing.
    async fn check(&self, machine: &MachineView<'_>) -> Result<(), DriverError>;

    /// Creates the machine. Called again with the same journal, it continues where it stopped.
    async fn create(
        &self,
        machine: &mut MachineHandle<'_>,
        request: &CreateRequest<'_>,
    ) -> Result<(), DriverError>;

    /// Reads addresses out of the state. No I/O.
    fn describe(&self, state: &DriverState) -> Description {
        Description::from_state(state, ENGINE_PORT)
    }

    async fn state(&self, machine: &MachineView<'_>) -> Result<State, DriverError>;

    async fn start(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError>;

    async fn stop(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError>;

    async fn kill(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError>;

    /// Removes all resources that the journal names. A resource that is gone already is no error.
    async fn remove(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError>;

    /// Whether this driver can create a machine here and now without further flags: the reason as a clause, or nothing.
    /// The core asks when the user names no driver.
    async fn available(&self, _search: Search) -> Option<String> {
        None
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        None
    }

    fn batch_states(&self) -> Option<&dyn BatchStates> {
        None
    }

    fn catalogs(&self) -> Option<&dyn Catalogs> {
        None
    }

    fn firewall(&self) -> Option<&dyn Firewall> {
        None
    }

    fn images(&self) -> Option<&dyn Images> {
        None
    }

    fn prices(&self) -> Option<&dyn Prices> {
        None
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        None
    }

    fn tagged_resources(&self) -> Option<&dyn TaggedResources> {
        None
    }
}
