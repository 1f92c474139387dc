//! What several commands share: the names of machines, and work on several machines at once.

mod go_int;
pub(crate) mod machine_options;
mod remove_swarm;

use std::future::Future;

use clap::Args;
use futures_util::future::join_all;
use rmachine_driver::MachineName;

use crate::app::Context;
use crate::machines::Machine;
use crate::model::Failure;
use crate::ui::confirm;

pub(crate) use go_int::go_int;
pub(crate) use remove_swarm::{SwarmRemoval, remove_swarm};

/// What most commands ask before they remove something.
pub(crate) const SURE: &str = "Are you sure? (y/n): ";

/// Asks the user; `flag` is the one that answers yes in scripts.
pub(crate) fn confirmed(ctx: &Context, question: &str, flag: &str) -> Result<bool, Failure> {
    confirm(ctx.printer, question)
        .map_err(|e| Failure::from_error(e).hint(format!("to skip the question, add {flag}")))
}

/// How a command ends.
pub(crate) type Outcome = Result<(), Failure>;

/// The names of one machine or several; without one, the machine `default` is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Names {
    /// Machines to use [default: the machine named default]
    #[arg(value_name = "MACHINE")]
    pub(crate) names: Vec<String>,
}

/// The name of one machine. More are taken too, so that docker-machine's sentence can be said of them.
#[derive(Debug, Clone, Args)]
pub(crate) struct OneName {
    /// Machine to use [default: the machine named default]
    #[arg(value_name = "MACHINE")]
    pub(crate) names: Vec<String>,
}

/// docker-machine's rule: without a name, the machine `default` is meant, if there is one.
pub(crate) fn names_or_default(ctx: &Context, names: &[String]) -> Result<Vec<MachineName>, Failure> {
    if names.is_empty() {
        let default = MachineName::existing("default").ok().filter(|n| ctx.store.exists(n));
        return default.map(|n| vec![n]).ok_or_else(|| {
            Failure::new("Error: No machine name(s) specified and no \"default\" machine exists")
        });
    }
    names.iter().map(|n| existing(ctx, n)).collect()
}

/// One machine's name; more words make no sense.
pub(crate) fn one_name(ctx: &Context, names: &[String]) -> Result<MachineName, Failure> {
    if names.len() > 1 {
        return Err(Failure::new("Error: Expected one machine name as an argument"));
    }
    let mut names = names_or_default(ctx, names)?;
    names.pop().ok_or_else(|| Failure::new("Error: Expected one machine name as an argument"))
}

/// What cannot be a machine's name cannot exist either; the sentence is the same.
pub(crate) fn existing(ctx: &Context, name: &str) -> Result<MachineName, Failure> {
    MachineName::existing(name).map_err(|_| missing(ctx, name))
}

pub(crate) fn missing(ctx: &Context, name: &str) -> Failure {
    let program = &ctx.program;
    Failure::new(format!(
        "Docker machine {name:?} does not exist. Use \"{program} ls\" to list machines. Use \"{program} create\" to \
         add a new one."
    ))
}

/// Works on several machines at once. All of them are loaded first: if one cannot be, nothing is done to any.
pub(crate) async fn each<F, Fut>(ctx: &Context, names: &Names, act: F) -> Outcome
where
    F: Fn(Machine) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    let machines = ctx.machines();
    let names = names_or_default(ctx, &names.names)?;
    let (machines, errors): (Vec<_>, Vec<_>) =
        names.iter().map(|n| machines.load(n)).partition(Result::is_ok);
    Failure::join(errors.into_iter().filter_map(Result::err).collect())?;
    let results = join_all(machines.into_iter().flatten().map(act)).await;
    Failure::join(results.into_iter().filter_map(Result::err).collect())
}
