//! What a stack is: a compose file and its configuration as templates, a `stack.toml` that says which parameters they
//! take, and what comes out when they are filled in.
//!
//! Pure: reads the user's own folder and nothing else. Who deploys what comes out is `deploy`.

mod built_in;
mod compose;
mod error;
mod manifest;
mod ports;
mod rendering;
mod settings;
mod stack_source;
mod template_text;
#[cfg(test)]
mod tests;

pub use compose::{Blob, Compose, Listen, Secret, SecretSource};
pub(crate) use error::StackError;
pub use manifest::{Engines, Kind, Manifest, Page, Parameter};
pub(crate) use ports::Port;
pub use rendering::{Member, Surroundings};
pub use settings::{EngineWish, Given, GivenValue, Settings, Value};
pub use stack_source::{Stack, StackName, built_in_names};

/// Bears what a service was deployed from, so that a stack of the same name that somebody else made is not touched.
pub(crate) const LABEL: &str = "rmachine.stack";
/// The ports on which its containers listen at nodes themselves.
pub(crate) const LISTENS: &str = "rmachine.listens";
/// What it was told, and of which files and nodes it was made: whether a stack is as it is to be shows by these.
pub(crate) const SETTINGS: &str = "rmachine.settings";
pub(crate) const DIGEST: &str = "rmachine.digest";
/// The node that keeps its data.
pub(crate) const NODE: &str = "rmachine.node";
/// The cluster whose file wants it.
pub(crate) const DECLARED: &str = "rmachine.declared";
/// Before the name of a page: which of the pages it is, its port and its path.
pub(crate) const PAGE: &str = "rmachine.page.";
/// Docker's own label of what belongs to a stack.
pub(crate) const NAMESPACE: &str = "com.docker.stack.namespace";
