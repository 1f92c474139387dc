//! What a machine finds at its first start: its certificates and its engine's configuration, as provisioning would make
//! them. Provisioning looks at the host afterwards, and corrects what was not foreseen.

use async_trait::async_trait;
use rmachine_driver::{DriverError, DriverState, EngineUnit, FirstBoot, FirstFile};

use crate::certs::Server;
use crate::machines::{Machine, Machines};
use crate::model::Failure;
use crate::provision::{self, HostFile, UnitFile};

pub(crate) struct Furnishing {
    machines: Machines,
    machine: Machine,
}

impl Machines {
    pub(crate) fn first_boot(&self, machine: &Machine) -> Furnishing {
        Furnishing { machines: self.clone(), machine: machine.clone() }
    }
}

#[async_trait]
impl FirstBoot for Furnishing {
    async fn files(&self, state: &DriverState, unit: EngineUnit<'_>) -> Result<Vec<FirstFile>, DriverError> {
        let mut machine = self.machine.clone();
        machine.stored.config.driver = state.clone();
        let unit = UnitFile { path: unit.path.to_owned(), text: unit.text.to_owned() };
        let files = self.host_files(machine, unit).await.map_err(|e| DriverError::invalid(e.message))?;
        Ok(files.into_iter().map(first_file).collect())
    }
}

impl Furnishing {
    async fn host_files(&self, machine: Machine, unit: UnitFile) -> Result<Vec<HostFile>, Failure> {
        let tls = self.machines.server_tls_aside(&machine, Server::Kept).await?;
        let wanted = self.machines.wanted(&machine, tls)?;
        provision::first_files(unit, &wanted).map_err(|e| Failure::new(e.to_string()))
    }
}

fn first_file(file: HostFile) -> FirstFile {
    let mode = if file.name.is_secret() { 0o600 } else { 0o644 };
    FirstFile { path: file.name.path(), mode, content: file.content }
}
