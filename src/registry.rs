//! Driver name to driver: the only list of drivers in the program, and what each is told of its surroundings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{Driver, DriverError, Search};
use rmachine_driver_digitalocean as digitalocean;
use rmachine_driver_digitalocean::{DigitalOcean, TokenSettings};
use rmachine_driver_docker::{Docker, HostSettings, Settings};
use rmachine_driver_generic_ssh::Generic;
use rmachine_driver_none::NoDriver;
use rmachine_driver_virtualbox::Virtualbox;

use crate::environment::Environment;

/// docker-machine's own default, where no driver is at hand that needs nothing but this computer.
pub(crate) const DEFAULT_DRIVER: &str = "virtualbox";

/// For a command that creates machines and names no driver.
pub(crate) const SEARCH: Search = Search { timeout: Duration::from_millis(300), local_only: false };
/// For completion, which contacts no host.
pub(crate) const LOCAL_SEARCH: Search = Search { timeout: Duration::from_millis(100), local_only: true };

/// A place where drivers are found by name.
pub trait DriverSource: Send + Sync {
    /// The drivers that are known without a search.
    fn listed(&self) -> &[Arc<dyn Driver>];

    /// Finds a driver by its name or an alias, the same one each time. Starts no process: see [`Driver::open`].
    fn find(&self, name: &str) -> Option<Arc<dyn Driver>>;
}

/// The drivers of this program.
struct BuiltIn(Vec<Arc<dyn Driver>>);

impl DriverSource for BuiltIn {
    fn listed(&self) -> &[Arc<dyn Driver>] {
        &self.0
    }

    fn find(&self, name: &str) -> Option<Arc<dyn Driver>> {
        let is_called =
            |d: &&Arc<dyn Driver>| d.name() == name || d.aliases().iter().any(|alias| alias == name);
        self.0.iter().find(is_called).cloned()
    }
}

#[derive(Clone)]
pub struct Registry {
    /// The first source that finds a name wins.
    sources: Vec<Arc<dyn DriverSource>>,
    default: DefaultDriver,
}

/// The driver of a `create` that names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DefaultDriver {
    pub(crate) name: String,
    /// A clause.
    pub(crate) reason: String,
}

impl Default for DefaultDriver {
    fn default() -> Self {
        let reason = "no other can work here without being told how".to_owned();
        Self { name: DEFAULT_DRIVER.to_owned(), reason }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(&Environment::default())
    }
}

impl Registry {
    pub fn new(env: &Environment) -> Self {
        let drivers: Vec<Arc<dyn Driver>> = vec![
            Arc::new(Docker::new(docker(env))),
            Arc::new(DigitalOcean::new(digitalocean(env))),
            Arc::new(Generic),
            Arc::new(NoDriver),
            Arc::new(Virtualbox::new(virtualbox(env))),
        ];
        Self { sources: vec![Arc::new(BuiltIn(drivers))], default: DefaultDriver::default() }
    }

    /// Makes the first available driver the default, see [`Driver::available`].
    pub(crate) async fn find_default(&mut self, search: Search) {
        for driver in self.sources.iter().flat_map(|source| source.listed()) {
            if let Some(reason) = driver.available(search).await {
                self.default = DefaultDriver { name: driver.name().to_owned(), reason };
                return;
            }
        }
    }

    pub(crate) fn default_driver(&self) -> &DefaultDriver {
        &self.default
    }

    /// The drivers that build images.
    pub(crate) fn with_images(&self) -> impl Iterator<Item = Arc<dyn Driver>> {
        self.all().filter(|d| d.images().is_some()).cloned()
    }

    /// The drivers whose providers have lists to show.
    pub(crate) fn with_catalogs(&self) -> impl Iterator<Item = &Arc<dyn Driver>> {
        self.all().filter(|d| d.catalogs().is_some())
    }

    /// Starts no process: see [`Registry::open`].
    pub fn find(&self, name: &str) -> Option<Arc<dyn Driver>> {
        self.sources.iter().find_map(|source| source.find(name))
    }

    /// Finds a driver and has it load its options.
    pub async fn open(&self, name: &str) -> Result<Option<Arc<dyn Driver>>, DriverError> {
        let Some(driver) = self.find(name) else { return Ok(None) };
        driver.open().await?;
        Ok(Some(driver))
    }

    /// The drivers that are known without a search.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Driver>> {
        self.sources.iter().flat_map(|source| source.listed())
    }

    pub fn names(&self) -> Vec<String> {
        self.all().map(|d| d.name().to_owned()).collect()
    }

    /// The driver that owns a flag of `create`, for hints.
    pub(crate) fn owner_of(&self, option: &str) -> Option<String> {
        self.all().find(|d| d.options().iter().any(|o| o.name == option)).map(|d| d.name().to_owned())
    }
}

fn digitalocean(env: &Environment) -> digitalocean::Settings {
    let text = |key: &str| env.get(key).map(str::to_owned);
    let tokens = TokenSettings {
        token: text("DIGITALOCEAN_ACCESS_TOKEN").map(SecretString::from),
        file: text("DIGITALOCEAN_ACCESS_TOKEN_FILE"),
        command: text("DIGITALOCEAN_ACCESS_TOKEN_COMMAND"),
    };
    digitalocean::Settings { api_url: text("DIGITALOCEAN_API_URL"), tokens }
}

fn docker(env: &Environment) -> Settings {
    let text = |key: &str| env.get(key).map(str::to_owned);
    // What `env` set leads to a machine, and nobody who works with one means to nest the next inside it.
    let own = env.get("DOCKER_MACHINE_NAME").is_none();
    let host = HostSettings {
        host: text("DOCKER_HOST").filter(|_| own),
        cert_path: text("DOCKER_CERT_PATH").map(PathBuf::from).filter(|_| own),
        tls_verify: own && env.get("DOCKER_TLS_VERIFY").is_some(),
        home: text("HOME").map(PathBuf::from),
        context: text("DOCKER_CONTEXT"),
        config: text("DOCKER_CONFIG").map(PathBuf::from),
    };
    Settings { host, locks: locks(env) }
}

/// VirtualBox's own variables lead to its folder where the PATH does not.
fn virtualbox(env: &Environment) -> rmachine_driver_virtualbox::Settings {
    let folders = ["VBOX_INSTALL_PATH", "VBOX_MSI_INSTALL_PATH", "VBOX_APP_HOME"];
    rmachine_driver_virtualbox::Settings {
        path: env.get("PATH").map(Into::into),
        folders: folders.into_iter().filter_map(|key| env.get(key)).map(PathBuf::from).collect(),
        locks: locks(env),
    }
}

/// Shared by all stores of a user, since they share the engine.
fn locks(env: &Environment) -> PathBuf {
    if let Some(dir) = env.get("XDG_RUNTIME_DIR") {
        return PathBuf::from(dir).join("rmachine");
    }
    let user = env.get("USER").or_else(|| env.get("USERNAME")).unwrap_or("user");
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    PathBuf::from(env.get("TMPDIR").unwrap_or("/tmp")).join(format!("rmachine-{user}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use rmachine_driver::{
        CreateRequest, Draft, DraftRequest, Features, MachineHandle, MachineView, OptionKind, OptionSpec,
        State,
    };

    use super::*;

    #[test]
    fn finds_by_name_and_alias() {
        let registry = Registry::default();
        assert_eq!(registry.find("generic-ssh").unwrap().name(), "generic");
        assert!(registry.find("Generic").is_none());
        assert_eq!(registry.owner_of("generic-ssh-key").as_deref(), Some("generic"));
    }

    #[test]
    fn a_machines_own_environment_does_not_nest_the_next() {
        let mut vars = [("DOCKER_HOST", "tcp://10.0.0.5:2376"), ("DOCKER_CERT_PATH", "/c"), ("X", "")];
        let settings = docker(&Environment::from(vars));
        assert_eq!(settings.host.host.as_deref(), Some("tcp://10.0.0.5:2376"));
        assert_eq!(settings.host.cert_path, Some("/c".into()));
        vars[2] = ("DOCKER_MACHINE_NAME", "node1");
        let settings = docker(&Environment::from(vars)).host;
        assert_eq!((settings.host, settings.cert_path), (None, None));
    }

    #[test]
    fn locks_are_the_users_own() {
        let of = |vars: [(&str, &str); 2]| locks(&Environment::from(vars));
        assert_eq!(
            of([("USER", "ann"), ("XDG_RUNTIME_DIR", "/run/user/1")]),
            PathBuf::from("/run/user/1/rmachine")
        );
        assert_eq!(of([("USER", "../ann"), ("TMPDIR", "/t")]), PathBuf::from("/t/rmachine-ann"));
    }

    #[tokio::test]
    async fn without_an_engine_the_default_is_docker_machines() {
        let nowhere = Environment::from([("DOCKER_HOST", "unix:///nowhere.sock")]);
        let mut registry = Registry::new(&nowhere);
        registry.find_default(SEARCH).await;
        assert_eq!(*registry.default_driver(), DefaultDriver::default());
    }

    /// Rancher finds a driver's fields by this prefix; docker-machine's `none` is the one exception.
    #[test]
    fn flags_begin_with_their_drivers_name() {
        for driver in Registry::default().all() {
            for option in driver.options() {
                let prefixed = option.name.starts_with(&format!("{}-", driver.name()));
                assert!(prefixed || driver.name() == "none", "{} of {}", option.name, driver.name());
            }
        }
    }

    /// A driver whose options are known once its process was asked.
    #[derive(Default)]
    struct Process {
        openings: AtomicUsize,
    }

    #[async_trait]
    impl Driver for Process {
        fn name(&self) -> &str {
            "process"
        }

        async fn open(&self) -> Result<(), DriverError> {
            self.openings.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }

        fn features(&self) -> Features {
            NoDriver.features()
        }

        fn options(&self) -> Vec<OptionSpec> {
            let size = OptionSpec::new("process-size", OptionKind::Int(1), "Size");
            [size].into_iter().filter(|_| self.openings.load(Ordering::Relaxed) > 0).collect()
        }

        fn draft(&self, request: &DraftRequest<'_>) -> Result<Draft, DriverError> {
            NoDriver.draft(request)
        }

        async fn check(&self, machine: &MachineView<'_>) -> Result<(), DriverError> {
            NoDriver.check(machine).await
        }

        async fn create(
            &self,
            to: &mut MachineHandle<'_>,
            by: &CreateRequest<'_>,
        ) -> Result<(), DriverError> {
            NoDriver.create(to, by).await
        }

        async fn state(&self, machine: &MachineView<'_>) -> Result<State, DriverError> {
            NoDriver.state(machine).await
        }

        async fn start(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
            NoDriver.start(machine).await
        }

        async fn stop(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
            NoDriver.stop(machine).await
        }

        async fn kill(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
            NoDriver.kill(machine).await
        }

        async fn remove(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
            NoDriver.remove(machine).await
        }
    }

    struct Found(Arc<Process>);

    impl DriverSource for Found {
        fn listed(&self) -> &[Arc<dyn Driver>] {
            &[]
        }

        fn find(&self, name: &str) -> Option<Arc<dyn Driver>> {
            (name == "process").then(|| self.0.clone() as Arc<dyn Driver>)
        }
    }

    #[tokio::test]
    async fn a_driver_of_another_source_is_asked_only_when_it_is_opened() {
        let process = Arc::new(Process::default());
        let mut registry = Registry::default();
        registry.sources.push(Arc::new(Found(process.clone())));
        assert!(registry.find("process").unwrap().options().is_empty());
        assert!(!registry.names().contains(&"process".to_owned()));
        assert_eq!(registry.owner_of("process-size"), None);
        registry.find_default(SEARCH).await;
        assert!(
            registry.open("docker").await.unwrap().is_some() && registry.open("x").await.unwrap().is_none()
        );
        assert_eq!(process.openings.load(Ordering::Relaxed), 0, "its process was asked");
        registry.open("process").await.unwrap();
        assert_eq!(registry.find("process").unwrap().options()[0].name, "process-size");
    }
}
