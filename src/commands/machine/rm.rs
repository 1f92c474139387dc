use crate::app::Context;
use crate::commands::shared::{Outcome, SURE, confirmed, existing, missing};
use crate::model::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Machines to remove
    #[arg(value_name = "MACHINE")]
    names: Vec<String>,

    /// Remove the machine from the store even if its provider is unreachable; implies -y
    #[arg(long, short)]
    force: bool,

    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

/// Removes one machine after the other, as docker-machine does; one that fails does not keep the others.
pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    if args.names.is_empty() {
        return Err(Failure::new("Error: Expected to get one or more machine names as arguments"));
    }
    ctx.printer.line(&format!("About to remove {}", args.names.join(", ")));
    ctx.printer.line("WARNING: This action will delete both local reference and remote instance.");
    if !args.yes && !args.force && !confirmed(ctx, SURE, "-y")? {
        return Ok(());
    }
    let swarm = ctx.swarm();
    let mut errors = Vec::new();
    for name in &args.names {
        match remove(ctx, &swarm, name, args).await {
            Ok(()) => ctx.printer.line(&format!("Successfully removed {name}")),
            // With --force each is told at once and the exit stays 0: cleaning scripts go on.
            Err(e) if args.force => ctx.print_failure(&e),
            Err(e) => errors.push(e),
        }
    }
    Failure::join(errors)
}

async fn remove(ctx: &Context, swarm: &crate::swarm::Swarm, name: &str, args: &Args) -> Outcome {
    let force = args.force;
    let prefix = format!("Error removing host {name:?}: ");
    let found = match existing(ctx, name) {
        Ok(name) => ctx.store.find(&name).map(|is_there| is_there.then_some(name)),
        Err(_) => Ok(None),
    };
    let found = found.map_err(|e| {
        let error = Failure::from(e);
        error.prefix(&prefix).hint("whether the machine is there is not known: nothing was removed")
    })?;
    let Some(machine) = found else {
        let error = missing(ctx, name);
        return Err(if force {
            Failure::new(format!("Can't remove {name:?}"))
        } else {
            error.prefix(&prefix)
        });
    };
    // A swarm that goes as a whole needs no goodbyes.
    let going: Vec<_> = args.names.iter().filter_map(|n| existing(ctx, n).ok()).collect();
    swarm.remove_among(&machine, force, &going).await.map_err(|error| error.prefix(&prefix))
}
