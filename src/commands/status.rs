use crate::cli::OneName;
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    name: OneName,
}

pub async fn run(ctx: &Context, args: &Args) -> super::Outcome {
    let name = super::one_name(ctx, &args.name.names)?;
    let lifecycle = ctx.lifecycle();
    let machine = lifecycle.load(&name)?;
    let state = lifecycle.state(&machine).await.map_err(|e| {
        let error: crate::error::CommandError = e.into();
        error.prefix(&format!("error getting state for host {name}: "))
    })?;
    ctx.printer.line(&state.to_string());
    Ok(())
}
