//! How swarms stand.

use std::time::Duration;

use super::super::Outcome;
use super::which;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::store::Role;
use crate::swarm::Status;
use crate::ui::table;

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "The exit code is 0 while the managers have a majority, 1 when not.")]
pub(super) struct Args {
    /// A swarm, or one of its machines [default: the only swarm there is]
    #[arg(value_name = "CLUSTER")]
    cluster: Option<String>,

    /// table or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORM", hide_possible_values = true)]
    output: Output,

    /// Seconds to wait for an answer
    #[arg(long, short, default_value_t = 10)]
    timeout: u64,
}

impl Args {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let lifecycle = ctx.lifecycle();
        let cluster = which(&lifecycle, self.cluster.as_deref())?;
        let status = lifecycle.swarm_status(&cluster.name, Duration::from_secs(self.timeout)).await?;
        match self.output {
            Output::Json => {
                let text =
                    serde_json::to_string_pretty(&status).map_err(|e| CommandError::failed(e.to_string()))?;
                ctx.printer.line(&text);
            }
            Output::Table => show(ctx, &status),
        }
        if status.quorum { Ok(()) } else { Err(CommandError::silent(Exit::Failed)) }
    }
}

fn show(ctx: &Context, status: &Status) {
    ctx.printer.line(&format!("Swarm {}: {}", status.cluster, status.words));
    if !status.nodes.is_empty() {
        ctx.printer.raw(&table::align(&status.table()));
    }
    for absent in &status.absent {
        ctx.printer.line(&format!("{} ({}): {}", absent.name, absent.role, absent.reason));
    }
    for advice in &status.advice {
        ctx.printer.line(&format!("Advice: {advice}"));
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Ls {
    /// Names only
    #[arg(long, short)]
    quiet: bool,
}

impl Ls {
    /// Out of the store; nobody is asked.
    pub(super) fn run(&self, ctx: &Context) -> Outcome {
        let mut text = "CLUSTER\tMANAGERS\tWORKERS\tMACHINES\n".to_owned();
        for cluster in ctx.lifecycle().clusters()? {
            if self.quiet {
                ctx.printer.line(cluster.name.as_str());
                continue;
            }
            let (managers, workers) =
                (cluster.joined(Role::Manager).count(), cluster.joined(Role::Worker).count());
            let machines: Vec<_> = cluster.members.iter().map(|m| m.machine.as_str()).collect();
            text.push_str(&format!("{}\t{managers}\t{workers}\t{}\n", cluster.name, machines.join(" ")));
        }
        if !self.quiet {
            ctx.printer.raw(&table::align(&text));
        }
        Ok(())
    }
}

/// The same for a cluster whose name is known.
pub(super) async fn of(ctx: &Context, name: &crate::store::ClusterName) -> Outcome {
    let args = Args { cluster: Some(name.to_string()), output: Output::default(), timeout: 10 };
    args.run(ctx).await
}
