use crate::app::Context;
use crate::commands::shared::{Names, Outcome, names_or_default};
use crate::model::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Outcome {
    let store = ctx.machines();
    let mut errors: Vec<Failure> = Vec::new();
    let mut machines = Vec::new();
    for name in names_or_default(ctx, &args.names.names)? {
        match store.load(&name) {
            Ok(machine) => machines.push(machine),
            Err(e) => errors.push(e),
        }
    }
    Failure::join(errors)?;
    let mut failed = Vec::new();
    for machine in machines {
        match machine.description().address {
            Some(address) => ctx.printer.line(&address),
            None => {
                failed.push(crate::commands::access::env::not_running().prefix("Error getting IP address: "));
            }
        }
    }
    Failure::join(failed)
}
