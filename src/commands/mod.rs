//! One file a subcommand: its arguments and `run`. No logic that another command wants.

pub mod active;
pub mod adopt;
pub mod catalog;
pub mod certs;
pub mod cluster;
pub mod completion;
pub mod config;
pub mod create;
pub mod credentials;
pub mod env;
pub mod export;
pub mod firewall;
pub mod import;
pub mod inspect;
pub mod ip;
pub mod kill;
pub mod logs;
pub mod ls;
pub mod man;
pub mod metrics;
pub mod mount;
pub mod node_image;
mod options;
pub mod provision;
pub mod prune;
pub mod regenerate_certs;
pub mod restart;
pub mod rm;
pub mod run;
pub mod scp;
pub mod snapshot;
pub mod ssh;
pub mod stack;
pub mod start;
pub mod status;
pub mod stop;
pub mod swarm;
pub mod top;
pub mod upgrade;
pub mod url;
pub mod version;

use std::future::Future;

use futures_util::future::join_all;
use rmachine_driver::MachineName;

use crate::cli::{Command, Names};
use crate::context::Context;
use crate::error::CommandError;
use crate::lifecycle::{Failure, Machine};

type Outcome = Result<(), CommandError>;

/// Runs one command to its end.
pub async fn run(ctx: &Context, command: Command, matches: &clap::ArgMatches) -> Outcome {
    match command {
        Command::Active(args) => active::run(ctx, &args).await,
        Command::Adopt(args) => adopt::run(ctx, &args, matches).await,
        Command::Catalog(args) => catalog::run(ctx, &args).await,
        Command::Certs(args) => certs::run(ctx, &args),
        Command::Cluster(args) => cluster::run(ctx, &args).await,
        Command::Completion(args) => completion::run(ctx, &args),
        Command::Config(args) => config::run(ctx, &args).await,
        Command::Create(args) => create::run(ctx, &args, matches).await,
        Command::Credentials(args) => credentials::run(ctx, &args).await,
        Command::Env(args) => env::run(ctx, &args).await,
        Command::Export(args) => export::run(ctx, &args),
        Command::Firewall(args) => firewall::run(ctx, &args).await,
        Command::Import(args) => import::run(ctx, &args).await,
        Command::Inspect(args) => inspect::run(ctx, &args),
        Command::Ip(args) => ip::run(ctx, &args),
        Command::Kill(args) => kill::run(ctx, &args).await,
        Command::Logs(args) => logs::run(ctx, &args).await,
        Command::Ls(args) => ls::run(ctx, &args).await,
        Command::Man(args) => man::run(ctx, &args),
        Command::Mount(args) => mount::run(ctx, &args).await,
        Command::Metrics(args) => metrics::run(ctx, &args),
        Command::NodeImage(args) => node_image::run(ctx, &args, matches).await,
        Command::Provision(args) => provision::run(ctx, &args, matches).await,
        Command::Prune(args) => prune::run(ctx, &args).await,
        Command::RegenerateCerts(args) => regenerate_certs::run(ctx, &args).await,
        Command::Restart(args) => restart::run(ctx, &args).await,
        Command::Rm(args) => rm::run(ctx, &args).await,
        Command::Rsh(args) => scp::rsh_run(ctx, &args).await,
        Command::Scp(args) => scp::run(ctx, &args).await,
        Command::Run(args) => run::run(ctx, &args).await,
        Command::Snapshot(args) => snapshot::run(ctx, &args).await,
        Command::Ssh(args) => ssh::run(ctx, &args).await,
        Command::Stack(args) => stack::run(ctx, &args).await,
        Command::Start(args) => start::run(ctx, &args).await,
        Command::Status(args) => status::run(ctx, &args).await,
        Command::Stop(args) => stop::run(ctx, &args).await,
        Command::Upgrade(args) => upgrade::run(ctx, &args).await,
        Command::Swarm(args) => swarm::run(ctx, &args, matches).await,
        Command::Top(args) => top::run(ctx, &args).await,
        Command::Url(args) => url::run(ctx, &args),
        Command::Version(args) => version::run(ctx, &args).await,
    }
}

/// docker-machine's rule: without a name, the machine `default` is meant, if there is one.
fn names_or_default(ctx: &Context, names: &[String]) -> Result<Vec<MachineName>, CommandError> {
    if names.is_empty() {
        let default = MachineName::existing("default").ok().filter(|n| ctx.store.exists(n));
        return default.map(|n| vec![n]).ok_or_else(|| {
            CommandError::failed("Error: No machine name(s) specified and no \"default\" machine exists")
        });
    }
    names.iter().map(|n| existing(ctx, n)).collect()
}

/// One machine's name; more words make no sense.
fn one_name(ctx: &Context, names: &[String]) -> Result<MachineName, CommandError> {
    if names.len() > 1 {
        return Err(CommandError::failed("Error: Expected one machine name as an argument"));
    }
    let mut names = names_or_default(ctx, names)?;
    names.pop().ok_or_else(|| CommandError::failed("Error: Expected one machine name as an argument"))
}

/// What cannot be a machine's name cannot exist either; the sentence is the same.
fn existing(ctx: &Context, name: &str) -> Result<MachineName, CommandError> {
    MachineName::existing(name).map_err(|_| missing(ctx, name))
}

fn missing(ctx: &Context, name: &str) -> CommandError {
    let program = &ctx.program;
    CommandError::failed(format!(
        "Docker machine {name:?} does not exist. Use \"{program} ls\" to list machines. Use \"{program} create\" to \
         add a new one."
    ))
}

/// Works on several machines at once. All of them are loaded first: if one cannot be, nothing is done to any.
async fn each<F, Fut>(ctx: &Context, names: &Names, act: F) -> Outcome
where
    F: Fn(Machine) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    let lifecycle = ctx.lifecycle();
    let names = names_or_default(ctx, &names.names)?;
    let (machines, errors): (Vec<_>, Vec<_>) =
        names.iter().map(|n| lifecycle.load(n)).partition(Result::is_ok);
    CommandError::join(errors.into_iter().filter_map(Result::err).map(Into::into).collect())?;
    let results = join_all(machines.into_iter().flatten().map(act)).await;
    CommandError::join(results.into_iter().filter_map(Result::err).map(Into::into).collect())
}
