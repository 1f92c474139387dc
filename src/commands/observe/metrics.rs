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
    /// Print the engines' addresses as Prometheus' file_sd_configs reads them
    #[command(after_help = "\
Example, every five minutes:
  rmachine metrics targets > /etc/prometheus/rmachine.json.new && mv /etc/prometheus/rmachine.json{.new,}

Out of the store; nobody is asked.")]
    Targets {
        /// A swarm, or one of its machines [default: all machines]
        #[arg(value_name = "CLUSTER")]
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
