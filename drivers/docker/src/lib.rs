//! The driver `docker`: a machine is a container that runs systemd, sshd and an engine of its own.
//!
//! Its provider is an engine, spoken to over its API: no docker CLI is needed. Everything that it makes there bears
//! labels (`rmachine.store`, `rmachine.machine`, `rmachine.uuid`), by which it is found again when an answer was lost.

mod archive;
mod body;
mod create;
mod engine;
#[cfg(test)]
mod fake_engine;
mod furnish;
mod hostkey;
mod image;
#[cfg(test)]
mod lock_tests;
mod network;
mod options;
mod reach;
mod records;
mod remove;
mod subnet;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use rmachine_driver::{
    CreateRequest, Description, Draft, DraftRequest, Driver, DriverError, DriverErrorKind, DriverState,
    ENGINE_PORT, Features, Images, Keyring, Login, MachineHandle, MachineView, NodeImage, OptionSpec,
    Options, Progress, Restart, Search, State, Tagged, TaggedResources,
};
pub use rmachine_engine_api::HostSettings;
use rmachine_engine_api::{EngineHost, context};

use crate::engine::{Container, Engine, Info, Known, PATIENCE, UUID};
use crate::options::Wanted;

/// A container is there at once; its systemd needs a few seconds, on a busy computer more.
const BOOT: Duration = Duration::from_secs(90);
/// An engine that is there says so by then, however busy; nobody waits longer to hear that it hangs.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a machine gets to go down by itself.
const STOP: u64 = 30;
/// Engines before 20.10 cannot give a container a cgroup namespace of its own.
const OLDEST_API: (u32, u32) = (1, 41);

/// What the program knows of the surroundings; this crate reads no environment.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub host: HostSettings,
    /// A folder for locks that all stores of this user share, since they share the engine.
    pub locks: PathBuf,
}

#[derive(Debug, Clone, Default)]
pub struct Docker {
    settings: Settings,
    known: Known,
}

impl Docker {
    pub fn new(settings: Settings) -> Self {
        Self { settings, known: Known::default() }
    }

    fn host(&self) -> Result<EngineHost, DriverError> {
        EngineHost::parse(&self.settings.host).map_err(|e| DriverError::invalid(e.to_string()).caused_by(e))
    }

    async fn engine(&self) -> Result<Engine, DriverError> {
        Engine::at(self.host()?, PATIENCE).await
    }
}

#[async_trait]
impl Driver for Docker {
    fn name(&self) -> &str {
        "docker"
    }

    fn features(&self) -> Features {
        Features {
            host: true,
            ssh_config: false,
            boot: BOOT,
            restart: Restart::StopStart,
            login: Login::Generated,
            first_host_key: None,
            is_billed: false,
            is_local: true,
        }
    }

    fn options(&self) -> Vec<OptionSpec> {
        options::specs()
    }

    fn draft(&self, request: &DraftRequest<'_>) -> Result<Draft, DriverError> {
        let wanted = Wanted::from_options(request.name, request.options)?;
        let host = self.host()?;
        let mut state = DriverState::base(request.name, request.store_path);
        state.set("SSHUser", "root");
        state.set("SSHPort", 22);
        state.set("EngineHost", host.to_string());
        if let EngineHost::Tcp { certs: Some(certs), .. } = &host {
            state.set("EngineCertPath", certs.to_string_lossy().as_ref());
        }
        wanted.keep(&mut state);
        Ok(Draft { state, ..Draft::default() })
    }

    async fn check(&self, machine: &MachineView<'_>) -> Result<(), DriverError> {
        let mut engine = Engine::of_within(machine.state, ANSWER).await?.sharing(&self.known);
        check_version(&engine.client.api_version().await.map_err(engine::refused)?)?;
        let (info, wanted) = (engine.info().await?, Wanted::kept(machine.state));
        check_kind(&info)?;
        check_limits(&info, &wanted)?;
        if let Some(image) = &wanted.image
            && engine.image_id(image).await?.is_none()
        {
            return Err(create::no_such_image(image));
        }
        match engine.inspect(machine.name.as_str()).await? {
            Some(other) if !is_of(&other, machine) => Err(create::foreign(machine.name.as_str(), &other)),
            _ => Ok(()),
        }
    }

    async fn create(
        &self,
        machine: &mut MachineHandle<'_>,
        request: &CreateRequest<'_>,
    ) -> Result<(), DriverError> {
        let engine = Engine::of(machine.state).await?.sharing(&self.known);
        create::create(machine, engine, request, &self.settings.locks).await
    }

    fn describe(&self, state: &DriverState) -> Description {
        let port = u16::try_from(state.int("EnginePort")).ok().filter(|p| *p != 0).unwrap_or(ENGINE_PORT);
        let mut description = Description::from_state(state, port);
        let key = Some(state.text("SSHHostKey").to_owned()).filter(|k| !k.is_empty());
        description.host_name = Some(state.text("Hostname").to_owned()).filter(|name| !name.is_empty());
        if let Some(endpoint) = &mut description.endpoint {
            endpoint.host_key = key;
        }
        description
    }

    async fn state(&self, machine: &MachineView<'_>) -> Result<State, DriverError> {
        let id = machine.state.text("ContainerId");
        if id.is_empty() {
            return Ok(State::None);
        }
        let mut engine = Engine::of(machine.state).await?;
        let container = engine.inspect(id).await?.ok_or_else(|| vanished(machine.name.as_str(), id))?;
        Ok(state_of(&container.state.status))
    }

    async fn start(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        let (mut engine, id) = at(machine).await?;
        if let Some(container) = engine.inspect(&id).await? {
            let text = |key| machine.state.text(key);
            let (network, range, store) = (text("Network"), text("Subnet"), text("StorePath"));
            network::rejoin(&mut engine, &container, network, range, store).await?;
        }
        engine.start(&id).await.map_err(engine::refused)?;
        let container = engine.inspect(&id).await?.ok_or_else(|| vanished(machine.name.as_str(), &id))?;
        let before = machine.state.text("IPAddress").to_owned();
        let remote = engine.host.remote().map(ToString::to_string);
        create::note_address(machine.state, &Wanted::kept(machine.state), &container, remote.as_deref())?;
        let now = machine.state.text("IPAddress");
        if now != before {
            let text = format!(
                "Its address was {before} and is {now} now; `provision` makes it a certificate for that"
            );
            machine.reporter.warn(machine.name, &text);
        }
        Ok(())
    }

    async fn stop(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        let (mut engine, id) = at(machine).await?;
        let limit = PATIENCE + Duration::from_secs(STOP);
        engine.post(&format!("/containers/{id}/stop?t={STOP}"), limit).await
    }

    async fn kill(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        let (mut engine, id) = at(machine).await?;
        engine.post(&format!("/containers/{id}/kill"), PATIENCE).await
    }

    async fn remove(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        remove::remove(machine, &self.settings.locks).await
    }

    async fn available(&self, Search { timeout: patience, local_only }: Search) -> Option<String> {
        let host = self.host().ok()?;
        if local_only && !matches!(host, EngineHost::Unix(_)) {
            return None;
        }
        let ping = async { host.connect(patience).await.ok()?.client.ping().await.ok() };
        tokio::time::timeout(patience, ping).await.ok()??;
        let context = context::current(&self.settings.host).ok()?;
        let of = context.map(|name| format!(" of the docker context {name:?}")).unwrap_or_default();
        Some(format!("the engine at {host}{of} answers"))
    }

    fn images(&self) -> Option<&dyn Images> {
        Some(self)
    }

    fn tagged_resources(&self) -> Option<&dyn TaggedResources> {
        Some(self)
    }
}

#[async_trait]
impl Images for Docker {
    async fn list_images(&self) -> Result<Vec<NodeImage>, DriverError> {
        image::list(&mut self.engine().await?).await
    }

    async fn build_image(
        &self,
        options: &Options,
        announce: Progress<'_>,
        progress: Progress<'_>,
    ) -> Result<NodeImage, DriverError> {
        image::build_now(&mut self.engine().await?, options, &self.settings.locks, announce, progress).await
    }

    async fn remove_image(&self, name: &str) -> Result<bool, DriverError> {
        image::remove(&mut self.engine().await?, name).await
    }
}

#[async_trait]
impl TaggedResources for Docker {
    async fn list_tagged(&self, _: &dyn Keyring) -> Result<Vec<Tagged>, DriverError> {
        let host = self.host()?;
        // Where no engine was ever installed there is nothing, and nobody wants to read that it does not answer.
        let unnamed = self.settings.host.host.is_none() && self.settings.host.context.is_none();
        if unnamed && matches!(&host, EngineHost::Unix(socket) if !socket.exists()) {
            return Ok(Vec::new());
        }
        remove::tagged(&mut Engine::at(host, PATIENCE).await?).await
    }

    async fn remove_tagged(&self, _: &dyn Keyring, tagged: &[Tagged]) -> Result<(), DriverError> {
        remove::remove_tagged(&mut self.engine().await?, tagged, &self.settings.locks).await
    }
}

async fn at(machine: &MachineHandle<'_>) -> Result<(Engine, String), DriverError> {
    let id = machine.state.text("ContainerId").to_owned();
    if id.is_empty() {
        return Err(DriverError::new(
            DriverErrorKind::Missing,
            "the machine's container has not been made yet",
        ));
    }
    Ok((Engine::of(machine.state).await?, id))
}

fn vanished(name: &str, id: &str) -> DriverError {
    let short = id.get(..12).unwrap_or(id);
    DriverError::new(DriverErrorKind::Missing, format!("its container {short} is gone: somebody removed it"))
        .hint(format!("`rmachine rm {name}` clears up what is left"))
}

fn is_of(container: &Container, machine: &MachineView<'_>) -> bool {
    let labels = container.config.labels.as_ref();
    labels.and_then(|l| l.get(UUID)).is_some_and(|u| *u == machine.uuid.to_string())
}

fn state_of(status: &str) -> State {
    match status {
        "running" => State::Running,
        "paused" => State::Paused,
        "restarting" => State::Starting,
        "created" | "exited" => State::Stopped,
        "removing" => State::Stopping,
        _ => State::Error,
    }
}

fn check_version(api: &str) -> Result<(), DriverError> {
    let parsed = api.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    if parsed.is_some_and(|version: (u32, u32)| version >= OLDEST_API) {
        return Ok(());
    }
    Err(DriverError::unsupported(format!("the engine speaks API {api}: machines need Docker 20.10 or newer")))
}

fn check_kind(info: &Info) -> Result<(), DriverError> {
    if info.os_type == "windows" {
        return Err(DriverError::unsupported("the engine runs Windows containers; machines are Linux")
            .hint("switch Docker Desktop to Linux containers"));
    }
    if info.security.iter().flatten().any(|s| s.starts_with("name=rootless")) {
        return Err(DriverError::unsupported(
            "the engine is rootless: its containers cannot run an engine of their own",
        )
        .hint("name a rootful engine with DOCKER_HOST, like unix:///var/run/docker.sock"));
    }
    Ok(())
}

/// Of memory the engine only warns; a container with such a limit on CPUs it refuses.
fn check_limits(info: &Info, wanted: &Wanted) -> Result<(), DriverError> {
    if wanted.nano_cpus == 0 || info.cpu_quota != Some(false) {
        return Ok(());
    }
    Err(DriverError::unsupported("the kernel of the engine cannot limit a container's CPUs")
        .hint("leave --docker-cpus out"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rmachine_driver::MachineName;

    use super::*;

    fn docker(host: &str) -> Docker {
        let host = HostSettings { host: Some(host.into()), ..HostSettings::default() };
        Docker::new(Settings { host, locks: PathBuf::new() })
    }

    fn draft(docker: &Docker) -> Result<Draft, DriverError> {
        docker.draft(&DraftRequest {
            name: &MachineName::parse("node1").unwrap(),
            options: &Options::defaults(&docker.options()),
            store_path: Path::new("/S"),
            machine_dir: Path::new("/S/machines/node1"),
            member: false,
        })
    }

    #[test]
    fn drafts_what_it_needs_later() {
        assert_eq!(
            serde_json::to_string(&draft(&docker("")).unwrap().state).unwrap(),
            concat!(
                r#"{"IPAddress":"","MachineName":"node1","SSHUser":"root","SSHPort":22,"SSHKeyPath":"","#,
                r#""StorePath":"/S","SwarmMaster":false,"SwarmHost":"","SwarmDiscovery":"","#,
                r#""EngineHost":"unix:///var/run/docker.sock","Image":"","Suite":"trixie","Packages":[],"#,
                r#""NoEngine":false,"Network":"rmachine","Memory":0,"NanoCPUs":0,"Volumes":[],"Ports":[],"#,
                r#""Hostname":"node1","Publish":false}"#
            )
        );
        assert!(draft(&docker("npipe:////./pipe/x")).unwrap_err().message.contains("named pipes"));
    }

    #[test]
    fn describes_the_key_that_was_read() {
        let mut state = draft(&docker("")).unwrap().state;
        let nowhere = Description { host_name: Some("node1".to_owned()), ..Description::default() };
        assert_eq!(docker("").describe(&state), nowhere);
        state.set("IPAddress", "127.0.0.1");
        state.set("SSHPort", 22_000);
        state.set("EnginePort", 22_001);
        state.set("SSHHostKey", "ssh-ed25519 AAAA");
        let description = docker("").describe(&state);
        assert_eq!(description.engine_url.as_deref(), Some("tcp://127.0.0.1:22001"));
        let endpoint = description.endpoint.unwrap();
        assert_eq!((endpoint.port, endpoint.host_key.as_deref()), (22_000, Some("ssh-ed25519 AAAA")));
    }

    #[test]
    fn states_are_docker_machines() {
        for (status, state) in [
            ("running", State::Running),
            ("created", State::Stopped),
            ("exited", State::Stopped),
            ("paused", State::Paused),
            ("restarting", State::Starting),
            ("removing", State::Stopping),
            ("dead", State::Error),
        ] {
            assert_eq!(state_of(status), state, "{status}");
        }
    }

    #[test]
    fn engines_that_cannot_are_told() {
        assert!(check_version("1.41").is_ok() && check_version("2.0").is_ok());
        for old in ["1.40", "1.9", "", "x"] {
            assert!(check_version(old).is_err(), "{old}");
        }
        let rootless =
            Info { security: Some(vec!["name=seccomp".into(), "name=rootless".into()]), ..Info::default() };
        assert!(check_kind(&rootless).unwrap_err().hints[0].contains("DOCKER_HOST"));
        let windows = Info { os_type: "windows".into(), ..Info::default() };
        assert!(check_kind(&windows).is_err() && check_kind(&Info::default()).is_ok());
    }

    #[test]
    fn limits_that_the_engine_would_refuse_are_refused_before() {
        let mut state = DriverState::default();
        state.set("NanoCPUs", 1_500_000_000);
        let (limited, free) = (Wanted::kept(&state), Wanted::kept(&DriverState::default()));
        let info = |cpu_quota| Info { cpu_quota, ..Info::default() };
        assert!(check_limits(&info(Some(false)), &limited).unwrap_err().hints[0].contains("--docker-cpus"));
        assert!(check_limits(&info(Some(false)), &free).is_ok());
        assert!(
            check_limits(&info(Some(true)), &limited).is_ok() && check_limits(&info(None), &limited).is_ok()
        );
    }

    #[tokio::test]
    async fn nobody_at_hand() {
        let search = Search { timeout: Duration::from_millis(100), local_only: false };
        assert_eq!(docker("unix:///nowhere.sock").available(search).await, None);
        assert_eq!(docker("ssh://x").available(search).await, None);
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s.sock");
        let silent = tokio::net::UnixListener::bind(&socket).unwrap();
        let docker = docker(&format!("unix://{}", socket.display()));
        assert_eq!(docker.available(search).await, None, "it hangs");
        let state = draft(&docker).unwrap().state;
        let mut engine = Engine::of_within(&state, Duration::from_millis(100)).await.unwrap();
        let told = engine.info().await.unwrap_err();
        assert!(told.kind == DriverErrorKind::Unreachable && told.hints[0].contains("hangs"), "{told}");
        drop(silent);
    }
}
