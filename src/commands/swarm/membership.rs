//! Into a swarm and out of it.

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::{Founding, Settings, cluster_name, each, which};
use crate::model::Role;

#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// Machine that becomes the first manager
    #[arg(value_name = "MACHINE")]
    node: String,

    /// Name of the swarm [default: the name of the machine]
    #[arg(long, value_name = "SWARM")]
    cluster: Option<String>,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    founding: Founding,
}

impl Init {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let cluster = cluster_name(self.cluster.as_ref().unwrap_or(&self.node))?;
        let settings = self.settings.resolve(Some(&self.founding))?;
        let swarm = ctx.swarm();
        each(ctx, std::slice::from_ref(&self.node), false, async |name| {
            swarm.init(name, &cluster, &settings).await
        })
        .await?;
        if self.founding.autolock {
            ctx.last_word(&format!(
                "It locks itself: `{} swarm unlock-key {cluster}` prints the key that opens a manager after a restart. \
                 Keep it.",
                ctx.program
            ));
        }
        ctx.last_word(&format!("{} swarm join NODE --cluster {cluster} brings in others", ctx.program));
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Join {
    /// Machines that join the swarm
    #[arg(value_name = "MACHINE", required = true)]
    nodes: Vec<String>,

    /// Swarm to join [default: the only swarm]
    #[arg(long, value_name = "SWARM")]
    cluster: Option<String>,

    /// Join as managers
    #[arg(long)]
    manager: bool,

    #[command(flatten)]
    settings: Settings,
}

impl Join {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        self.settings.for_several(self.nodes.len())?;
        let settings = self.settings.resolve(None)?;
        let swarm = ctx.swarm_for(self.nodes.len());
        let cluster = which(&swarm, self.cluster.as_deref())?.name;
        let role = if self.manager { Role::Manager } else { Role::Worker };
        each(ctx, &self.nodes, true, async |name| swarm.join(name, &cluster, role, &settings).await).await
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Leave {
    /// Nodes that leave their swarm
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,

    /// Leave even if the swarm loses its quorum or no manager is reachable
    #[arg(long, short)]
    force: bool,
}

impl Leave {
    /// One after the other: whether a manager may go depends on those before it.
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let swarm = ctx.swarm_for(self.nodes.len());
        each(ctx, &self.nodes, false, async |name| swarm.leave(name, self.force).await).await
    }
}
