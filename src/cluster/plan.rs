//! What is wanted against what is there: the steps from the one to the other, each with its reason. Asks nobody.

use std::collections::BTreeMap;

use rmachine_driver::MachineName;
use serde::Serialize;

use crate::cluster::model::{Network, Node, Wanted};
use crate::model::{Availability, Declared, Due, Role, SwarmSettings};

/// How far a machine of the cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// Its making was cut short.
    Partly,
    Ready,
    /// It has a host, which is down.
    Stopped,
    /// Its removal was cut short.
    Removing,
}

/// A machine that belongs to the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: MachineName,
    pub(crate) role: Role,
    pub(crate) driver: String,
    pub(crate) made: Made,
    pub(crate) joined: bool,
    pub(crate) declared: Option<Declared>,
    /// What its engine was told and the file says otherwise.
    pub(crate) engine: Vec<String>,
    /// What it was told when it joined.
    pub(crate) told: SwarmSettings,
    /// As the swarm knows it; nothing where it does not, or cannot be asked.
    pub(crate) live: Option<Live>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) role: Role,
    pub(crate) leader: bool,
    pub(crate) ready: bool,
    pub(crate) availability: Availability,
    pub(crate) labels: BTreeMap<String, String>,
}

/// All that is there.
#[derive(Debug, Clone, Default)]
pub struct Present {
    pub(crate) nodes: Vec<Found>,
    /// Nothing as long as there is no swarm.
    pub(crate) swarm: Option<Swarm>,
    /// There is one, and nobody speaks for it until machines are started.
    pub(crate) silent: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Swarm {
    pub(crate) autolock: bool,
    /// Where its networks are cut from; nothing where its engine does not tell.
    pub(crate) pools: Vec<String>,
    /// Those of the cluster's file.
    pub(crate) networks: Vec<Network>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Add,
    Change,
    Replace,
    Remove,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    Create,
    /// Its making, or its way into the swarm, is finished.
    Finish,
    /// What a cut-short removal left goes, then it is made.
    CreateAgain,
    /// The swarm has forgotten it.
    Rejoin,
    Start,
    Due(Due),
    Promote,
    Demote,
    Availability(Availability),
    Labels {
        set: Vec<(String, String)>,
        unset: Vec<String>,
    },
    Remove,
    Network(Network),
    ReplaceNetwork(Network),
    RemoveNetwork(String),
    Autolock(bool),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Machine(MachineName, Role),
    Network(String),
    Swarm,
    /// Of the file; whoever deploys stacks says what there is to do.
    Stack(String),
}

/// What is done to one machine, network or swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub(crate) action: Action,
    pub(crate) subject: Subject,
    pub(crate) work: Vec<Work>,
    pub(crate) reasons: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// What the file wants otherwise and no living swarm can be given.
    pub(crate) fixed: Vec<Fixed>,
    /// Worth knowing, nothing to do.
    pub(crate) notes: Vec<String>,
}

/// A setting that a swarm has for as long as it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fixed {
    pub(crate) setting: String,
    pub(crate) is: String,
    pub(crate) wanted: String,
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|s| s.action == action).count()
    }

    /// Whether something would be lost that cannot be had back.
    pub(crate) fn destroys(&self) -> bool {
        self.steps.iter().any(|s| matches!(s.action, Action::Replace | Action::Remove))
    }

    /// Adds what else there is to do, in its place.
    pub(crate) fn extend(&mut self, steps: Vec<Step>) {
        self.steps.extend(steps);
        self.steps.sort_by_key(|s| s.action);
    }

    pub(crate) fn work(&self) -> impl Iterator<Item = (Option<&MachineName>, &Work)> {
        self.steps.iter().flat_map(|s| s.work.iter().map(|w| (s.machine(), w)))
    }
}

impl Step {
    pub(crate) fn machine(&self) -> Option<&MachineName> {
        match &self.subject {
            Subject::Machine(name, _) => Some(name),
            _ => None,
        }
    }
}

/// In the order in which it is done: machines are added before any goes, so that the majority stays.
pub fn plan(wanted: &Wanted, present: &Present) -> Plan {
    let mut plan = Plan::default();
    for node in &wanted.nodes {
        let found = present.nodes.iter().find(|f| f.name == node.name);
        plan.steps.extend(match found {
            None => Some(adding(node, Work::Create, format!("in the group {:?}", node.group))),
            Some(found) => existing(wanted, node, found, present, &mut plan.notes),
        });
    }
    if let Some(swarm) = &present.swarm {
        plan.steps.extend(autolock(wanted, swarm));
        plan.fixed.extend(pools(wanted, swarm));
    }
    for found in present.nodes.iter().filter(|f| wanted.node(&f.name).is_none()) {
        plan.steps.push(removing(found));
    }
    if present.silent {
        plan.notes.push(
            "its managers are down: once they are started they say what else there is to do".to_owned(),
        );
    } else {
        let nothing = Swarm::default();
        networks(wanted, present.swarm.as_ref().unwrap_or(&nothing), &mut plan.steps);
    }
    // As long as nothing else decides, the order is that of the file.
    plan.steps.sort_by_key(|s| s.action);
    plan
}

fn adding(node: &Node, work: Work, reason: String) -> Step {
    Step {
        action: Action::Add,
        subject: Subject::Machine(node.name.clone(), node.role),
        work: vec![work],
        reasons: vec![reason],
    }
}

fn removing(found: &Found) -> Step {
    Step {
        action: Action::Remove,
        subject: Subject::Machine(found.name.clone(), found.role),
        work: vec![Work::Remove],
        reasons: vec!["it is not in the file".to_owned()],
    }
}

fn existing(
    wanted: &Wanted,
    node: &Node,
    found: &Found,
    present: &Present,
    notes: &mut Vec<String>,
) -> Option<Step> {
    match found.made {
        Made::Removing => {
            return Some(adding(node, Work::CreateAgain, "its removal was not finished".to_owned()));
        }
        Made::Partly => {
            return Some(adding(node, Work::Finish, "its making was not finished".to_owned()));
        }
        Made::Ready | Made::Stopped => {}
    }
    let replacing = replacement(node, found);
    if !replacing.is_empty() {
        return Some(Step {
            action: Action::Replace,
            subject: Subject::Machine(node.name.clone(), node.role),
            work: vec![Work::Due(Due::Replace)],
            reasons: replacing,
        });
    }
    if !found.joined && found.made == Made::Ready {
        return Some(adding(node, Work::Finish, "it has not joined the swarm".to_owned()));
    }
    let (mut work, mut reasons) = (Vec::new(), Vec::new());
    changes(node, found, present, &mut work, &mut reasons);
    let due = found.declared.as_ref().and_then(|d| d.due);
    let addresses = addresses(&wanted.settings, &found.told);
    if found.live.is_some() && due != Some(Due::Rejoin) && !addresses.is_empty() {
        work.push(Work::Due(Due::Rejoin));
        reasons.push(format!("{}, for which it joins anew", addresses.join(", ")));
    }
    let live = found.live.as_ref();
    if live.is_some_and(|l| !l.ready) && found.made == Made::Ready {
        notes.push(format!("{} runs, and the swarm says that it is down", node.name));
    }
    let subject = Subject::Machine(node.name.clone(), node.role);
    (!work.is_empty()).then_some(Step { action: Action::Change, subject, work, reasons })
}

/// What only a new machine can have.
fn replacement(node: &Node, found: &Found) -> Vec<String> {
    if node.driver != found.driver {
        return vec![format!("driver: {} -> {}", found.driver, node.driver)];
    }
    let Some(declared) = &found.declared else { return Vec::new() };
    let mut reasons = differences(&declared.options, &node.asked());
    if declared.due == Some(Due::Replace) {
        reasons.push("a roll that replaces it is not finished".to_owned());
    }
    reasons
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let told = |value: Option<&String>| value.map_or_else(|| "(none)".to_owned(), |v| format!("{v:?}"));
    let differing = names.into_iter().filter(|n| before.get(*n) != after.get(*n));
    differing.map(|n| format!("{n}: {} -> {}", told(before.get(n)), told(after.get(n)))).collect()
}

fn changes(node: &Node, found: &Found, present: &Present, work: &mut Vec<Work>, reasons: &mut Vec<String>) {
    let mut to_do = |one: Work, reason: String| {
        work.push(one);
        reasons.push(reason);
    };
    if found.made == Made::Stopped {
        to_do(Work::Start, "it is stopped".to_owned());
    }
    if found.joined && found.live.is_none() && present.swarm.is_some() {
        to_do(Work::Rejoin, "the swarm does not know it any more".to_owned());
    } else if let Some(role) = other_role(node, found) {
        let how = if node.role == Role::Manager { Work::Promote } else { Work::Demote };
        to_do(how, format!("role: {role} -> {}", node.role));
    }
    if let Some(due) = found.declared.as_ref().and_then(|d| d.due) {
        to_do(Work::Due(due), "a roll over it is not finished".to_owned());
    } else if !found.engine.is_empty() {
        to_do(Work::Due(Due::Provision), format!("engine: {}", found.engine.join("; ")));
    }
    let Some(live) = &found.live else { return };
    if live.availability != node.availability {
        let (is, wants) = (live.availability.as_str(), node.availability.as_str());
        to_do(Work::Availability(node.availability), format!("availability: {is} -> {wants}"));
    }
    if let Some((labels, reason)) = labels(node, found.declared.as_ref(), &live.labels) {
        to_do(labels, reason);
    }
}

/// By the swarm, or by the record: a change that was cut short leaves the two apart.
fn other_role(node: &Node, found: &Found) -> Option<Role> {
    let live = found.live.as_ref().map(|l| l.role);
    live.into_iter().chain([found.role]).find(|role| *role != node.role)
}

/// Labels that the file has set once and has no longer are taken back; those of others stay.
fn labels(
    node: &Node,
    declared: Option<&Declared>,
    live: &BTreeMap<String, String>,
) -> Option<(Work, String)> {
    let set: Vec<(String, String)> = node
        .labels
        .iter()
        .filter(|(k, v)| live.get(*k) != Some(v))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let ours = declared.map(|d| d.labels.as_slice()).unwrap_or_default();
    let gone = ours.iter().filter(|k| !node.labels.contains_key(*k) && live.contains_key(*k));
    let unset: Vec<String> = gone.cloned().collect();
    if set.is_empty() && unset.is_empty() {
        return None;
    }
    let said = set.iter().map(|(k, v)| format!("+{k}={v}")).chain(unset.iter().map(|k| format!("-{k}")));
    let reason = format!("labels: {}", said.collect::<Vec<_>>().join(" "));
    Some((Work::Labels { set, unset }, reason))
}

/// A node keeps the addresses that it joined with.
fn addresses(wanted: &SwarmSettings, told: &SwarmSettings) -> Vec<String> {
    let pairs = [
        ("advertise-addr", &told.advertise, &wanted.advertise),
        ("data-path-addr", &told.data_path, &wanted.data_path),
        ("listen-addr", &told.listen, &wanted.listen),
    ];
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(chosen)".to_owned());
    let differing = pairs.into_iter().filter(|(_, is, wants)| is != wants);
    differing.map(|(name, is, wants)| format!("{name}: {} -> {}", shown(is), shown(wants))).collect()
}

fn pools(wanted: &Wanted, swarm: &Swarm) -> Option<Fixed> {
    /// Of a swarm that was told nothing.
    const USUAL: &str = "10.0.0.0/8";
    let mut wants = wanted.settings.address_pools.clone();
    if wants.is_empty() {
        wants.push(USUAL.to_owned());
    }
    let differs = !swarm.pools.is_empty() && swarm.pools != wants;
    differs.then(|| Fixed {
        setting: "default-addr-pool".to_owned(),
        is: swarm.pools.join(", "),
        wanted: wants.join(", "),
        reason: "a swarm keeps the pools that it was started with".to_owned(),
        remedy: "give the networks a `subnet` of their own; other pools need another swarm, by `cluster down` and \
                 `cluster up`, which ends everything that runs on this one"
            .to_owned(),
    })
}

fn autolock(wanted: &Wanted, swarm: &Swarm) -> Option<Step> {
    let on = wanted.settings.autolock;
    (on != swarm.autolock).then(|| Step {
        action: Action::Change,
        subject: Subject::Swarm,
        work: vec![Work::Autolock(on)],
        reasons: vec![format!("autolock: {} -> {on}", swarm.autolock)],
    })
}

fn networks(wanted: &Wanted, swarm: &Swarm, steps: &mut Vec<Step>) {
    let step = |action, name: &str, work, reason: &str| Step {
        action,
        subject: Subject::Network(name.to_owned()),
        work: vec![work],
        reasons: vec![reason.to_owned()],
    };
    for network in &wanted.networks {
        match swarm.networks.iter().find(|n| n.name == network.name) {
            None => {
                steps.push(step(Action::Add, &network.name, Work::Network(network.clone()), "in the file"));
            }
            Some(there) if there != network => {
                let reason = "a network cannot be changed, and this one is to be another";
                let work = Work::ReplaceNetwork(network.clone());
                steps.push(step(Action::Replace, &network.name, work, reason));
            }
            Some(_) => {}
        }
    }
    for there in swarm.networks.iter().filter(|n| wanted.networks.iter().all(|w| w.name != n.name)) {
        let work = Work::RemoveNetwork(there.name.clone());
        steps.push(step(Action::Remove, &there.name, work, "it is not in the file"));
    }
}

/// The managers as they are now.
#[cfg(test)]
pub(crate) fn quorum(present: &Present) -> crate::swarm::rules::Quorum {
    let managers = present.nodes.iter().filter(|f| f.joined && f.role == Role::Manager);
    let ready = managers.clone().filter(|f| f.live.as_ref().is_some_and(|l| l.ready));
    crate::swarm::rules::Quorum::new(managers.count(), ready.count())
}
