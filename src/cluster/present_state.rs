//! What is there: the store says which machines belong to the cluster, a manager what is true of the nodes, and drivers are
//! asked only for machines that the swarm misses.

use futures_util::future::join_all;
use rmachine_driver::{Login, MachineName, Phase, State};
use serde_json::Value;

use crate::cluster::model::{Node, Wanted};
use crate::cluster::plan::{Found, Live, Made, Present, Swarm};
use crate::cluster::{Kit, network};
use crate::engine::swarm::Node as SwarmNode;
use crate::machines::Machine;
use crate::model::{Availability, Failure, Membership, Role};
use crate::store::StoredMachine;
use crate::swarm::Cluster;

/// What a manager said.
struct Said {
    nodes: Vec<SwarmNode>,
    swarm: Swarm,
}

impl Kit<'_> {
    /// Changes nothing. A machine that bears a wanted name and belongs elsewhere is refused.
    pub async fn look(&self, wanted: &Wanted) -> Result<Present, Failure> {
        let cluster = self.swarm.members(&wanted.name)?;
        self.refuse_strangers(wanted, &cluster)?;
        let said = self.ask(wanted, &cluster).await;
        let known = said.as_ref().ok().and_then(Option::as_ref);
        let found =
            join_all(cluster.members.iter().map(|m| self.found(wanted, &m.machine, &m.membership, known)));
        let nodes = found.await.into_iter().collect::<Result<Vec<_>, _>>()?;
        match said {
            Ok(said) => Ok(Present { nodes, swarm: said.map(|s| s.swarm), silent: false }),
            // Its managers may only be down: they are started, and then asked again.
            Err(_) if nodes.iter().any(|n| n.made == Made::Stopped) => {
                Ok(Present { nodes, swarm: None, silent: true })
            }
            Err(failure) => Err(failure),
        }
    }

    fn refuse_strangers(&self, wanted: &Wanted, cluster: &Cluster) -> Result<(), Failure> {
        let swarm = &self.swarm;
        let stranger = |n: &&Node| swarm.machines.store.exists(&n.name) && cluster.member(&n.name).is_none();
        let Some(node) = wanted.nodes.iter().find(stranger) else { return Ok(()) };
        let (name, program) = (&node.name, &swarm.machines.program);
        let whose = match swarm.membership(name)? {
            Some(member) => format!("the swarm {}", member.cluster),
            None => "no swarm".to_owned(),
        };
        Err(Failure::new(format!("Docker machine \"{name}\" exists already, and belongs to {whose}")).hint(format!(
            "`{program} swarm join {name} --cluster {}` makes it a part of this one; or give the cluster or the group \
             another name",
            wanted.name
        )))
    }

    /// Nothing as long as no manager has joined.
    async fn ask(&self, wanted: &Wanted, cluster: &Cluster) -> Result<Option<Said>, Failure> {
        if cluster.joined(Role::Manager).next().is_none() {
            return Ok(None);
        }
        let mut engine = self.swarm.manager_engine(&cluster.name).await?;
        let client = engine.client();
        let nodes = client.nodes().await?;
        let spec = client.swarm().await?;
        let networks = client.labelled_networks(&network::label(&wanted.name)).await?;
        let networks = networks.iter().map(network::read).collect();
        Ok(Some(Said { nodes, swarm: Swarm { autolock: spec.autolock, pools: spec.pools, networks } }))
    }

    async fn found(
        &self,
        wanted: &Wanted,
        name: &MachineName,
        member: &Membership,
        said: Option<&Said>,
    ) -> Result<Found, Failure> {
        let machine = self.swarm.machines.load(name)?;
        let live = said.and_then(|s| s.nodes.iter().find(|n| Some(&n.id) == member.node.as_ref())).map(live);
        let engine = wanted.node(name).map(|n| self.differences(n, &machine.stored)).transpose()?;
        Ok(Found {
            name: name.clone(),
            role: member.role,
            driver: machine.stored.config.driver_name.clone(),
            made: self.made(&machine, live.as_ref()).await,
            joined: member.has_joined(),
            declared: machine.stored.own.declared.clone(),
            engine: engine.unwrap_or_default(),
            told: member.settings.clone(),
            live,
        })
    }

    async fn made(&self, machine: &Machine, live: Option<&Live>) -> Made {
        match machine.stored.own.phase {
            Phase::Ready => {}
            Phase::Removing => return Made::Removing,
            _ => return Made::Partly,
        }
        let ours = machine.driver.as_ref().is_some_and(|d| d.features().login == Login::Generated);
        if !ours || live.is_some_and(|l| l.ready) {
            return Made::Ready;
        }
        match self.swarm.machines.state(machine).await {
            Ok(State::Stopped) => Made::Stopped,
            _ => Made::Ready,
        }
    }

    /// What a provisioning would be told that the last one was not.
    fn differences(&self, node: &Node, stored: &StoredMachine) -> Result<Vec<String>, Failure> {
        let mut amended = stored.clone();
        (self.amend)(node, &mut amended)?;
        let mut told = told(stored, &amended);
        let version = |m: &StoredMachine| m.own.engine_version.clone().unwrap_or_else(|| "(any)".to_owned());
        if version(stored) != version(&amended) {
            told.push(format!("version: {} -> {}", version(stored), version(&amended)));
        }
        Ok(told)
    }
}

fn live(node: &SwarmNode) -> Live {
    Live {
        role: if node.role() == Role::Manager.as_str() { Role::Manager } else { Role::Worker },
        leader: node.is_leader(),
        ready: node.state() == "ready",
        availability: Availability::read(node.availability()),
        labels: node.labels().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
    }
}

/// How an engine was installed is past, and no reason to touch it.
fn told(before: &StoredMachine, after: &StoredMachine) -> Vec<String> {
    const NAMES: [(&str, &str); 6] = [
        ("ArbitraryFlags", "opt"),
        ("Labels", "label"),
        ("InsecureRegistry", "insecure-registry"),
        ("RegistryMirror", "registry-mirror"),
        ("StorageDriver", "storage-driver"),
        ("Env", "env"),
    ];
    let engine = |m: &StoredMachine| serde_json::to_value(&m.config.host_options.engine).unwrap_or_default();
    let (before_engine, after_engine) = (engine(before), engine(after));
    let differing = NAMES.iter().filter(|(key, _)| before_engine[*key] != after_engine[*key]);
    let mut told: Vec<String> = differing
        .map(|(key, name)| match *name {
            // A proxy's address may hold a password.
            "env" => "env is another".to_owned(),
            name => format!("{name}: {} -> {}", shown(&before_engine[*key]), shown(&after_engine[*key])),
        })
        .collect();
    let names = |m: &StoredMachine| m.config.host_options.auth.server_cert_sans.clone().unwrap_or_default();
    if names(before) != names(after) {
        told.push(format!("tls-san: {} -> {}", names(before).join(" "), names(after).join(" ")));
    }
    told
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(list) if list.is_empty() => "(none)".to_owned(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Value::String(text) if text.is_empty() => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        _ => "(none)".to_owned(),
    }
}
