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

pub(crate) use engine::preview;
pub(crate) use error::ProvisionError;
pub(crate) use plan::{EngineVersion, HostFile, InstallMethod, Tls, Wanted, first_files};
pub(crate) use run::{facts, provision, upgrade};
pub(crate) use unit::UnitFile;
