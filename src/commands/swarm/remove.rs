//! The removal of a whole swarm, and of a dead node from its swarm.

use rmachine_driver::MachineName;

use crate::app::Context;
use crate::commands::shared::{Outcome, SwarmRemoval, remove_swarm};
use crate::commands::swarm::which;
use crate::model::{ClusterName, Failure};

#[derive(Debug, clap::Args)]
pub(super) struct RmNode {
    /// Machine name, host name, or beginning of the ID of the node
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,

    /// Swarm of the node [default: the only swarm]
    #[arg(long, value_name = "SWARM")]
    cluster: Option<String>,

    /// Remove the node even if it is reachable or the swarm loses its quorum
    #[arg(long, short)]
    force: bool,
}

impl RmNode {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let swarm = ctx.swarm();
        let given = self.cluster.as_deref().or_else(|| {
            let only = self.nodes.first().map(String::as_str);
            only.filter(|n| {
                MachineName::existing(n).is_ok_and(|n| swarm.membership(&n).is_ok_and(|m| m.is_some()))
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

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine prints the names of the machines and asks for confirmation. It removes the workers before the managers. If \
a worker cannot be removed, it stays in the store with the managers. To continue, run the same command again.

Examples:
  rmachine swarm rm lab
  rmachine swarm rm -y lab
  rmachine swarm rm-node lab-w2      # removes only a dead node")]
pub(super) struct Rm {
    /// Swarm to remove
    #[arg(value_name = "SWARM", required = true)]
    names: Vec<String>,

    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,

    /// Swarm of the nodes, in the earlier form of `rm-node`
    #[arg(long, value_name = "SWARM", hide = true)]
    cluster: Option<String>,

    /// Remove reachable nodes, in the earlier form of `rm-node`
    #[arg(long, short, hide = true)]
    force: bool,
}

impl Rm {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        match self.swarm(ctx)? {
            Some(name) => self.remove(ctx, &name).await,
            None => {
                let (nodes, cluster) = (self.names.clone(), self.cluster.clone());
                RmNode { nodes, cluster, force: self.force }.run(ctx).await
            }
        }
    }

    /// The swarm to remove; none if the words are the earlier form of `rm-node`, which named nodes.
    fn swarm(&self, ctx: &Context) -> Result<Option<ClusterName>, Failure> {
        let swarm = ctx.swarm();
        let name = match (&self.names[..], &self.cluster) {
            ([name], None) => ClusterName::parse(name).ok(),
            _ => None,
        };
        let Some(name) = name else { return Ok(None) };
        if swarm.members(&name)?.members.is_empty() {
            if self.yes {
                // The earlier form had no --yes, so a swarm is meant, and it is missing.
                swarm.cluster(&name)?;
            }
            return Ok(None);
        }
        // The earlier form with --force asked nothing, and a node may be named like its swarm.
        if self.force {
            let program = &ctx.program;
            return Err(Failure::usage(format!("--force is for nodes, and {name} is a swarm"))
                .hint(format!("to remove the node {name}: {program} swarm rm-node --force {name}"))
                .hint(format!("to remove the whole swarm: {program} cluster down --force {name}")));
        }
        Ok(Some(name))
    }

    async fn remove(&self, ctx: &Context, name: &ClusterName) -> Outcome {
        let program = &ctx.program;
        if MachineName::existing(name.as_str()).is_ok_and(|machine| ctx.store.exists(&machine)) {
            ctx.last_word(&format!("To remove only the node {name}, run: {program} swarm rm-node {name}"));
        }
        let again = format!("{program} swarm rm {name}");
        let removal = SwarmRemoval { swarm: name, noun: "swarm", again, yes: self.yes, force: false };
        remove_swarm(ctx, &removal).await
    }
}
