//! Stacks on clusters: looked at before anything is touched, deployed by `docker stack deploy` on a manager, opened through
//! SSH, removed.
//!
//! Stands above `lifecycle` and its swarm operations, as `cluster` does, which calls [`deploy`] for its `[[stacks]]`.

mod check;
mod engines;
mod ground;
mod hosts;
mod open;
mod put;
mod remove;
mod secrets;
mod standing;
mod things;
mod wait;

use std::time::Duration;

use rmachine_driver::secrecy::SecretString;

use crate::lifecycle::{Failure, Lifecycle};
use crate::stacks::{Compose, Given, Page, Settings, Stack, StackError, StackName, Surroundings};
use crate::store::ClusterName;

pub use engines::tell_of_stacks;
pub use ground::{Ground, Service};
pub use open::{OpenPage, Way, open, pages};
pub use remove::{Deployed, Gone, deployed, remove};
pub use standing::{Standing, standing, undeclared};

/// Shows a secret that was just made, by its parameter: once, for nobody can read it again.
pub type Show<'a> = &'a dyn Fn(&str, &SecretString);

/// A stack that is to be on a cluster.
#[derive(Debug, Clone)]
pub struct Request {
    pub stack: Stack,
    pub name: StackName,
    pub settings: Settings,
    pub publish: bool,
    /// A cluster's file wants it, and not only somebody who typed it.
    pub declared: bool,
    /// How long its services may take to come up; nobody waits for zero.
    pub wait: Duration,
}

/// What there is to tell of a stack that was deployed.
#[derive(Debug, Default)]
pub struct Done {
    pub pages: Vec<Page>,
    pub notes: Vec<String>,
}

impl Request {
    /// `stack` is a name of ours or a folder; the rest as `--set`, `--name` and `--publish` have it.
    pub fn new(stack: &str, name: Option<&str>, given: &[Given], publish: bool) -> Result<Self, StackError> {
        let stack = Stack::find(stack)?;
        let name = StackName::parse(name.unwrap_or(&stack.id))?;
        let settings = Settings::resolve(&stack.manifest, given)?;
        Ok(Self { stack, name, settings, publish, declared: false, wait: Duration::from_secs(120) })
    }
}

/// Everything in order: what cannot work is refused while nothing has changed, then engines are configured if that was
/// asked for, then the stack is deployed.
pub async fn deploy(
    lifecycle: &Lifecycle,
    cluster: &ClusterName,
    request: &Request,
    show: Show<'_>,
) -> Result<Done, Failure> {
    let (mut ground, around, mut compose) = checked(lifecycle, cluster, request).await?;
    put::config_accepts(lifecycle, &ground, &compose).await?;
    let notes = engines::configure(lifecycle, &mut ground, request, &around).await?;
    put::put(lifecycle, &mut ground, request, &mut compose, show).await?;
    wait::until_up(lifecycle, &mut ground, request).await?;
    Ok(Done { pages: compose.pages, notes })
}

/// The file as it would be deployed, and nothing else done.
pub async fn preview(
    lifecycle: &Lifecycle,
    cluster: &ClusterName,
    request: &Request,
) -> Result<Compose, Failure> {
    checked(lifecycle, cluster, request).await.map(|(_, _, compose)| compose)
}

async fn checked(
    lifecycle: &Lifecycle,
    cluster: &ClusterName,
    request: &Request,
) -> Result<(Ground, Surroundings, Compose), Failure> {
    let mut ground = Ground::look(lifecycle, cluster).await?;
    let around = ground.surroundings(lifecycle, request)?;
    let (compose, _) = standing::filled(&ground, request, &around)?;
    check::check(lifecycle, &mut ground, request, &compose, &around).await?;
    Ok((ground, around, compose))
}

impl From<StackError> for Failure {
    fn from(error: StackError) -> Self {
        Self { message: error.message, hints: error.hints, ..Self::default() }
    }
}
