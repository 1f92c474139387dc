use std::time::Duration;

use crate::context::Context;
use crate::error::CommandError;
use crate::lifecycle::observe::Observed;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds to wait for the machine
    #[arg(long, short, value_name = "SECONDS", default_value = "10", value_parser = crate::cli::go_int)]
    timeout: i64,

    #[arg(hide = true)]
    extra: Vec<String>,
}

pub async fn run(ctx: &Context, args: &Args) -> super::Outcome {
    if !args.extra.is_empty() {
        return Err(CommandError::failed("Error: Too many arguments given"));
    }
    // Only a machine that $DOCKER_HOST points to can be active; no other is asked.
    let Some(wanted) = ctx.env.get("DOCKER_HOST") else { return Err(none()) };
    let lifecycle = ctx.lifecycle();
    let limit = Duration::from_secs(u64::try_from(args.timeout).unwrap_or(0));
    let mut names = ctx.store.names().map_err(crate::lifecycle::Failure::from)?;
    // The first of several, and which that is depends on the order of the list.
    names.sort_by(|a, b| super::ls::natural(a.as_str(), b.as_str()));
    for name in names {
        let Ok(machine) = lifecycle.load(&name) else { continue };
        let (host, swarm) = (machine.description().engine_url, machine.swarm_url());
        if ![host, swarm].iter().any(|url| url.as_deref() == Some(wanted)) {
            continue;
        }
        match lifecycle.observe(&machine, limit).await {
            Observed { state: rmachine_driver::State::Timeout, .. } => {
                return Err(CommandError::failed("Error getting active host: timeout"));
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

fn none() -> CommandError {
    CommandError::failed("No active host found")
}
