//! The removal of a whole swarm with its machines, for `cluster down` and `swarm rm`.

use rmachine_driver::MachineName;

use crate::app::Context;
use crate::cluster::down::{down, members};
use crate::commands::shared::{Outcome, SURE, confirmed};
use crate::model::{ClusterName, Exit, Failure};

pub(crate) struct SwarmRemoval<'a> {
    pub(crate) swarm: &'a ClusterName,
    /// What the command calls it: a swarm, or a cluster.
    pub(crate) noun: &'static str,
    /// The command that continues the removal after an interruption.
    pub(crate) again: String,
    pub(crate) yes: bool,
    /// Machines leave the store even if their provider is unreachable; implies `yes`.
    pub(crate) force: bool,
}

/// Names the machines, asks, and removes them. A record that cannot be read is an error before anything is removed.
pub(crate) async fn remove_swarm(ctx: &Context, removal: &SwarmRemoval<'_>) -> Outcome {
    let SwarmRemoval { swarm: name, noun, again, yes, force } = removal;
    let members = members(&ctx.swarm(), name)?;
    if members.is_empty() {
        ctx.last_word(&format!("Nothing to remove: no machine belongs to the {noun} {name}."));
        return Ok(());
    }
    let list: Vec<&str> = members.iter().map(MachineName::as_str).collect();
    ctx.last_word(&format!("About to remove the {noun} {name}, with everything on it: {}", list.join(", ")));
    if !yes && !force && !confirmed(ctx, SURE, "-y")? {
        return Ok(());
    }
    ctx.when_interrupted(format!("Interrupted. `{again}` removes the rest."));
    let swarm = ctx.swarm_for(members.len());
    down(&swarm, name, *force).await.map_err(|failures| {
        let errors = failures.into_iter().collect();
        Failure::join(errors).err().unwrap_or_else(|| Failure::silent(Exit::Failed))
    })?;
    ctx.last_word(&format!("Removed {} machines: {}", list.len(), list.join(" ")));
    Ok(())
}
