//! Asks VirtualBox about one virtual machine.

use rmachine_driver::{DriverError, DriverErrorKind, MachineHandle};

use crate::answer::Info;
use crate::manage::{Manager, Refusal};

pub(crate) async fn info(manager: &Manager, id: &str) -> Result<Info, Refusal> {
    Ok(Info::read(&manager.run(&["showvminfo", id, "--machinereadable"]).await?))
}

/// A machine that was deleted in VirtualBox's own window.
pub(crate) fn gone(machine: &MachineHandle<'_>, refusal: &Refusal) -> DriverError {
    if refusal.is_missing() { missing(machine.name.as_str()) } else { refusal.clone().into() }
}

pub(crate) fn missing(name: &str) -> DriverError {
    DriverError::new(DriverErrorKind::Missing, format!("VirtualBox knows no machine of {name:?} any more"))
        .hint(format!("`rm {name}` forgets it here as well"))
}
