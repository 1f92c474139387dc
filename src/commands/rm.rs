use crate::context::Context;
use crate::error::CommandError;
use crate::ui::confirm;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Machines to remove, one after the other
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Forget the machine even when its provider cannot be asked; implies -y
    #[arg(long, short)]
    force: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Removes one machine after the other, as docker-machine does; one that fails does not keep the others.
pub async fn run(ctx: &Context, args: &Args) -> super::Outcome {
    if args.names.is_empty() {
        return Err(CommandError::failed("Error: Expected to get one or more machine names as arguments"));
    }
    ctx.printer.line(&format!("About to remove {}", args.names.join(", ")));
    ctx.printer.line("WARNING: This action will delete both local reference and remote instance.");
    if !args.yes
        && !args.force
        && !confirm(ctx.printer, "Are you sure? (y/n): ").map_err(|e| unanswered(&e))?
    {
        return Ok(());
    }
    let lifecycle = ctx.lifecycle();
    let mut errors = Vec::new();
    for name in &args.names {
        match remove(ctx, &lifecycle, name, args).await {
            Ok(()) => ctx.printer.line(&format!("Successfully removed {name}")),
            // With --force each is told at once and the exit stays 0: cleaning scripts go on.
            Err(e) if args.force => e.print(ctx.printer),
            Err(e) => errors.push(e),
        }
    }
    CommandError::join(errors)
}

async fn remove(
    ctx: &Context,
    lifecycle: &crate::lifecycle::Lifecycle,
    name: &str,
    args: &Args,
) -> super::Outcome {
    let force = args.force;
    let prefix = format!("Error removing host {name:?}: ");
    let existing = match super::existing(ctx, name) {
        Ok(existing) => ctx.store.find(&existing).map(|there| there.then_some(existing)),
        Err(_) => Ok(None),
    };
    let existing = existing.map_err(|e| {
        let error: CommandError = crate::lifecycle::Failure::store(&e, &ctx.program).into();
        error.prefix(&prefix).hint("whether the machine is there is not known: nothing was removed")
    })?;
    let Some(machine) = existing else {
        let error = super::missing(ctx, name);
        return Err(if force {
            CommandError::failed(format!("Can't remove {name:?}"))
        } else {
            error.prefix(&prefix)
        });
    };
    // A swarm that goes as a whole needs no goodbyes.
    let going: Vec<_> = args.names.iter().filter_map(|n| super::existing(ctx, n).ok()).collect();
    lifecycle.remove_among(&machine, force, &going).await.map_err(|e| {
        let error: CommandError = e.into();
        error.prefix(&prefix)
    })
}

fn unanswered(e: &std::io::Error) -> CommandError {
    CommandError::failed(e.to_string()).hint("add -y to remove without being asked")
}
