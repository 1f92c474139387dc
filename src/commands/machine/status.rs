use crate::app::Context;
use crate::commands::shared::{OneName, Outcome, one_name};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    name: OneName,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let name = one_name(ctx, &args.name.names)?;
    let machines = ctx.machines();
    let machine = machines.load(&name)?;
    let state = machines.state(&machine).await.map_err(|e| {
        let error: crate::model::Failure = e;
        error.prefix(&format!("error getting state for host {name}: "))
    })?;
    ctx.printer.line(&state.to_string());
    Ok(())
}
