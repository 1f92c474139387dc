//! Everything that was made for a cluster, gone.

use futures_util::future::join_all;
use rmachine_driver::{Login, MachineName};

use crate::cluster::apply::{Failures, all_well};
use crate::machines::Machine;
use crate::model::{ClusterName, Failure, Role};
use crate::swarm::{Member, Swarm};

/// The machines that belong to a cluster, as the store knows them.
pub(crate) fn members(swarm: &Swarm, cluster: &ClusterName) -> Result<Vec<MachineName>, Failure> {
    Ok(swarm.members(cluster)?.members.into_iter().map(|m| m.machine).collect())
}

/// Removes the workers and then the managers, each role in parallel; no node has to leave a swarm that is removed as a
/// whole. The managers stay while a worker cannot be removed. Hosts that rmachine did not create leave the swarm first.
pub(crate) async fn down(swarm: &Swarm, cluster: &ClusterName, force: bool) -> Result<(), Failures> {
    let found = swarm.members(cluster).map_err(|e| vec![e])?;
    if !force {
        require_readable(swarm, &found.members).map_err(|e| vec![e])?;
    }
    for role in [Role::Worker, Role::Manager] {
        let outliving = outliving(swarm, found.joined(role));
        let left = join_all(outliving.iter().map(|n| swarm.leave(n, true))).await;
        if !force {
            all_well(&outliving, left)?;
        }
    }
    let all: Vec<MachineName> = found.members.iter().map(|m| m.machine.clone()).collect();
    for role in [Role::Worker, Role::Manager] {
        let of_role = found.members.iter().filter(|m| m.membership.role == role);
        let machines: Vec<MachineName> = of_role.map(|m| m.machine.clone()).collect();
        let removed = join_all(machines.iter().map(|name| swarm.remove_among(name, force, &all))).await;
        all_well(&machines, removed)?;
    }
    Ok(())
}

fn outlives(machine: &Machine) -> bool {
    machine.driver.as_ref().is_some_and(|d| d.features().login == Login::Given)
}

/// Fails before anything is removed when the files of one machine cannot be read.
fn require_readable(swarm: &Swarm, members: &[Member]) -> Result<(), Failure> {
    members.iter().try_for_each(|member| swarm.machines.load(&member.machine).map(drop))
}

/// The hosts that stay after their machine is removed. With `--force`, a machine that cannot be read is not among them.
fn outliving<'a>(swarm: &Swarm, members: impl Iterator<Item = &'a Member>) -> Vec<MachineName> {
    let stays = |member: &&Member| swarm.machines.load(&member.machine).is_ok_and(|m| outlives(&m));
    members.filter(stays).map(|member| member.machine.clone()).collect()
}
