//! Makes a host into a Docker host: facts of it, what must change, one script, done.
//!
//! Takes values and hands back what is worth saving. Prints nothing and writes no file but on the host. A host that is
//! as it should be is asked once and left alone.

mod engine;
mod error;
mod facts;
mod os_release;
mod plan;
mod progress;
mod run;
mod script;
#[cfg(test)]
mod tests;
mod unit;

pub use engine::preview;
pub use error::ProvisionError;
pub use facts::{Config, Engine, Facts, Privilege};
pub use os_release::{Family, OsRelease};
pub use plan::{
    Changes, Configure, EngineVersion, FileName, HostFile, Install, InstallMethod, Tls, Wanted, first_files,
    plan,
};
pub use run::{facts, provision, upgrade};
pub use unit::{DROP_IN, UnitFile};
