use crate::app::Context;
use crate::commands::shared::{OneName, Outcome, one_name};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    name: OneName,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Outcome {
    let name = one_name(ctx, &args.name.names)?;
    let machine = ctx.machines().load(&name)?;
    let url = machine.description().engine_url.ok_or_else(crate::commands::access::env::not_running)?;
    ctx.printer.line(&url);
    Ok(())
}
