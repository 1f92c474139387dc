//! The engines of all nodes are told what a stack needs of them, one node at a time: drained, configured, given tasks again.
//!
//! Managers come after workers, and the leader last. The first failure ends it, with the node active again as it was.

use std::time::{Duration, Instant};

use rmachine_driver::MachineName;
use serde_json::Value;

use super::{Ground, Request};
use crate::lifecycle::{Failure, Lifecycle, NodeChange};
use crate::stacks::{EngineWish, Surroundings};
use crate::store::{Availability, StoredMachine};

/// How long tasks may take to leave a node. Those that are bound to it stay, and end with their engine.
const EMPTY: Duration = Duration::from_secs(30);
/// How long a node may take to be one again.
const READY: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// A node whose engine is not as it should be.
struct Work {
    machine: MachineName,
    node: String,
    options: Vec<String>,
    availability: Availability,
}

/// What there is to say afterwards.
pub(super) async fn configure(
    lifecycle: &Lifecycle,
    ground: &mut Ground,
    request: &Request,
    around: &Surroundings,
) -> Result<Vec<String>, Failure> {
    if request.settings.engines != EngineWish::Set {
        return Ok(Vec::new());
    }
    let work = work(lifecycle, ground, request, around)?;
    let mut notes = Vec::new();
    let touched = work.len();
    for one in work {
        configure_one(lifecycle, ground, &one).await?;
        let kept = own_containers(lifecycle, &one.machine).await?;
        if kept > 0 {
            notes.push(format!(
                "{}: {kept} containers beside the swarm keep the log driver that they were made with",
                one.machine
            ));
        }
    }
    if touched > 0 {
        // A manager may have been among them, and its connection is gone.
        *ground = Ground::look(lifecycle, &ground.cluster.name).await?;
        notes.insert(
            0,
            format!("{touched} engines were configured; tasks of the swarm were moved, and began anew"),
        );
    }
    Ok(notes)
}

/// Workers first, then managers, the leader at the end.
fn work(
    lifecycle: &Lifecycle,
    ground: &Ground,
    request: &Request,
    around: &Surroundings,
) -> Result<Vec<Work>, Failure> {
    let mut nodes: Vec<_> = ground.machines().collect();
    nodes.sort_by_key(|(node, machine)| (node.is_leader(), node.manager.is_some(), (*machine).clone()));
    let mut work = Vec::new();
    for (node, machine) in nodes {
        let Some(this) = around.nodes.iter().find(|m| m.id == node.id) else { continue };
        let options = request.stack.engine_options(&request.name, &request.settings, around, this)?;
        let stored = lifecycle.load(machine)?.stored;
        if options.iter().all(|o| has(&stored, o)) {
            continue;
        }
        let availability = match node.availability() {
            "drain" => Availability::Drain,
            "pause" => Availability::Pause,
            _ => Availability::Active,
        };
        work.push(Work { machine: machine.clone(), node: node.id.clone(), options, availability });
    }
    Ok(work)
}

async fn configure_one(lifecycle: &Lifecycle, ground: &Ground, work: &Work) -> Result<(), Failure> {
    let (machine, several) = (&work.machine, ground.nodes.len() > 1);
    let moves = several && work.availability != Availability::Drain;
    if moves {
        lifecycle.reporter.step(machine, "Draining the node...");
        let drain = NodeChange::Availability(Availability::Drain);
        lifecycle.swarm_change(machine, &drain, false).await?;
        let left = lifecycle.swarm_await_empty(machine, EMPTY).await?;
        if left > 0 {
            lifecycle.reporter.warn(machine, &format!("{left} tasks did not leave the node, and are ended"));
        }
    }
    let amend = |machine: &mut StoredMachine| {
        work.options.iter().for_each(|option| tell(machine, option));
        Ok(())
    };
    let mut done = lifecycle.provision(lifecycle.load(machine)?, None, &amend).await;
    if done.is_ok() {
        done = until_ready(lifecycle, ground, &work.node).await;
    }
    if moves {
        let back = lifecycle.swarm_change(machine, &NodeChange::Availability(work.availability), false).await;
        done = done.and(back);
    }
    done.map_err(|e| e.prefix(&format!("{machine}: ")))
}

/// Single options are replaced; those that may be given several times, by their own key.
fn tell(machine: &mut StoredMachine, option: &str) {
    let flags = machine.config.host_options.engine.arbitrary_flags.get_or_insert_default();
    // The options of one log driver are refused by another.
    let replaced =
        |old: &str| key(old) == key(option) || (key(option) == "log-driver" && old.starts_with("log-opt="));
    flags.retain(|old| !replaced(old));
    flags.push(option.to_owned());
}

fn has(machine: &StoredMachine, option: &str) -> bool {
    let flags = machine.config.host_options.engine.arbitrary_flags.iter().flatten();
    flags.into_iter().any(|old| old == option)
}

/// `log-opt=tag=x` is about `log-opt=tag`.
fn key(option: &str) -> &str {
    let (name, rest) = option.split_once('=').unwrap_or((option, ""));
    if !name.ends_with("-opt") {
        return name;
    }
    rest.find('=').map_or(option, |end| &option[..name.len() + 1 + end])
}

async fn until_ready(lifecycle: &Lifecycle, ground: &Ground, node: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + READY;
    loop {
        let seen = match lifecycle.manager_engine(&ground.cluster.name).await {
            Ok(mut manager) => manager.client().node(node).await.map_err(Failure::from),
            Err(e) => Err(e),
        };
        match seen {
            Ok(node) if node.state() == "ready" => return Ok(()),
            _ if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            Ok(node) => {
                return Err(Failure::new(format!(
                    "the node is {} after its engine was configured",
                    node.state()
                )));
            }
            Err(e) => return Err(e),
        }
    }
}

/// Containers that the swarm does not renew.
async fn own_containers(lifecycle: &Lifecycle, machine: &MachineName) -> Result<usize, Failure> {
    let all: Vec<Value> = lifecycle.engine(machine).await?.client().get("/containers/json?all=true").await?;
    Ok(all.iter().filter(|c| c.pointer("/Labels/com.docker.swarm.task.id").is_none()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_about_their_key() {
        for (option, about) in [
            ("metrics-addr=10.0.0.5:9323", "metrics-addr"),
            ("log-driver=syslog", "log-driver"),
            ("log-opt=tag={{.Name}}", "log-opt=tag"),
            ("log-opt=syslog-address=udp://10.0.0.5:514", "log-opt=syslog-address"),
        ] {
            assert_eq!(key(option), about);
        }
    }
}
