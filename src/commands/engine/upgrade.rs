use crate::app::Context;
use crate::commands::shared::{Names, Outcome, each};
use crate::model::Failure;
use crate::provision::EngineVersion;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine upgrades Docker in the way it was installed: with the package manager, or with the installation script. An \
engine that already has the version is not restarted. If the upgraded engine does not start, rmachine installs the \
previous version again.

Examples:
  rmachine upgrade node1
  rmachine upgrade --engine-version 28.5 node1 node2
  rmachine upgrade $(rmachine ls -q --filter driver=generic)")]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,

    /// Version to install: 28, 28.5 or 28.5.1 [default: the newest available]
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
