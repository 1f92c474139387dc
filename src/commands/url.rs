use crate::cli::Names;
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: Names,
}

pub fn run(ctx: &Context, args: &Args) -> super::Outcome {
    let name = super::one_name(ctx, &args.names.names)?;
    let machine = ctx.lifecycle().load(&name)?;
    let url = machine.description().engine_url.ok_or_else(super::env::not_running)?;
    ctx.printer.line(&url);
    Ok(())
}
