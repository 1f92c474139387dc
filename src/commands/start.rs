use crate::cli::Names;
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: Names,
}

pub async fn run(ctx: &Context, args: &Args) -> super::Outcome {
    let lifecycle = ctx.lifecycle();
    super::each(ctx, &args.names, |machine| lifecycle.start(machine)).await?;
    ctx.last_word(&format!(
        "Started machines may have new IP addresses. You may need to re-run the `{} env` command.",
        ctx.program
    ));
    Ok(())
}
