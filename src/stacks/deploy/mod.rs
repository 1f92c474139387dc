//! Stacks on clusters: looked at before anything is touched, deployed by `docker stack deploy` on a manager, opened through
//! SSH, removed.
//!
//! Stands above `swarm` and its swarm operations, as `cluster` does, which calls [`deploy`] for its `[[stacks]]`.

mod apply;
mod checks;
mod drift;
mod engine_options;
mod host_checks;
mod open;
mod remove;
mod secrets;
mod swarm_objects;
mod swarm_snapshot;
mod wait;

use std::time::Duration;

use rmachine_driver::secrecy::SecretString;

use crate::model::{ClusterName, Failure};
use crate::stacks::definition::{Compose, Given, Page, Settings, Stack, StackError, StackName, Surroundings};
use crate::swarm::Swarm;

pub(crate) use drift::{Standing, standing, undeclared};
pub(crate) use engine_options::tell_of_stacks;
pub(crate) use open::{OpenPage, open, pages};
pub(crate) use remove::{Gone, deployed, remove};
pub(crate) use swarm_snapshot::{Ground, Service};

/// Shows a secret that was just made, by its parameter: once, for nobody can read it again.
pub(crate) type Show<'a> = &'a dyn Fn(&str, &SecretString);

/// A stack that is to be on a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) stack: Stack,
    pub(crate) name: StackName,
    pub(crate) settings: Settings,
    pub(crate) publish: bool,
    /// A cluster's file wants it, and not only somebody who typed it.
    pub(crate) declared: bool,
    /// How long its services may take to come up; nobody waits for zero.
    pub(crate) wait: Duration,
}

/// What there is to tell of a stack that was deployed.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) pages: Vec<Page>,
    pub(crate) notes: Vec<String>,
}

impl Request {
    /// `stack` is a name of ours or a folder; the rest as `--set`, `--name` and `--publish` have it.
    pub(crate) fn new(
        stack: &str,
        name: Option<&str>,
        given: &[Given],
        publish: bool,
    ) -> Result<Self, StackError> {
        let stack = Stack::find(stack)?;
        let name = StackName::parse(name.unwrap_or(&stack.id))?;
        let settings = Settings::resolve(&stack.manifest, given)?;
        Ok(Self { stack, name, settings, publish, declared: false, wait: Duration::from_secs(120) })
    }
}

/// Everything in order: what cannot work is refused while nothing has changed, then engines are configured if that was
/// asked for, then the stack is deployed.
pub(crate) async fn deploy(
    swarm: &Swarm,
    cluster: &ClusterName,
    request: &Request,
    show: Show<'_>,
) -> Result<Done, Failure> {
    let (mut ground, around, mut compose) = checked(swarm, cluster, request).await?;
    apply::config_accepts(swarm, &ground, &compose).await?;
    let notes = engine_options::configure(swarm, &mut ground, request, &around).await?;
    apply::put(swarm, &mut ground, request, &mut compose, show).await?;
    wait::until_up(swarm, &mut ground, request).await?;
    Ok(Done { pages: compose.pages, notes })
}

/// The file as it would be deployed, and nothing else done.
pub(crate) async fn preview(
    swarm: &Swarm,
    cluster: &ClusterName,
    request: &Request,
) -> Result<Compose, Failure> {
    checked(swarm, cluster, request).await.map(|(_, _, compose)| compose)
}

async fn checked(
    swarm: &Swarm,
    cluster: &ClusterName,
    request: &Request,
) -> Result<(Ground, Surroundings, Compose), Failure> {
    let mut ground = Ground::look(swarm, cluster).await?;
    let around = ground.surroundings(swarm, request)?;
    let (compose, _) = drift::filled(&ground, request, &around)?;
    checks::check(swarm, &mut ground, request, &compose, &around).await?;
    Ok((ground, around, compose))
}

impl From<StackError> for Failure {
    fn from(error: StackError) -> Self {
        Self { message: error.message, hints: error.hints, ..Self::default() }
    }
}
