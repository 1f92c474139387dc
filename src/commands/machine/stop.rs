use crate::app::Context;
use crate::commands::shared::{Names, Outcome, each};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let machines = ctx.machines();
    each(ctx, &args.names, |machine| machines.stop(machine)).await?;
    Ok(())
}
