//! Into a swarm and out of it.

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::{Founding, Settings, cluster_name, each, which};
use crate::model::{Failure, Role};

#[derive(Debug, clap::Args)]
pub(super) struct Init {
    #[arg(value_name = "NODE")]
    node: String,

    /// What the swarm is called here [default: the machine's name]
    #[arg(long, value_name = "NAME")]
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
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,

    /// The swarm, by its name here [default: the only one there is]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// As managers
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
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,

    /// Also where that breaks the quorum, and when no manager answers
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

#[derive(Debug, clap::Args)]
pub(super) struct Rm {
    /// A machine, the name of a host, or the beginning of a node's id
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,

    /// The swarm, by its name here [default: the only one there is]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// Also one that answers, and where that breaks the quorum
    #[arg(long, short)]
    force: bool,
}

impl Rm {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let swarm = ctx.swarm();
        let given = self.cluster.as_deref().or_else(|| {
            let only = self.nodes.first().map(String::as_str);
            only.filter(|n| {
                rmachine_driver::MachineName::existing(n)
                    .is_ok_and(|n| swarm.membership(&n).is_ok_and(|m| m.is_some()))
            })
        });
        let cluster = which(&swarm, given)?;
        let mut errors = Vec::new();
        for node in &self.nodes {
            match swarm.remove_dead_node(&cluster, node, self.force).await {
                Ok(()) => ctx.printer.line(&format!("Removed {node} from the swarm {}", cluster.name)),
                Err(e) => errors.push(e),
            }
        }
        Failure::join(errors)
    }
}
