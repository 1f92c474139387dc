//! What is deployed, and how it goes away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rmachine_driver::MachineName;
use serde::Serialize;

use crate::engine::{filters, with_query};
use crate::model::{ClusterName, Failure};
use crate::stacks::definition::{NAMESPACE, StackName};
use crate::stacks::deploy::apply::{docker, explained};
use crate::stacks::deploy::swarm_snapshot::services;
use crate::stacks::deploy::{Ground, Service, swarm_objects};
use crate::swarm::Swarm;

const PAUSE: Duration = Duration::from_millis(200);
/// The longest grace that services usually have, and some more.
const GONE: Duration = Duration::from_secs(60);

/// A stack on a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Deployed {
    pub(crate) name: String,
    /// What rmachine deployed it from; nothing when somebody else did.
    pub(crate) source: Option<String>,
    pub(crate) services: usize,
    pub(crate) running: u64,
    pub(crate) desired: u64,
}

pub(crate) async fn deployed(swarm: &Swarm, cluster: &ClusterName) -> Result<Vec<Deployed>, Failure> {
    let ground = Ground::look(swarm, cluster).await?;
    Ok(grouped(&ground.services))
}

fn grouped(services: &[Service]) -> Vec<Deployed> {
    let mut stacks: BTreeMap<&str, Deployed> = BTreeMap::new();
    for service in services {
        let Some(name) = service.stack() else { continue };
        let stack = stacks.entry(name).or_insert_with(|| Deployed {
            name: name.to_owned(),
            source: service.source().map(str::to_owned),
            services: 0,
            running: 0,
            desired: 0,
        });
        stack.services += 1;
        stack.running += service.running();
        stack.desired += service.desired();
    }
    stacks.into_values().collect()
}

/// What a removed stack leaves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Machines whose engines still have what it wanted of them, and those options.
    pub(crate) told: Vec<(MachineName, Vec<String>)>,
}

/// Its services, networks, configs and secrets, and what a deployment that was cut short left of it. Volumes stay on their
/// nodes.
pub(crate) async fn remove(swarm: &Swarm, cluster: &ClusterName, name: &StackName) -> Result<Gone, Failure> {
    let mut ground = Ground::look(swarm, cluster).await?;
    let stacks = grouped(&ground.services);
    let stack = stacks.iter().find(|s| s.name == name.as_str());
    if stack.is_none() && !swarm_objects::are_left(ground.manager.client(), name).await? {
        let names: Vec<_> = stacks.iter().map(|s| s.name.as_str()).collect();
        let failure = Failure::new(format!("there is no stack \"{name}\" on \"{cluster}\""));
        return Err(if names.is_empty() {
            failure
        } else {
            failure.hint(format!("there are: {}", names.join(", ")))
        });
    }
    if stack.is_some_and(|s| s.source.is_none()) {
        return Err(Failure::new(format!(
            "the stack \"{name}\" on \"{cluster}\" was not deployed by rmachine"
        ))
        .hint(format!("{} ssh {} docker stack rm {name}", swarm.machines.program, ground.manager.machine)));
    }
    let _turn = swarm.lock_cluster(cluster).await?;
    let manager = ground.manager.machine.clone();
    swarm.machines.reporter.step(&manager, &format!("Removing the stack {name}..."));
    let said = docker(swarm, &ground, &["stack", "rm", name.as_str()], "").await?;
    if !said.status.success() {
        return Err(explained(
            Failure::new(format!("the stack \"{name}\" was not removed completely")),
            &ground,
            &said,
        ));
    }
    let gone = until_gone(&mut ground, name).await;
    swarm.machines.reporter.finish(&manager, gone.is_ok());
    gone?;
    let told = swarm.forget_stack(cluster, name.as_str()).await?;
    Ok(Gone { told })
}

/// Its networks go after its tasks; until then the same stack cannot be deployed again.
async fn until_gone(ground: &mut Ground, name: &StackName) -> Result<(), Failure> {
    let label = format!("{NAMESPACE}={name}");
    let path = with_query("/networks", &[("filters", &filters(&[("label", &label)]))]);
    let deadline = Instant::now() + GONE;
    loop {
        let services = services(ground.manager.client(), Some(name)).await?;
        let networks: Vec<serde_json::Value> = ground.manager.client().get(&path).await?;
        if services.is_empty() && networks.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(format!(
                "the stack \"{name}\" is still there after {} s",
                GONE.as_secs()
            ))
            .hint("tasks may take their time to end; run it again"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
