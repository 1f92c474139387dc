//! Removes machines: a node leaves its swarm first.

use rmachine_driver::MachineName;

use crate::model::Failure;
use crate::swarm::Swarm;

impl Swarm {
    /// Removes a machine. `force` removes it from the store even when its provider cannot be asked.
    pub(crate) async fn remove(&self, name: &MachineName, force: bool) -> Result<(), Failure> {
        self.remove_among(name, force, &[]).await
    }

    /// Removes a machine while the machines in `going` are removed too: a swarm that goes as a whole needs no demotions.
    pub(crate) async fn remove_among(
        &self,
        name: &MachineName,
        force: bool,
        going: &[MachineName],
    ) -> Result<(), Failure> {
        let leave =
            async |lock: &_, machine: &mut _| self.leave_before_removal(lock, machine, going, force).await;
        self.machines.remove_after(name, force, leave).await
    }
}
