//! What nodes are, are given and are called.

use std::time::Duration;

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::each;
use crate::model::{Availability, Failure};
use crate::swarm::NodeChange;

#[derive(Debug, clap::Args)]
pub(super) struct Names {
    /// Nodes to activate
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
}

impl Names {
    pub(super) async fn activate(&self, ctx: &Context) -> Outcome {
        change(ctx, &self.nodes, &NodeChange::Availability(Availability::Active), false).await
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Roles {
    /// Nodes to change
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,

    /// Change the role even if the swarm loses its quorum
    #[arg(long, short)]
    force: bool,
}

impl Roles {
    pub(super) async fn promote(&self, ctx: &Context) -> Outcome {
        change(ctx, &self.nodes, &NodeChange::Promote, self.force).await
    }

    pub(super) async fn demote(&self, ctx: &Context) -> Outcome {
        change(ctx, &self.nodes, &NodeChange::Demote, self.force).await
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Drain {
    /// Nodes to drain
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,

    /// Seconds to wait for the tasks to move; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

impl Drain {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        change(ctx, &self.nodes, &NodeChange::Availability(Availability::Drain), false).await?;
        if self.wait == 0 {
            return Ok(());
        }
        let swarm = ctx.swarm_for(self.nodes.len());
        each(ctx, &self.nodes, true, async |name| {
            match swarm.await_empty(name, Duration::from_secs(self.wait)).await? {
                0 => Ok(()),
                left => Err(Failure::new(format!(
                    "{name} is drained, and {left} of its tasks still run after {} s",
                    self.wait
                ))
                .hint("services that are bound to the node, or whose stop_grace_period is long, take their time")),
            }
        })
        .await
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Label {
    /// Nodes, then labels to set (KEY=VALUE) and to remove (KEY-)
    #[arg(value_name = "NODE|KEY=VALUE|KEY-", required = true)]
    words: Vec<String>,
}

impl Label {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let is_label = |w: &&String| w.contains('=') || w.ends_with('-');
        let (labels, nodes): (Vec<&String>, Vec<&String>) = self.words.iter().partition(|w| is_label(w));
        if labels.is_empty() {
            return Err(Failure::usage("name labels to set as KEY=VALUE, or to remove as KEY-"));
        }
        let mut set = Vec::new();
        let mut unset = Vec::new();
        for label in labels {
            match label.split_once('=') {
                Some(("", _)) => return Err(Failure::usage(format!("{label:?} has no key"))),
                Some((key, value)) => set.push((key.to_owned(), value.to_owned())),
                None => unset.push(label.trim_end_matches('-').to_owned()),
            }
        }
        let nodes: Vec<String> = nodes.into_iter().cloned().collect();
        change(ctx, &nodes, &NodeChange::Labels { set, unset }, false).await
    }
}

/// One after the other, since each may decide about the next.
async fn change(ctx: &Context, nodes: &[String], change: &NodeChange, force: bool) -> Outcome {
    let swarm = ctx.swarm_for(nodes.len());
    each(ctx, nodes, false, async |name| swarm.change(name, change, force).await).await
}
