//! How swarms stand.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::which;
use crate::model::{ClusterName, Exit, Failure, Role};
use crate::swarm::Cluster;
use crate::swarm::rules::SwarmStatus;
use crate::ui::table;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

pub(in crate::commands) const HELP: &str = "\
The exit status is 0 if the managers have quorum, and 1 if not. COMPATIBILITY.md describes the JSON output.";

/// How a status is asked for and shown.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::commands) struct StatusForm {
    /// Output format: table or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Output,

    /// Seconds to wait for the managers to answer
    #[arg(long, short, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Swarm, or one of its machines [default: the only swarm]
    #[arg(value_name = "SWARM")]
    cluster: Option<String>,

    #[command(flatten)]
    form: StatusForm,
}

impl Args {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let cluster = which(&ctx.swarm(), self.cluster.as_deref())?;
        self.form.show(ctx, &cluster.name).await
    }
}

impl StatusForm {
    /// Of a cluster whose name is known.
    pub(in crate::commands) async fn show(&self, ctx: &Context, cluster: &ClusterName) -> Outcome {
        let status = ctx.swarm().status(cluster, Duration::from_secs(self.timeout)).await?;
        match self.output {
            Output::Json => {
                let text = serde_json::to_string_pretty(&status).map_err(Failure::from_error)?;
                ctx.printer.line(&text);
            }
            Output::Table => show(ctx, &status),
        }
        if status.quorum { Ok(()) } else { Err(Failure::silent(Exit::Failed)) }
    }
}

fn show(ctx: &Context, status: &SwarmStatus) {
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
    /// Print names only
    #[arg(long, short, conflicts_with = "output")]
    quiet: bool,

    /// Output format: table or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Output,
}

impl Ls {
    /// Out of the store; nobody is asked.
    pub(super) fn run(&self, ctx: &Context) -> Outcome {
        if self.output == Output::Json {
            let listed: Vec<_> = ctx.swarm().clusters()?.iter().map(listed).collect();
            ctx.printer.line(&format!("{:#}", Value::from(listed)));
            return Ok(());
        }
        let mut text = "CLUSTER\tMANAGERS\tWORKERS\tMACHINES\n".to_owned();
        for cluster in ctx.swarm().clusters()? {
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

/// `absent` are machines that belong to it and have not joined.
fn listed(cluster: &Cluster) -> Value {
    let names = |role| cluster.joined(role).map(|m| m.machine.as_str()).collect::<Vec<_>>();
    let absent = cluster.members.iter().filter(|m| !m.membership.has_joined());
    json!({
        "cluster": cluster.name.as_str(),
        "managers": names(Role::Manager),
        "workers": names(Role::Worker),
        "absent": absent.map(|m| m.machine.as_str()).collect::<Vec<_>>(),
    })
}
