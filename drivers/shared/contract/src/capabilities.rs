//! What only some drivers can do: one trait for each capability, found by a method of [`Driver`].

use std::net::IpAddr;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::{
    Catalog, CatalogSpec, Driver, DriverError, DriverState, Keyring, MachineHandle, MachineView, NodeImage,
    Options, Progress, Quote, Snapshot, State, Tagged,
};

/// The name of a capability, for the error that says that a driver lacks it.
pub trait Capability {
    const NAME: &'static str;
}

/// Returns the capability, or the one error for every driver that lacks one.
pub fn require<'a, C: Capability + ?Sized>(
    driver: &dyn Driver,
    capability: Option<&'a C>,
) -> Result<&'a C, DriverError> {
    capability
        .ok_or_else(|| DriverError::unsupported(format!("the driver {:?} has no {}", driver.name(), C::NAME)))
}

/// Access tokens belong to accounts at the provider.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account that a secret opens, asked at the provider.
    async fn identify_account(&self, secret: &SecretString) -> Result<String, DriverError>;

    /// Moves the secret that docker-machine left in the state into the keyring. Returns the account that it opens, or
    /// nothing if the state holds no secret.
    async fn move_secret_to_keyring(
        &self,
        machine: &mut MachineHandle<'_>,
    ) -> Result<Option<String>, DriverError>;
}

/// The provider reports the states of many machines in one call.
#[async_trait]
pub trait BatchStates: Send + Sync {
    /// The states of all these machines, in their order.
    async fn states(&self, machines: &[MachineView<'_>]) -> Vec<Result<State, DriverError>>;
}

/// The provider lists what it offers, such as its regions.
#[async_trait]
pub trait Catalogs: Send + Sync {
    fn catalog_specs(&self) -> Vec<CatalogSpec>;

    /// Fetches the catalog with this [`CatalogSpec::name`].
    async fn fetch_catalog(&self, name: &str, keyring: &dyn Keyring) -> Result<Catalog, DriverError>;
}

/// The provider can filter the traffic to a machine.
#[async_trait]
pub trait Firewall: Send + Sync {
    /// Whether the machine's firewall admits no one but the computer that created it. Until
    /// [`Firewall::admit_caller`] names that computer's address, it admits everyone. No I/O.
    fn admits_only_caller(&self, state: &DriverState) -> bool;

    /// Closes the firewall to all but this address, from which the host saw us connect.
    async fn admit_caller(&self, machine: &mut MachineHandle<'_>, from: IpAddr) -> Result<(), DriverError>;

    /// Admits these sources alone, written as the values of the driver's own flag.
    async fn set_allowed_sources(
        &self,
        machine: &mut MachineHandle<'_>,
        sources: &[String],
    ) -> Result<(), DriverError>;
}

/// The driver builds the images that its machines are created from.
#[async_trait]
pub trait Images: Send + Sync {
    /// The images that are built already.
    async fn list_images(&self) -> Result<Vec<NodeImage>, DriverError>;

    /// Builds the image that `create` would build with these options, or returns it if it exists.
    /// `announce` gets the lines that stay on the terminal.
    async fn build_image(
        &self,
        options: &Options,
        announce: Progress<'_>,
        progress: Progress<'_>,
    ) -> Result<NodeImage, DriverError>;

    /// Removes an image by its name; false if there is none.
    async fn remove_image(&self, name: &str) -> Result<bool, DriverError>;
}

/// The provider charges for machines.
#[async_trait]
pub trait Prices: Send + Sync {
    /// What a machine that is not created yet will cost.
    async fn quote(&self, machine: &MachineView<'_>) -> Result<Quote, DriverError>;
}

/// The provider keeps snapshots of machines.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// Takes a snapshot. A name that is taken already is refused.
    async fn take_snapshot(
        &self,
        machine: &mut MachineHandle<'_>,
        name: &str,
    ) -> Result<Snapshot, DriverError>;

    /// The snapshots of a machine, oldest first.
    async fn list_snapshots(&self, machine: &MachineView<'_>) -> Result<Vec<Snapshot>, DriverError>;

    async fn restore_snapshot(&self, machine: &mut MachineHandle<'_>, name: &str) -> Result<(), DriverError>;

    /// Removes a snapshot; false if there is none of that name.
    async fn remove_snapshot(&self, machine: &mut MachineHandle<'_>, name: &str)
    -> Result<bool, DriverError>;
}

/// The driver's resources at the provider bear [`crate::Tags`], so that orphaned ones are found again.
#[async_trait]
pub trait TaggedResources: Send + Sync {
    /// Lists every resource at the provider that carries rmachine tags, including those of other stores and computers.
    async fn list_tagged(&self, keyring: &dyn Keyring) -> Result<Vec<Tagged>, DriverError>;

    /// Removes listed resources. A resource that is gone already is no error.
    async fn remove_tagged(&self, keyring: &dyn Keyring, tagged: &[Tagged]) -> Result<(), DriverError>;
}

impl Capability for dyn Accounts + '_ {
    const NAME: &'static str = "accounts";
}

impl Capability for dyn Catalogs + '_ {
    const NAME: &'static str = "catalogs";
}

impl Capability for dyn Firewall + '_ {
    const NAME: &'static str = "firewall";
}

impl Capability for dyn Images + '_ {
    const NAME: &'static str = "images";
}

impl Capability for dyn Snapshots + '_ {
    const NAME: &'static str = "snapshots";
}

impl Capability for dyn TaggedResources + '_ {
    const NAME: &'static str = "tagged resources";
}
