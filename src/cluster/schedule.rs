//! A plan in the order in which it is carried out.

use rmachine_driver::MachineName;

use crate::cluster::model::{Network, Node, Wanted};
use crate::cluster::plan::{Plan, Work};
use crate::model::Due;
use crate::swarm::NodeChange;

/// The work of a plan by kind. The fields are in the order of execution: machines are added before any is removed, so that
/// the managers keep their majority.
#[derive(Debug, Default)]
pub(super) struct Schedule<'a> {
    pub(super) starts: Vec<MachineName>,
    /// Machines whose removal did not finish, to be removed before they are created again.
    pub(super) half_removed: Vec<MachineName>,
    pub(super) creates: Vec<MachineName>,
    pub(super) rejoins: Vec<MachineName>,
    pub(super) settings: Vec<Setting<'a>>,
    pub(super) node_changes: Vec<(MachineName, NodeChange)>,
    /// Nodes whose labels are among the changes.
    pub(super) labelled: Vec<&'a Node>,
    pub(super) rolls: Vec<(MachineName, Due)>,
    pub(super) demotes: Vec<MachineName>,
    pub(super) removes: Vec<MachineName>,
    pub(super) network_removals: Vec<&'a str>,
}

/// Changes that restart nothing, in the order of the plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Setting<'a> {
    CreateNetwork(&'a Network),
    ReplaceNetwork(&'a Network),
    Promote(MachineName),
    Autolock(bool),
}

impl<'a> Schedule<'a> {
    pub(super) fn of(plan: &'a Plan, wanted: &'a Wanted) -> Self {
        let mut schedule = Self::default();
        for (machine, work) in plan.work() {
            schedule.add(machine, work, wanted);
        }
        schedule
    }

    fn add(&mut self, machine: Option<&MachineName>, work: &'a Work, wanted: &'a Wanted) {
        match work {
            Work::Start => self.starts.extend(machine.cloned()),
            Work::Create | Work::Finish => {
                self.creates.extend(machine.cloned());
                self.label_new(machine, wanted);
            }
            Work::CreateAgain => {
                self.half_removed.extend(machine.cloned());
                self.creates.extend(machine.cloned());
                self.label_new(machine, wanted);
            }
            Work::Rejoin => {
                self.rejoins.extend(machine.cloned());
                self.label_new(machine, wanted);
            }
            Work::Network(network) => self.settings.push(Setting::CreateNetwork(network)),
            Work::ReplaceNetwork(network) => self.settings.push(Setting::ReplaceNetwork(network)),
            Work::Promote => self.settings.extend(machine.cloned().map(Setting::Promote)),
            Work::Autolock(on) => self.settings.push(Setting::Autolock(*on)),
            Work::Availability(availability) => {
                let change = NodeChange::Availability(*availability);
                self.node_changes.extend(machine.cloned().map(|name| (name, change)));
            }
            Work::Labels { set, unset } => self.label(machine, wanted, set.clone(), unset.clone()),
            Work::Due(due) => self.rolls.extend(machine.cloned().map(|name| (name, *due))),
            Work::Demote => self.demotes.extend(machine.cloned()),
            Work::Remove => self.removes.extend(machine.cloned()),
            Work::RemoveNetwork(name) => self.network_removals.push(name),
        }
    }

    /// A node joins without labels.
    fn label_new(&mut self, machine: Option<&MachineName>, wanted: &'a Wanted) {
        let node = machine.and_then(|name| wanted.node(name)).filter(|node| !node.labels.is_empty());
        let Some(node) = node else { return };
        self.label(machine, wanted, node.labels.clone().into_iter().collect(), Vec::new());
    }

    fn label(
        &mut self,
        machine: Option<&MachineName>,
        wanted: &'a Wanted,
        set: Vec<(String, String)>,
        unset: Vec<String>,
    ) {
        let Some(node) = machine.and_then(|name| wanted.node(name)) else { return };
        self.node_changes.push((node.name.clone(), NodeChange::Labels { set, unset }));
        self.labelled.push(node);
    }
}
