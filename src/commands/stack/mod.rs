//! `stack`: sets of services on a swarm, ours or the user's own.

pub(super) mod deploy;
mod list;
mod open;
mod show;

use std::time::Duration;

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::which;
use crate::model::Failure;
use crate::stacks::definition::StackName;
use crate::stacks::deploy::{Gone, remove};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rmachine stack ls
  rmachine stack show monitoring
  rmachine stack deploy lab monitoring --set engines=true
  rmachine stack open lab monitoring
  rmachine stack deploy lab ./mystack --set replicas=3
  rmachine stack rm lab monitoring

A stack is a directory with a compose.yml and, if it has parameters, a stack.toml. The built-in stacks publish no port \
unless you deploy them with --publish.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the built-in stacks, or the stacks deployed on a swarm
    Ls(list::Args),
    /// Print the description, parameters and images of a stack
    Show(show::Args),
    /// Deploy or update a stack on a swarm
    #[command(alias = "create")]
    Deploy(deploy::Args),
    /// Open a stack's web page through an SSH tunnel
    Open(open::Args),
    /// Remove a stack from a swarm and keep its volumes
    Rm(Rm),
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Ls(args) => args.run(ctx).await,
        Verb::Show(args) => args.run(ctx),
        Verb::Deploy(args) => args.run(ctx).await,
        Verb::Open(args) => args.run(ctx).await,
        Verb::Rm(args) => args.run(ctx).await,
    }
}

#[derive(Debug, clap::Args)]
struct Rm {
    /// Swarm, or one of its machines
    #[arg(value_name = "SWARM")]
    cluster: String,

    /// Name of the stack on the swarm
    #[arg(value_name = "STACK")]
    stack: String,
}

impl Rm {
    async fn run(&self, ctx: &Context) -> Outcome {
        let name = name(&self.stack)?;
        let swarm = ctx.swarm();
        let cluster = which(&swarm, Some(&self.cluster))?;
        let gone = remove(&swarm, &cluster.name, &name).await?;
        ctx.last_word(&format!(
            "Removed the stack {name} from {}; its volumes stay on their nodes",
            cluster.name
        ));
        left(ctx, &gone);
        Ok(())
    }
}

/// What engines were told for a stack that is gone.
fn left(ctx: &Context, gone: &Gone) {
    let Some((first, options)) = gone.told.first() else { return };
    let names: Vec<_> = gone.told.iter().map(|(machine, _)| machine.as_str()).collect();
    ctx.last_word(&format!(
        "Note: the engines of {} still have what it wanted of them: {}. `cluster up` takes it back where they have a file; \
         else `{} provision --engine-opt OPTION {first}`, with all options that the engine is to keep ('' for none)",
        names.join(", "),
        options.join(" "),
        ctx.program
    ));
}

/// A deployed stack, which may have come from a folder.
fn name(word: &str) -> Result<StackName, Failure> {
    Ok(StackName::parse(word)?)
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number.min(24 * 3600))
}
