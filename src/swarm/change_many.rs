//! Many nodes changed over one connection to one manager. For what needs no turn: availability and labels.

use std::collections::HashSet;

use rmachine_driver::MachineName;

use crate::model::Failure;
use crate::swarm::{Cluster, NodeChange, Swarm};

impl Swarm {
    /// What is so already is left alone. The first that cannot be changed ends it, by name.
    pub(crate) async fn change_many(
        &self,
        cluster: &Cluster,
        changes: &[(MachineName, NodeChange)],
    ) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut manager = self.manager(cluster).await?;
        let known: HashSet<String> = manager.nodes().await?.into_iter().map(|n| n.id).collect();
        for (name, change) in changes {
            let id = cluster.node_of(name);
            if !known.contains(id) {
                return Err(self.forgotten(name, &cluster.name));
            }
            let done = self.change_node(&mut manager, id, change).await;
            done.map_err(|e| e.prefix(&format!("{name}: ")))?;
        }
        Ok(())
    }
}
