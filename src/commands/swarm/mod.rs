//! `swarm`: machines as nodes of a swarm. One file a group of verbs.

mod backup;
mod create;
mod keys;
mod membership;
mod nodes;
mod remove;
mod status;

use futures_util::future::join_all;
use rmachine_driver::MachineName;

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::model::Failure;
use crate::model::{Availability, ClusterName, SwarmSettings};
use crate::registry::Registry;
use crate::swarm::Cluster;
use crate::swarm::Swarm;
use crate::swarm::rules::is_network;

pub(in crate::commands) use status::{HELP as STATUS_HELP, StatusForm};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rmachine swarm create --managers 3 --workers 2 lab
  rmachine swarm init node1 --cluster lab
  rmachine swarm join node2 node3 --cluster lab --manager
  rmachine swarm status lab
  rmachine swarm drain node3

rmachine stores no join tokens and no unlock keys. It asks a manager for them when it needs them, and sends them to \
engines only.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Create machines and a swarm of them
    Create(create::Args),
    /// List swarms
    Ls(status::Ls),
    /// Print the nodes of a swarm and whether it has quorum
    #[command(visible_alias = "show")]
    Status(status::Args),
    /// Remove a swarm with all its machines
    #[command(visible_alias = "destroy")]
    Rm(remove::Rm),
    /// Initialize a swarm on its first manager
    Init(membership::Init),
    /// Join machines to a swarm
    Join(membership::Join),
    /// Remove nodes from their swarm and keep the machines
    Leave(membership::Leave),
    /// Remove a dead node from the swarm
    RmNode(remove::RmNode),
    /// Promote workers to managers
    Promote(nodes::Roles),
    /// Demote managers to workers
    Demote(nodes::Roles),
    /// Drain nodes: move all their tasks to other nodes
    Drain(nodes::Drain),
    /// Activate drained nodes
    Activate(nodes::Names),
    /// Set or remove labels of nodes
    Label(nodes::Label),
    /// Print the join token
    Token(keys::Token),
    /// Lock the swarm, so that restarted managers need a key
    Lock(keys::Which),
    /// Unlock managers
    Unlock(keys::Unlock),
    /// Print the unlock key
    UnlockKey(keys::Key),
    /// Back up the state and the keys of a swarm
    Backup(backup::Backup),
    /// Restore a backup on a machine
    Restore(backup::Restore),
    /// Recover the swarm from one manager after quorum loss
    Recover(backup::Recover),
}

/// Gives `swarm create` the flags of the driver that the words ask for.
pub(crate) fn augment(command: clap::Command, registry: &Registry, driver: &str) -> clap::Command {
    command.mut_subcommand("create", |c| create::augment(c, registry, driver))
}

pub(crate) async fn run(ctx: &Context, args: &Args, matches: &clap::ArgMatches) -> Outcome {
    match &args.verb {
        Verb::Create(args) => create::run(ctx, args, matches).await,
        Verb::Init(args) => args.run(ctx).await,
        Verb::Join(args) => args.run(ctx).await,
        Verb::Leave(args) => args.run(ctx).await,
        Verb::Rm(args) => args.run(ctx).await,
        Verb::RmNode(args) => args.run(ctx).await,
        Verb::Promote(args) => args.promote(ctx).await,
        Verb::Demote(args) => args.demote(ctx).await,
        Verb::Drain(args) => args.run(ctx).await,
        Verb::Activate(args) => args.activate(ctx).await,
        Verb::Label(args) => args.run(ctx).await,
        Verb::Token(args) => args.run(ctx).await,
        Verb::Lock(args) => args.lock(ctx).await,
        Verb::Unlock(args) => args.run(ctx).await,
        Verb::UnlockKey(args) => args.run(ctx).await,
        Verb::Status(args) => args.run(ctx).await,
        Verb::Ls(args) => args.run(ctx),
        Verb::Backup(args) => args.run(ctx).await,
        Verb::Restore(args) => args.run(ctx).await,
        Verb::Recover(args) => args.run(ctx).await,
    }
}

/// What nodes are told when they found a swarm or join one.
#[derive(Debug, Clone, Default, clap::Args)]
struct Settings {
    /// Address or interface to advertise to other nodes [default: in a private network of all nodes]
    #[arg(long, value_name = "ADDRESS")]
    advertise_addr: Option<String>,

    /// Address or interface for overlay network traffic
    #[arg(long, value_name = "ADDRESS")]
    data_path_addr: Option<String>,

    /// Address on which managers listen [default: 0.0.0.0:2377]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen_addr: Option<String>,

    /// Availability of the node: active, pause or drain
    #[arg(long, value_enum, value_name = "STATE", default_value_t, hide_possible_values = true)]
    availability: Given,
}

/// Of the founder alone.
#[derive(Debug, Clone, Default, clap::Args)]
struct Founding {
    /// Address pool for overlay networks: 10.20.0.0/16
    #[arg(long, value_name = "CIDR")]
    default_addr_pool: Vec<String>,

    /// Lock the swarm, so that restarted managers need a key (see: swarm unlock-key)
    #[arg(long)]
    autolock: bool,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Given {
    #[default]
    Active,
    Pause,
    Drain,
}

impl Settings {
    fn resolve(&self, founding: Option<&Founding>) -> Result<SwarmSettings, Failure> {
        for (flag, value) in [
            ("advertise-addr", &self.advertise_addr),
            ("data-path-addr", &self.data_path_addr),
            ("listen-addr", &self.listen_addr),
        ] {
            plausible(flag, value.as_deref())?;
        }
        let pools = founding.map(|f| f.default_addr_pool.clone()).unwrap_or_default();
        if let Some(bad) = pools.iter().find(|p| !is_network(p)) {
            return Err(Failure::usage(format!(
                "--default-addr-pool must be a network like 10.20.0.0/16, not {bad:?}"
            )));
        }
        Ok(SwarmSettings {
            advertise: self.advertise_addr.clone(),
            data_path: self.data_path_addr.clone(),
            listen: self.listen_addr.clone(),
            address_pools: pools,
            availability: match self.availability {
                Given::Active => Availability::Active,
                Given::Pause => Availability::Pause,
                Given::Drain => Availability::Drain,
            },
            autolock: founding.is_some_and(|f| f.autolock),
        })
    }

    /// An address belongs to one node; an interface may be called the same on all.
    fn for_several(&self, nodes: usize) -> Result<(), Failure> {
        let address = |text: &Option<String>| {
            text.as_deref().is_some_and(|t| {
                t.parse::<std::net::IpAddr>().is_ok() || t.parse::<std::net::SocketAddr>().is_ok()
            })
        };
        if nodes > 1 && (address(&self.advertise_addr) || address(&self.data_path_addr)) {
            return Err(Failure::usage(
                "an address belongs to one node: name only that one, or an interface that all have",
            ));
        }
        Ok(())
    }
}

fn plausible(flag: &str, value: Option<&str>) -> Result<(), Failure> {
    let good =
        |v: &str| !v.is_empty() && v.chars().all(|c| c.is_ascii_alphanumeric() || ".:-_[]%@".contains(c));
    match value.filter(|v| !good(v)) {
        Some(bad) => Err(Failure::usage(format!("--{flag} must be an address or an interface, not {bad:?}"))),
        None => Ok(()),
    }
}

fn cluster_name(text: &str) -> Result<ClusterName, Failure> {
    ClusterName::parse(text).map_err(|e| Failure::usage(e.to_string()))
}

/// The cluster of that name, the one that this machine belongs to, or the only one there is.
pub(super) fn which(swarm: &Swarm, given: Option<&str>) -> Result<Cluster, Failure> {
    let Some(word) = given else {
        let mut clusters = swarm.clusters()?;
        return match (clusters.pop(), clusters.len()) {
            (Some(only), 0) => Ok(only),
            (None, _) => Err(Failure::new("No machine of this store belongs to a swarm")
                .hint(format!("{} swarm init NODE", swarm.machines.program))),
            (Some(last), _) => {
                let names: Vec<_> = clusters.iter().map(|c| c.name.to_string()).collect();
                Err(Failure::usage(format!("which swarm? There are {} and {}", names.join(", "), last.name)))
            }
        };
    };
    let by_machine = match MachineName::existing(word) {
        Ok(name) => swarm.membership(&name)?,
        Err(_) => None,
    };
    let name = match (ClusterName::parse(word), by_machine) {
        (Ok(name), member) => {
            if swarm.members(&name)?.members.is_empty() {
                member.map_or(name, |m| m.cluster)
            } else {
                name
            }
        }
        (Err(_), Some(member)) => member.cluster,
        (Err(e), None) => return Err(Failure::usage(e.to_string())),
    };
    swarm.cluster(&name)
}

/// Several nodes, one after the other or at once; one that fails does not keep the others.
async fn each(
    ctx: &Context,
    names: &[String],
    at_once: bool,
    act: impl AsyncFn(&MachineName) -> Result<(), Failure>,
) -> Outcome {
    if names.is_empty() {
        return Err(Failure::usage("Error: Expected to get one or more machine names as arguments"));
    }
    let names =
        names.iter().map(|n| crate::commands::shared::existing(ctx, n)).collect::<Result<Vec<_>, _>>()?;
    if let Some(missing) = names.iter().find(|n| !ctx.store.exists(n)) {
        return Err(crate::commands::shared::missing(ctx, missing.as_str()));
    }
    let mut results = Vec::new();
    if at_once {
        results = join_all(names.iter().map(async |name| act(name).await)).await;
    } else {
        for name in &names {
            results.push(act(name).await);
        }
    }
    let errors = names.iter().zip(results).filter_map(|(name, result)| {
        let failure = result.err()?;
        let named = failure.message.contains(name.as_str());
        Some(if named { failure } else { failure.prefix(&format!("{name}: ")) })
    });
    Failure::join(errors.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plausible() {
        for good in ["10.0.0.5", "eth0", "eth0:2377", "[fd00::1]:2377", "fe80::1%eth0"] {
            assert!(plausible("advertise-addr", Some(good)).is_ok(), "{good}");
        }
        for bad in ["", "a b", "$(id)", "10.0.0.1;"] {
            assert!(plausible("advertise-addr", Some(bad)).is_err(), "{bad}");
        }
        assert!(is_network("10.20.0.0/16") && is_network("fd00::/48"));
        assert!(!is_network("10.20.0.0") && !is_network("10.20.0.0/33") && !is_network("x/8"));
    }
}
