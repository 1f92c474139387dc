use crate::app::Context;
use crate::commands::shared::Names;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> crate::commands::shared::Outcome {
    let machines = ctx.machines();
    crate::commands::shared::each(ctx, &args.names, |machine| machines.stop(machine)).await?;
    Ok(())
}
