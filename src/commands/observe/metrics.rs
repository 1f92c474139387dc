use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::which;
use crate::model::Failure;
use crate::observe::metrics_targets::targets;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print the addresses of the engines' metrics in the format of file_sd_configs
    #[command(
        alias = "ls",
        after_help = "\
rmachine reads the addresses from its store and contacts no machine.

Example, to run every five minutes:
  cd /etc/prometheus && rmachine metrics targets > rmachine.json.new && \\
      mv rmachine.json.new rmachine.json"
    )]
    Targets {
        /// Swarm, or one of its machines [default: all machines]
        #[arg(value_name = "SWARM")]
        cluster: Option<String>,
    },
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Outcome {
    let Verb::Targets { cluster } = &args.verb;
    let swarm = ctx.swarm();
    let names = match cluster {
        Some(word) => which(&swarm, Some(word))?.members.into_iter().map(|m| m.machine).collect(),
        None => ctx.store.names()?,
    };
    let (targets, silent) = targets(&swarm, &names)?;
    let text = serde_json::to_string_pretty(&targets).map_err(Failure::from_error)?;
    ctx.printer.line(&text);
    if !silent.is_empty() {
        let names: Vec<_> = silent.iter().map(rmachine_driver::MachineName::as_str).collect();
        let names = names.join(" ");
        ctx.printer.error_line(&format!(
            "Not told to give metrics: {names}. `{} provision --engine-opt metrics-addr=ADDRESS:9323 NAME` tells one.",
            ctx.program
        ));
    }
    Ok(())
}
