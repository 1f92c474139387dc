use crate::cli::Names;
use crate::context::Context;
use crate::error::CommandError;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: Names,
}

pub fn run(ctx: &Context, args: &Args) -> super::Outcome {
    let lifecycle = ctx.lifecycle();
    let mut errors: Vec<CommandError> = Vec::new();
    let mut machines = Vec::new();
    for name in super::names_or_default(ctx, &args.names.names)? {
        match lifecycle.load(&name) {
            Ok(machine) => machines.push(machine),
            Err(e) => errors.push(e.into()),
        }
    }
    CommandError::join(errors)?;
    let mut failed = Vec::new();
    for machine in machines {
        match machine.description().address {
            Some(address) => ctx.printer.line(&address),
            None => failed.push(super::env::not_running().prefix("Error getting IP address: ")),
        }
    }
    CommandError::join(failed)
}
