//! Nodes provisioned, restarted or replaced one at a time. Stops at the first that fails, and whatever is still due stays
//! written in the machines, so that the next roll or `up` goes on with it.

use rmachine_driver::MachineName;

use crate::cluster::model::{Node, Wanted};
use crate::cluster::{Kit, Limits};
use crate::model::{Due, Failure};
use crate::swarm::{Making, Place, Rolling};

impl Kit<'_> {
    pub(crate) async fn roll(
        &self,
        wanted: &Wanted,
        due: &[(MachineName, Due)],
        limits: &Limits,
    ) -> Result<(), Failure> {
        for (name, what) in due {
            self.note_due(wanted.node(name), name, Some(*what)).await?;
        }
        let rolling = self.rolling(wanted, limits);
        let mut left = due.to_vec();
        while !left.is_empty() {
            let names: Vec<MachineName> = left.iter().map(|(name, _)| name.clone()).collect();
            let (name, what) = left.remove(rolling.next(&names).await?);
            let number = due.len() - left.len();
            (self.tell)(&format!("[{number}/{}] {}", due.len(), announced(&name, what)));
            let turn =
                rolling.lock_cluster(&name, what, async || self.work_on(wanted, &name, what).await).await;
            turn.map_err(|e| self.stopped(e, &name, left.len()))?;
            self.note_due(wanted.node(&name), &name, None).await?;
        }
        Ok(())
    }

    pub(super) fn rolling<'a>(&'a self, wanted: &'a Wanted, limits: &Limits) -> Rolling<'a> {
        let places = wanted.nodes.iter().map(|node| (node.name.clone(), place(node))).collect();
        Rolling { swarm: &self.swarm, cluster: &wanted.name, wait: limits.wait, places }
    }

    fn stopped(&self, failure: Failure, name: &MachineName, left: usize) -> Failure {
        let known = failure.message.contains(name.as_str());
        let failure = if known { failure } else { failure.prefix(&format!("{name}: ")) };
        failure.detail(format!("the roll stopped here, with {left} more nodes to go")).hint(format!(
            "`{0} cluster plan` shows what is left, `{0} cluster up` goes on",
            self.swarm.machines.program
        ))
    }

    async fn work_on(&self, wanted: &Wanted, name: &MachineName, due: Due) -> Result<(), Failure> {
        let swarm = &self.swarm;
        match (due, wanted.node(name)) {
            (Due::Restart, _) => swarm.machines.restart(swarm.machines.load(name)?).await,
            (_, None) => Ok(()),
            (Due::Provision, Some(node)) => {
                let amend = |machine: &mut _| (self.amend)(node, machine);
                swarm.machines.provision(swarm.machines.load(name)?, None, &amend).await
            }
            (Due::Rejoin, Some(node)) => self.rejoin(wanted, node).await,
            (Due::Replace, Some(node)) => {
                // What cannot be made is found out before anything is taken away.
                let plan = self.making(wanted, node)?;
                swarm.remove_among(name, false, &[]).await?;
                let made = swarm.create_nodes(vec![Making::Create(Box::new(plan))]).await;
                made.into_iter().collect()
            }
        }
    }

    /// To the swarm it is another node then.
    pub(super) async fn rejoin(&self, wanted: &Wanted, node: &Node) -> Result<(), Failure> {
        let settings = node.settings(&wanted.settings);
        self.swarm.rejoin(&node.name, node.role, &settings).await
    }
}

fn place(node: &Node) -> Place {
    Place { role: node.role, availability: node.availability, labels: node.labels.clone() }
}

fn announced(name: &MachineName, due: Due) -> String {
    match due {
        Due::Provision => format!("Provisioning {name}"),
        Due::Restart => format!("Restarting {name}"),
        Due::Rejoin => format!("Joining anew: {name}"),
        Due::Replace => format!("Replacing {name}"),
    }
}
