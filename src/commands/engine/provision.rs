use clap::ArgMatches;

use crate::app::Context;
use crate::commands::shared::machine_options::{self, resolve, ssh_timeout};
use crate::commands::shared::{Names, Outcome, each};
use crate::environment::Environment;
use crate::model::Failure;
use crate::store::StoredMachine;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine changes only what differs: a second run changes nothing and restarts nothing. After a failed or interrupted \
`create`, `provision` completes the machine.

An option replaces the value that the machine was created with. An empty value (--engine-label '') removes it, also \
from the host's daemon.json, unless somebody edited it there.

Examples:
  rmachine provision node1
  rmachine provision --engine-label env=prod node1 node2
  rmachine provision --engine-opt log-driver=journald node1
  rmachine provision --ssh-host-key SHA256:... node1     # reinstalled host")]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,

    /// Configure an adopted Docker host and manage it like a machine that rmachine created
    #[arg(long)]
    force: bool,
}

pub(crate) fn augment(command: clap::Command) -> clap::Command {
    command.args(machine_options::args(&machine_options::amendments()))
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
