use crate::app::Context;
use crate::commands::shared::{Outcome, one_name};
use crate::model::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Machine whose engine version to print [default: the version of this program]
    #[arg(value_name = "MACHINE")]
    names: Vec<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    if args.names.is_empty() {
        ctx.printer.line(&own(&ctx.program));
        return Ok(());
    }
    let name = one_name(ctx, &args.names)?;
    let machines = ctx.machines();
    let machine = machines.load(&name)?;
    let version = machines.engine_version(&machine).await;
    let version = version.map_err(|e| Failure::because("Unable to query docker version", e))?;
    ctx.printer.line(&version);
    Ok(())
}

/// The sentence that wrappers parse.
pub(crate) fn own(program: &str) -> String {
    format!("{program} version {}, build {}", env!("CARGO_PKG_VERSION"), env!("RMACHINE_BUILD"))
}
