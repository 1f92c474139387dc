use crate::app::Context;
use crate::commands::shared::{Names, Outcome, each};
use crate::model::Failure;
use crate::provision::EngineVersion;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The engine is upgraded the way it came: by the package that owns it, else by the script that brought it. Where it is
what it should be, nothing is restarted. An engine that does not come up is taken back to the version before.

Examples:
  rmachine upgrade node1
  rmachine upgrade --engine-version 28.5 node1 node2
  rmachine upgrade $(rmachine ls -q --filter driver=generic)")]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,

    /// Version to upgrade to, or its beginning: 28, 28.5 [default: the newest that is offered]
    #[arg(long, value_name = "VERSION")]
    engine_version: Option<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let version = args.engine_version.as_deref().map(EngineVersion::parse).transpose();
    let version = version.map_err(|e| Failure::usage(format!("--engine-version: {e}")))?;
    let several = args.names.names.len();
    let machines = ctx.machines_for(several);
    ctx.when_interrupted(format!(
        "Interrupted. What was begun on the hosts goes on there; `{} upgrade` again tells how it ended.",
        ctx.program
    ));
    each(ctx, &args.names, |machine| machines.upgrade(machine, version.as_ref())).await
}
