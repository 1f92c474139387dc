//! Makes a host into a Docker host: facts of it, what must change, one script, done.
//!
//! Takes values and hands back what is worth saving. Prints nothing and writes no file but on the host. A host that is
//! as it should be is asked once and left alone.

mod answer;
mod engine;
mod error;
mod facts;
mod os_release;
mod packages;
mod plan;
mod progress;
mod run;
mod script;
mod service;
#[cfg(test)]
mod tests;
mod version;
mod wanted;

pub(crate) use engine::preview;
pub(crate) use error::ProvisionError;
pub(crate) use plan::{HostFile, first_files};
pub(crate) use run::{facts, provision, upgrade};
pub(crate) use script::{HostScript, host_script};
pub(crate) use service::ServiceFile;
pub(crate) use version::EngineVersion;
pub(crate) use wanted::{InstallMethod, Tls, Wanted};
