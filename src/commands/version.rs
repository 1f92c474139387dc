use crate::context::Context;
use crate::error::CommandError;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The machine whose engine's version is asked; without a name, this program's is told
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub async fn run(ctx: &Context, args: &Args) -> super::Outcome {
    if args.names.is_empty() {
        ctx.printer.line(&own(&ctx.program));
        return Ok(());
    }
    let name = super::one_name(ctx, &args.names)?;
    let lifecycle = ctx.lifecycle();
    let machine = lifecycle.load(&name)?;
    let version = lifecycle.engine_version(&machine).await;
    let version =
        version.map_err(|e| CommandError::failed(format!("Unable to query docker version: {e}")))?;
    ctx.printer.line(&version);
    Ok(())
}

/// The sentence that wrappers parse.
pub fn own(program: &str) -> String {
    format!("{program} version {}, build {}", env!("CARGO_PKG_VERSION"), env!("RMACHINE_BUILD"))
}
