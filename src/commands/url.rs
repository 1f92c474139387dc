use crate::cli::OneName;
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    name: OneName,
}

pub fn run(ctx: &Context, args: &Args) -> super::Outcome {
    let name = super::one_name(ctx, &args.name.names)?;
    let machine = ctx.lifecycle().load(&name)?;
    let url = machine.description().engine_url.ok_or_else(super::env::not_running)?;
    ctx.printer.line(&url);
    Ok(())
}
