use crate::cli::Names;
use crate::context::Context;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A second run changes nothing and restarts nothing; after a failed or interrupted `create` it finishes the job.")]
pub struct Args {
    #[command(flatten)]
    names: Names,
}

pub async fn run(ctx: &Context, args: &Args) -> super::Outcome {
    let lifecycle = ctx.lifecycle();
    ctx.when_interrupted(format!("Interrupted. Run `{} provision` again to finish.", ctx.program));
    super::each(ctx, &args.names, |machine| lifecycle.provision(machine)).await
}
