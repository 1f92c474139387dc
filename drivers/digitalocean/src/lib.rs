//! The driver `digitalocean`: a machine is a droplet.
//!
//! Everything that it makes there bears the machine's tags, in the request that makes it; each id is journaled when it
//! is known, and looked up by tag when its answer was lost.

mod account;
mod api;
mod catalog;
mod create;
mod extras;
mod firewall;
mod model;
mod options;
mod paths;
mod power;
mod records;
mod remove;
mod tags;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use rmachine_driver::{
    Accounts, BatchStates, Catalog, CatalogSpec, Catalogs, CreateRequest, Description, Draft, DraftRequest,
    Driver, DriverError, DriverErrorKind, DriverState, ENGINE_PORT, Features, Firewall, FirstHostKey, Import,
    Keyring, Login, MachineHandle, MachineView, OptionSpec, Prices, Quote, Restart, Snapshot, Snapshots,
    Source, State, Tagged, TaggedResources,
};
use rmachine_rest::{Api, Https, RateGate, Transport};
use tokio::sync::Mutex;

pub use account::TokenSettings;

use crate::account::Session;
use crate::api::DIGITALOCEAN;
use crate::model::{Droplet, OneDroplet, Size};
use crate::options::USER_DATA;

/// From an active droplet to an SSH server that answers, cloud-init in between.
const BOOT: Duration = Duration::from_secs(300);
/// From this many on one list is less than a call for each.
const FEW: usize = 2;
/// The metadata service answers to the droplet alone.
const USER_DATA_AT: &str = "http://169.254.169.254/metadata/v1/user-data";

/// What the program knows of the surroundings; this crate reads no environment.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub api_url: Option<String>,
    pub tokens: TokenSettings,
}

#[derive(Debug, Default)]
pub struct DigitalOcean {
    settings: Settings,
    /// In tests, instead of the network.
    transport: Option<Arc<dyn Transport>>,
    gate: Arc<RateGate>,
    /// Prices and sizes, which the machines of one `create` all ask for.
    sizes: Mutex<HashMap<String, Vec<Size>>>,
}

impl DigitalOcean {
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    #[cfg(test)]
    pub(crate) fn over(transport: Arc<dyn Transport>, settings: Settings) -> Self {
        Self { settings, transport: Some(transport), ..Self::default() }
    }

    fn enter(&self, url: &str, token: SecretString) -> Result<Api, DriverError> {
        let url =
            Some(url).filter(|u| !u.is_empty()).or(self.settings.api_url.as_deref()).unwrap_or(api::URL);
        let transport = match &self.transport {
            Some(transport) => transport.clone(),
            None => Arc::new(Https::to(&DIGITALOCEAN, url)?),
        };
        Ok(Api::new(&DIGITALOCEAN, transport, self.gate.clone(), token))
    }

    async fn of(&self, machine: &MachineView<'_>) -> Result<Session, DriverError> {
        self.session(machine.state, machine.journal, machine.keyring).await
    }

    async fn handle(&self, machine: &MachineHandle<'_>) -> Result<Session, DriverError> {
        self.session(machine.state, machine.journal.records(), machine.keyring).await
    }

    async fn size(&self, machine: &MachineView<'_>) -> Result<Size, DriverError> {
        let session = self.of(machine).await?;
        // Held while asking: ten machines at once want it once.
        let mut known = self.sizes.lock().await;
        let key = session.api.token().expose_secret().to_owned();
        if !known.contains_key(&key) {
            known.insert(key.clone(), catalog::sizes(&session.api).await?);
        }
        let all = known.get(&key).map(Vec::as_slice).unwrap_or_default();
        let state = machine.state;
        catalog::offered(all, state.text("Size"), state.text("Region")).cloned()
    }

    /// One answer for all machines that the same token opens.
    async fn together(
        &self,
        machines: &[(usize, &MachineView<'_>, Session)],
    ) -> Vec<(usize, Result<State, DriverError>)> {
        let Some((_, _, session)) = machines.first() else { return Vec::new() };
        let ours = machines.iter().all(|(_, m, _)| !m.journal.is_empty());
        let path = if ours { paths::droplets_with_tag(tags::OURS) } else { paths::droplets() };
        let all: Vec<Droplet> = match session.api.list(&path, "droplets").await {
            Ok(all) => all,
            Err(e) => return machines.iter().map(|(i, _, _)| (*i, Err(e.clone().into()))).collect(),
        };
        let by_id: HashMap<u64, &Droplet> = all.iter().map(|d| (d.id, d)).collect();
        let mut states = Vec::with_capacity(machines.len());
        for (i, machine, session) in machines {
            let found = power::id_of(machine.state).map(|id| by_id.get(&id));
            states.push((
                *i,
                match found {
                    None => Ok(State::None),
                    Some(Some(droplet)) => Ok(power::state_of(&droplet.status)),
                    Some(None) => Err(match session.is_of_machine().await {
                        Ok(()) => power::gone(machine),
                        Err(e) => e,
                    }),
                },
            ));
        }
        states
    }
}

#[async_trait]
impl Driver for DigitalOcean {
    fn name(&self) -> &str {
        "digitalocean"
    }

    fn features(&self) -> Features {
        Features {
            host: true,
            ssh_config: false,
            boot: BOOT,
            restart: Restart::StopStart,
            login: Login::Generated,
            first_host_key: Some(FirstHostKey {
                user_data_url: Some(USER_DATA_AT.into()),
                opt_out_flag: Some(options::NO_CLOUD_INIT.into()),
            }),
            is_billed: true,
            is_local: false,
        }
    }

    fn options(&self) -> Vec<OptionSpec> {
        options::specs()
    }

    fn draft(&self, request: &DraftRequest<'_>) -> Result<Draft, DriverError> {
        if !request.name.as_str().ends_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(DriverError::invalid("a droplet's name ends with a letter or a digit"));
        }
        let fingerprint = request.options.text("digitalocean-ssh-key-fingerprint");
        let nobody_told = request.options.flag(options::NO_CLOUD_INIT) && !fingerprint.is_empty();
        if nobody_told && request.options.text("digitalocean-ssh-key-path").is_empty() {
            let flag = options::NO_CLOUD_INIT;
            return Err(DriverError::invalid(format!(
                "an image without cloud-init lets in {fingerprint} alone: with --{flag}, name the private half of that key \
                 with --digitalocean-ssh-key-path"
            )));
        }
        let mut state = DriverState::base(request.name, request.store_path);
        options::keep(&mut state, request)?;
        let secret = request.options.secret("digitalocean-access-token").cloned();
        let by_flag = request.options.source("digitalocean-access-token") == Some(Source::Given);
        if let Some(url) = Some(state.text("APIURL")).filter(|u| !u.is_empty()) {
            Https::to(&DIGITALOCEAN, url)?;
        }
        Ok(Draft { imports: imports(&state), state, secret: secret.filter(|_| by_flag) })
    }

    async fn check(&self, machine: &MachineView<'_>) -> Result<(), DriverError> {
        let own = machine.state.text("UserDataFile");
        if !own.is_empty() {
            let text =
                std::fs::read(own).map_err(|e| DriverError::because(DriverErrorKind::Invalid, own, e))?;
            let fits = rmachine_cloud_init::check_own(&text, USER_DATA);
            fits.map_err(|e| create::unfit(&e))?;
        }
        self.size(machine).await.map(drop)
    }

    async fn create(
        &self,
        machine: &mut MachineHandle<'_>,
        request: &CreateRequest<'_>,
    ) -> Result<(), DriverError> {
        let session = self.handle(machine).await?;
        create::create(machine, request, &session).await
    }

    fn describe(&self, state: &DriverState) -> Description {
        let mut description = Description::from_state(state, ENGINE_PORT);
        let first = Some(state.text("FirstHostKey").to_owned()).filter(|key| !key.is_empty());
        if let Some(endpoint) = &mut description.endpoint {
            endpoint.host_key = first;
        }
        description
    }

    async fn state(&self, machine: &MachineView<'_>) -> Result<State, DriverError> {
        let Some(id) = power::id_of(machine.state) else { return Ok(State::None) };
        let session = self.of(machine).await?;
        match session.api.get::<OneDroplet>(&paths::droplet(id)).await {
            Ok(one) => Ok(power::state_of(&one.droplet.status)),
            Err(e) if e.has_status(404) => {
                tracing::debug!(%e, "no droplet");
                session.is_of_machine().await?;
                Err(power::gone(machine))
            }
            Err(e) => Err(e.into()),
        }
    }

    fn local_keys(&self) -> Vec<Cow<'static, str>> {
        [account::TOKEN, "TokenFile", "TokenCommand", "APIURL"].map(Cow::Borrowed).to_vec()
    }

    fn secret_keys(&self) -> Vec<Cow<'static, str>> {
        vec![account::TOKEN.into()]
    }

    async fn start(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        power::made(machine)?;
        power::start(machine, &self.handle(machine).await?.api).await
    }

    async fn stop(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        power::made(machine)?;
        power::stop(machine, &self.handle(machine).await?.api).await
    }

    async fn kill(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        power::made(machine)?;
        power::kill(machine, &self.handle(machine).await?.api).await
    }

    async fn remove(&self, machine: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        let nothing = machine.journal.records().is_empty() && machine.state.int("DropletID") == 0;
        if nothing {
            return Ok(());
        }
        let session = match self.handle(machine).await {
            Ok(session) => session,
            Err(e) => return Err(e.left(records::leftovers(machine.journal.records()))),
        };
        remove::remove(machine, &session).await
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        Some(self)
    }

    fn batch_states(&self) -> Option<&dyn BatchStates> {
        Some(self)
    }

    fn catalogs(&self) -> Option<&dyn Catalogs> {
        Some(self)
    }

    fn firewall(&self) -> Option<&dyn Firewall> {
        Some(self)
    }

    fn prices(&self) -> Option<&dyn Prices> {
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
impl Accounts for DigitalOcean {
    async fn identify_account(&self, secret: &SecretString) -> Result<String, DriverError> {
        let session = Session { api: self.enter("", secret.clone())?, unsure_of: None };
        Ok(session.account().await?)
    }

    async fn move_secret_to_keyring(
        &self,
        machine: &mut MachineHandle<'_>,
    ) -> Result<Option<String>, DriverError> {
        account::give_up(machine, &self.handle(machine).await?).await
    }
}

#[async_trait]
impl BatchStates for DigitalOcean {
    async fn states(&self, machines: &[MachineView<'_>]) -> Vec<Result<State, DriverError>> {
        let mut states: Vec<Option<Result<State, DriverError>>> = machines.iter().map(|_| None).collect();
        let mut groups: HashMap<String, Vec<(usize, &MachineView<'_>, Session)>> = HashMap::new();
        for (i, machine) in machines.iter().enumerate() {
            match self.of(machine).await {
                Ok(session) => {
                    let key =
                        format!("{} {}", machine.state.text("APIURL"), session.api.token().expose_secret());
                    groups.entry(key).or_default().push((i, machine, session));
                }
                Err(e) => states[i] = Some(Err(e)),
            }
        }
        let asked = groups.values().map(async |group| match &group[..] {
            few if few.len() < FEW => {
                let each = few.iter().map(async |(i, machine, _)| (*i, self.state(machine).await));
                join_all(each).await
            }
            many => self.together(many).await,
        });
        for (i, state) in join_all(asked).await.into_iter().flatten() {
            states[i] = Some(state);
        }
        states.into_iter().map(|state| state.unwrap_or(Ok(State::None))).collect()
    }
}

#[async_trait]
impl Catalogs for DigitalOcean {
    fn catalog_specs(&self) -> Vec<CatalogSpec> {
        catalog::specs()
    }

    async fn fetch_catalog(&self, name: &str, keyring: &dyn Keyring) -> Result<Catalog, DriverError> {
        let session = self.sessions(keyring).await?.into_iter().next().ok_or_else(account::no_token)?;
        catalog::catalog(&session.api, name).await
    }
}

#[async_trait]
impl Firewall for DigitalOcean {
    fn admits_only_caller(&self, state: &DriverState) -> bool {
        firewall::is_for_caller(state)
    }

    async fn admit_caller(&self, machine: &mut MachineHandle<'_>, from: IpAddr) -> Result<(), DriverError> {
        firewall::let_in(machine, &self.handle(machine).await?.api, from).await
    }

    async fn set_allowed_sources(
        &self,
        machine: &mut MachineHandle<'_>,
        sources: &[String],
    ) -> Result<(), DriverError> {
        power::made(machine)?;
        firewall::guard(machine, &self.handle(machine).await?.api, sources).await
    }
}

#[async_trait]
impl Prices for DigitalOcean {
    async fn quote(&self, machine: &MachineView<'_>) -> Result<Quote, DriverError> {
        Ok(catalog::quote(&self.size(machine).await?))
    }
}

#[async_trait]
impl Snapshots for DigitalOcean {
    async fn take_snapshot(
        &self,
        machine: &mut MachineHandle<'_>,
        name: &str,
    ) -> Result<Snapshot, DriverError> {
        power::snapshot(machine, &self.handle(machine).await?.api, name).await
    }

    async fn list_snapshots(&self, machine: &MachineView<'_>) -> Result<Vec<Snapshot>, DriverError> {
        let Some(id) = power::id_of(machine.state) else { return Ok(Vec::new()) };
        power::snapshots(&self.of(machine).await?.api, id).await
    }

    async fn restore_snapshot(&self, machine: &mut MachineHandle<'_>, name: &str) -> Result<(), DriverError> {
        power::restore(machine, &self.handle(machine).await?.api, name).await
    }

    async fn remove_snapshot(
        &self,
        machine: &mut MachineHandle<'_>,
        name: &str,
    ) -> Result<bool, DriverError> {
        power::remove_snapshot(machine, &self.handle(machine).await?.api, name).await
    }
}

#[async_trait]
impl TaggedResources for DigitalOcean {
    async fn list_tagged(&self, keyring: &dyn Keyring) -> Result<Vec<Tagged>, DriverError> {
        let mut all = Vec::new();
        for session in self.sessions(keyring).await? {
            all.extend(remove::tagged(&session.api).await?);
        }
        Ok(all)
    }

    async fn remove_tagged(&self, keyring: &dyn Keyring, tagged: &[Tagged]) -> Result<(), DriverError> {
        for session in self.sessions(keyring).await? {
            remove::remove_tagged(&session.api, tagged).await?;
        }
        Ok(())
    }
}

/// The user's files that the machine keeps: their key in the place of the one that the core would make.
fn imports(state: &DriverState) -> Vec<Import> {
    let import =
        |from: String, name: &str| Import { from: from.into(), name: name.to_owned(), optional: false };
    let mut imports = Vec::new();
    let key = state.text("SSHKey");
    if !key.is_empty() {
        imports.push(import(key.to_owned(), "id_ed25519"));
        imports.push(import(format!("{key}.pub"), "id_ed25519.pub"));
    }
    let own = state.text("UserDataFile");
    if !own.is_empty() {
        imports.push(import(own.to_owned(), create::USER_DATA_FILE));
    }
    imports
}
