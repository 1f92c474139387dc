use std::time::Duration;

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::machines::observe::Observed;
use crate::model::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds to wait for the machine to answer
    #[arg(long, short, value_name = "SECONDS", default_value = "10", value_parser = crate::commands::shared::go_int)]
    timeout: i64,

    #[arg(hide = true)]
    extra: Vec<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    if !args.extra.is_empty() {
        return Err(Failure::new("Error: Too many arguments given"));
    }
    // Only a machine that $DOCKER_HOST points to can be active; no other is asked.
    let Some(wanted) = ctx.env.get("DOCKER_HOST") else { return Err(none()) };
    let swarm = ctx.swarm();
    let limit = Duration::from_secs(u64::try_from(args.timeout).unwrap_or(0));
    let mut names = ctx.store.names()?;
    // The first of several, and which that is depends on the order of the list.
    names.sort_by(|a, b| crate::commands::machine::ls::natural(a.as_str(), b.as_str()));
    for name in names {
        let Ok(machine) = swarm.machines.load(&name) else { continue };
        let (host, classic_swarm) = (machine.description().engine_url, machine.swarm_url());
        if ![host, classic_swarm].iter().any(|url| url.as_deref() == Some(wanted)) {
            continue;
        }
        match swarm.machines.observe(&machine, limit).await {
            Observed { state: rmachine_driver::State::Timeout, .. } => {
                return Err(Failure::new("Error getting active host: timeout"));
            }
            Observed { state: rmachine_driver::State::Running, .. } => {
                ctx.printer.line(name.as_str());
                return Ok(());
            }
            _ => {}
        }
    }
    Err(none())
}

fn none() -> Failure {
    Failure::new("No active host found")
}
