use clap::ArgMatches;

use crate::app::Context;
use crate::commands::shared::machine_options::{self, arg, resolve, ssh_timeout};
use crate::commands::shared::{Names, Outcome, each};
use crate::environment::Environment;
use crate::model::Failure;
use crate::store::StoredMachine;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A second run changes nothing and restarts nothing; after a failed or interrupted `create` it finishes the job.
Flags that are given replace what the machine was made with; an empty one (--engine-label '') takes it back, out of the
host's daemon.json too, unless somebody has changed it there since.

Examples:
  rmachine provision node1
  rmachine provision --engine-label env=prod --engine-opt log-driver=journald node1 node2
  rmachine provision --ssh-host-key SHA256:... node1     # the host was set up anew")]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,

    /// Configure an engine that was adopted: from then on it is a machine like any other
    #[arg(long)]
    force: bool,
}

pub(crate) fn augment(command: clap::Command) -> clap::Command {
    command.args(machine_options::amendments().iter().map(|s| arg(s).help_heading("Engine, TLS, SSH")))
}

pub(crate) async fn run(ctx: &Context, args: &Args, matches: &ArgMatches) -> Outcome {
    let matches = matches.subcommand_matches("provision").unwrap_or(matches);
    let given = resolve(&machine_options::amendments(), matches, &Environment::default());
    if given.given("ssh-host-key") && args.names.names.len() > 1 {
        return Err(Failure::usage("--ssh-host-key belongs to one machine: name only that one"));
    }
    let wait = ssh_timeout(&given)?;
    let root = ctx.store.root().to_owned();
    let amend = |machine: &mut StoredMachine| {
        if args.force && machine.own.adopted.take().is_some() {
            machine.config.host_options.auth.belong_to(&root);
        }
        machine_options::apply(machine, &given)
    };
    let machines = ctx.machines();
    ctx.when_interrupted(format!("Interrupted. Run `{} provision` again to finish.", ctx.program));
    each(ctx, &args.names, |machine| machines.provision(machine, wait, &amend)).await
}
