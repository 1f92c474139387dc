//! The types that rmachine's core and its drivers share, and nothing else.
//!
//! A driver creates, starts, stops, removes and describes machines at one provider. It sees this crate and its
//! provider: no SSH session, no store, no Docker, no terminal. What differs between drivers is data ([`Features`],
//! [`OptionSpec`]), a method of [`Driver`] or an optional capability; the core never asks for a driver's name.

mod capabilities;
mod catalog;
mod cause;
mod create_request;
mod description;
mod draft;
mod driver;
mod endpoint;
mod error;
mod features;
mod first_boot;
mod image;
mod journal;
mod keyring;
mod machine;
mod name;
mod options;
mod report;
mod snapshot;
mod state;
mod tags;

pub use secrecy;
pub use uuid::Uuid;

pub use capabilities::{
    Accounts, BatchStates, Capability, Catalogs, Firewall, Images, Prices, Snapshots, TaggedResources,
    require,
};
pub use catalog::{Catalog, CatalogSpec, Quote};
pub use cause::{Cause, describe_error};
pub use create_request::{CreateRequest, HostKeyPair};
pub use description::{Description, ENGINE_PORT};
pub use draft::{Draft, DraftRequest, Import};
pub use driver::{Driver, Search};
pub use endpoint::{Endpoint, HostAddr, HostAddrError};
pub use error::{DriverError, DriverErrorKind, Leftovers, Resource};
pub use features::{Features, FirstHostKey, Login, Restart};
pub use first_boot::{EngineUnit, FirstBoot, FirstFile};
pub use image::{NodeImage, Progress};
pub use journal::{Journal, JournalRecord, has_unknown_id, recorded_ids};
pub use keyring::{Keyring, NoKeyring};
pub use machine::{MachineHandle, MachineView};
pub use name::{MachineName, MachineNameError};
pub use options::{OptionKind, OptionSpec, OptionValue, Options, Source, Value};
pub use report::{Reporter, Silent};
pub use snapshot::Snapshot;
pub use state::{DriverState, Phase, State};
pub use tags::{Tagged, Tags};
