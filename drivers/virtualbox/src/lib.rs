//! The driver `virtualbox`: a machine is a virtual machine that boots a current cloud image.
//!
//! Its provider is VBoxManage. What a machine must know on its first boot it reads from a disc; where it answers is known
//! before it does. Descriptions of machines carry the contract's tags, and the address that each has.

mod answer;
mod boot2docker;
mod cidr;
mod create;
mod explain;
mod files;
mod find;
mod image;
mod iso;
mod manage;
mod network;
mod options;
mod power;
mod records;
mod remove;
mod seed;
mod snapshot;
mod state;
mod vm;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use rmachine_driver::{
    BatchStates, CreateRequest, Description, Draft, DraftRequest, Driver, DriverError, DriverErrorKind,
    DriverState, ENGINE_PORT, Endpoint, Features, FirstHostKey, HostAddr, Keyring, Leftovers, Login,
    MachineHandle, MachineView, OptionSpec, Restart, Search, Snapshot, Snapshots, State, Tagged,
    TaggedResources,
};
use tokio::sync::OnceCell;

use crate::answer::Vm;
use crate::manage::{Manager, failed};
use crate::options::{LOGIN, Wanted};

type Version = (u32, u32, u32);

/// A cloud image's first boot with cloud-init, on a computer that is busy.
const BOOT: Duration = Duration::from_secs(300);
const OLDEST: Version = (6, 1, 0);

/// What the program knows of the surroundings; this crate reads no environment.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The PATH to look for VBoxManage on.
    pub path: Option<OsString>,
    /// What VirtualBox's own variables name as its folder.
    pub folders: Vec<PathBuf>,
    /// A folder for locks that all stores of this user share, since they share VirtualBox.
    pub locks: PathBuf,
}

#[derive(Debug, Default)]
pub struct Virtualbox {
    settings: Settings,
    manager: OnceCell<Manager>,
    version: OnceCell<Version>,
}

impl Virtualbox {
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    async fn manager(&self) -> Result<&Manager, DriverError> {
        self.manager.get_or_try_init(|| Manager::find(&self.settings)).await
    }

    /// Asked once a run.
    async fn version(&self) -> Result<Version, DriverError> {
        let asked = self.version.get_or_try_init(|| async {
            let said = self.manager().await?.run(&["--version"]).await?;
            let unknown = || failed(format!("VBoxManage's version is not to be made out: {:?}", said.trim()));
            answer::version(&said).ok_or_else(unknown)
        });
        asked.await.copied()
    }

    async fn vms(&self) -> Result<Vec<Vm>, DriverError> {
        Ok(answer::vms(&self.manager().await?.run(&["list", "--long", "vms"]).await?))
    }
}

#[async_trait]
impl Driver for Virtualbox {
    fn name(&self) -> &str {
        "virtualbox"
    }

    fn features(&self) -> Features {
        Features {
            host: true,
            ssh_config: false,
            boot: BOOT,
            restart: Restart::StopStart,
            login: Login::Generated,
            first_host_key: Some(FirstHostKey { user_data_url: None, opt_out_flag: None }),
            is_billed: false,
            is_local: true,
        }
    }

    fn options(&self) -> Vec<OptionSpec> {
        options::specs()
    }

    fn draft(&self, request: &DraftRequest<'_>) -> Result<Draft, DriverError> {
        let wanted = Wanted::from_options(request.options)?;
        options::host_name(request.name)?;
        let mut state = DriverState::base(request.name, request.store_path);
        state.set("SSHUser", LOGIN);
        wanted.keep(&mut state);
        Ok(Draft { state, ..Draft::default() })
    }

    async fn check(&self, machine: &MachineView<'_>) -> Result<(), DriverError> {
        let wanted = Wanted::kept(machine.state)?;
        let version = self.version().await?;
        if version < OLDEST {
            let (major, minor, _) = version;
            return Err(DriverError::unsupported(format!(
                "VirtualBox {major}.{minor} is too old: 6.1 is the oldest"
            )));
        }
        seed::own_user_data(&wanted)?;
        if wanted.boot2docker.is_none() {
            image::Image::of(&wanted)?;
        }
        if !wanted.no_check {
            self.check_processor().await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        machine: &mut MachineHandle<'_>,
        request: &CreateRequest<'_>,
    ) -> Result<(), DriverError> {
        let version = self.version().await?;
        create::create(machine, request, self.manager().await?, version).await
    }

    /// SSH goes through the NAT's port, as docker-machine had it; the engine answers on the machine's own address.
    fn describe(&self, state: &DriverState) -> Description {
        let port = |key: &str| u16::try_from(state.int(key)).ok().filter(|p| *p != 0);
        let text = |key: &str| Some(state.text(key).to_owned()).filter(|t| !t.is_empty());
        let address = HostAddr::parse(state.text("IPAddress")).ok();
        let engine_port = port("EnginePort").unwrap_or(ENGINE_PORT);
        let endpoint = || {
            Some(Endpoint {
                host: HostAddr::parse("127.0.0.1").ok()?,
                port: port("SSHPort")?,
                user: text("SSHUser").unwrap_or_else(|| LOGIN.to_owned()),
                key: text("SSHKeyPath").map(PathBuf::from),
                host_key: text("SSHHostKey"),
            })
        };
        Description {
            engine_url: address.as_ref().map(|a| format!("tcp://{}", a.with_port(engine_port))),
            endpoint: address.as_ref().and_then(|_| endpoint()),
            host_name: text("VMId").and_then(|_| text("MachineName")),
            address: address.map(|a| a.to_string()),
        }
    }

    async fn state(&self, machine: &MachineView<'_>) -> Result<State, DriverError> {
        let name = machine.name.as_str();
        if not_made(machine) {
            return Ok(State::None);
        }
        match vm::info(self.manager().await?, &id(name, machine.state)).await {
            Ok(info) => Ok(info.state()),
            Err(e) if e.is_missing() => Err(vm::missing(name)),
            Err(e) => Err(e.into()),
        }
    }

    async fn start(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        let id = id(machine.name.as_str(), machine.state);
        power::start(machine, self.manager().await?, &id).await
    }

    async fn stop(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        let id = id(machine.name.as_str(), machine.state);
        power::stop(machine, self.manager().await?, &id).await
    }

    async fn kill(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        let id = id(machine.name.as_str(), machine.state);
        power::kill(machine, self.manager().await?, &id).await
    }

    async fn remove(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        if not_made_here(machine) {
            return Ok(());
        }
        let manager = self.manager().await;
        let left = || Leftovers::Unknown(format!("VBoxManage showvminfo {:?}", machine.name.as_str()));
        remove::all(machine, manager.map_err(|e| e.left(left()))?).await
    }

    async fn available(&self, _search: Search) -> Option<String> {
        find::program(&self.settings)
            .map(|_| "VirtualBox is installed here, and no engine answers".to_owned())
    }

    fn batch_states(&self) -> Option<&dyn BatchStates> {
        Some(self)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        Some(self)
    }

    fn tagged_resources(&self) -> Option<&dyn TaggedResources> {
        Some(self)
    }
}

#[async_trait]
impl BatchStates for Virtualbox {
    async fn states(&self, machines: &[MachineView<'_>]) -> Vec<Result<State, DriverError>> {
        let vms = match self.vms().await {
            Ok(vms) => vms,
            Err(e) => return machines.iter().map(|_| Err(again(&e))).collect(),
        };
        machines.iter().map(|machine| state_among(machine, &vms)).collect()
    }
}

#[async_trait]
impl Snapshots for Virtualbox {
    async fn take_snapshot(
        &self,
        machine: &mut MachineHandle<'_>,
        name: &str,
    ) -> Result<Snapshot, DriverError> {
        let id = id(machine.name.as_str(), machine.state);
        snapshot::take(machine, self.manager().await?, &id, name).await
    }

    async fn list_snapshots(&self, machine: &MachineView<'_>) -> Result<Vec<Snapshot>, DriverError> {
        snapshot::list(self.manager().await?, &id(machine.name.as_str(), machine.state)).await
    }

    async fn restore_snapshot(&self, machine: &mut MachineHandle<'_>, name: &str) -> Result<(), DriverError> {
        let id = id(machine.name.as_str(), machine.state);
        snapshot::restore(machine, self.manager().await?, &id, name).await
    }

    async fn remove_snapshot(
        &self,
        machine: &mut MachineHandle<'_>,
        name: &str,
    ) -> Result<bool, DriverError> {
        snapshot::remove(self.manager().await?, &id(machine.name.as_str(), machine.state), name).await
    }
}

#[async_trait]
impl TaggedResources for Virtualbox {
    async fn list_tagged(&self, _keyring: &dyn Keyring) -> Result<Vec<Tagged>, DriverError> {
        // Where VirtualBox was never installed there is nothing, and nobody wants to read that it is missing.
        match self.vms().await {
            Err(e) if e.kind == DriverErrorKind::Missing => Ok(Vec::new()),
            vms => Ok(remove::tagged(&vms?)),
        }
    }

    async fn remove_tagged(&self, _keyring: &dyn Keyring, tagged: &[Tagged]) -> Result<(), DriverError> {
        remove::remove_tagged(self.manager().await?, tagged).await
    }
}

impl Virtualbox {
    /// Linux tells for nothing what VBoxManage takes a process for.
    async fn check_processor(&self) -> Result<(), DriverError> {
        let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        if flags.split_whitespace().any(|flag| matches!(flag, "vmx" | "svm")) {
            return Ok(());
        }
        let said = self.manager().await?.run(&["list", "hostinfo"]).await?;
        if answer::virtualisation(&said) != Some(false) {
            return Ok(());
        }
        // docker-machine's words.
        Err(DriverError::unsupported(
            "This computer doesn't have VT-X/AMD-v enabled. Enabling it in the BIOS is mandatory",
        )
        .hint("in a virtual machine, its host has to offer nested virtualisation")
        .hint("if VirtualBox runs machines here all the same: --virtualbox-no-vtx-check"))
    }
}

/// What VBoxManage calls it: by its uuid it is found even when it was renamed.
fn id(name: &str, state: &DriverState) -> String {
    let known = [state.text("VMId"), state.text("MachineName"), name];
    known.into_iter().find(|text| !text.is_empty()).unwrap_or(name).to_owned()
}

/// Nothing of it is known to be at VirtualBox.
fn not_made(machine: &MachineView<'_>) -> bool {
    machine.state.0.contains_key("Image") && machine.state.text("VMId").is_empty()
}

fn not_made_here(machine: &MachineHandle<'_>) -> bool {
    let state = &*machine.state;
    let is_ours = state.0.contains_key("Image");
    is_ours && state.text("VMId").is_empty() && machine.journal.records().is_empty()
}

fn state_among(machine: &MachineView<'_>, vms: &[Vm]) -> Result<State, DriverError> {
    if not_made(machine) {
        return Ok(State::None);
    }
    let name = machine.name.as_str();
    let id = id(name, machine.state);
    let found = vms.iter().find(|vm| vm.uuid.is_some_and(|u| u.to_string() == id) || vm.name == id);
    found.map(|vm| vm.state).ok_or_else(|| vm::missing(name))
}

/// One answer for many.
fn again(error: &DriverError) -> DriverError {
    DriverError { hints: error.hints.clone(), ..DriverError::new(error.kind, error.message.clone()) }
}

#[cfg(test)]
mod tests;
