//! Making a droplet: whose account, the key, the droplet, and what hangs on it. Each is noted before it is asked for and
//! again when its id is known; what was asked for and not answered is looked for before it is asked for again.

use std::time::Duration;

use rmachine_cloud_init::{FirstBoot, UserDataError, user_data};
use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{CreateRequest, DriverError, DriverErrorKind, Leftovers, MachineHandle, Resource};
use rmachine_rest::{Api, Polls};
use serde_json::{Value, json};

use crate::account::{Session, account_of};
use crate::api::unanswered;
use crate::model::{Droplet, Image, Key, OneDroplet, OneKey};
use crate::options::{self, NEW, USER_DATA};
use crate::records::{self, ACCOUNT, DROPLET, KEY};
use crate::{extras, firewall, paths, remove, tags};

/// Droplets take about a minute.
const BOOT: Duration = Duration::from_secs(600);
/// How often something is asked for whose answer is lost each time.
const TRIES: usize = 4;
/// How often is looked for what a lost request may have made: it may appear late.
const LOOKS: usize = 3;
/// The name of our copy of the user's user-data.
pub(crate) const USER_DATA_FILE: &str = "user-data";

pub(crate) async fn create(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
    session: &Session,
) -> Result<(), DriverError> {
    let done = steps(machine, request, session).await;
    let Err(error) = done else { return Ok(()) };
    if request.keep_on_failure {
        let left = records::leftovers(machine.journal.records());
        return Err(error.left(left));
    }
    if records::leftovers(machine.journal.records()) != Leftovers::None {
        machine.reporter.info(machine.name, "Removing what was made at DigitalOcean...");
    }
    match remove::remove(machine, session).await {
        Ok(()) => Err(error),
        Err(e) => {
            let left = e.leftovers.clone();
            Err(error.left(if left == Leftovers::None {
                records::leftovers(machine.journal.records())
            } else {
                left
            }))
        }
    }
}

async fn steps(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
    session: &Session,
) -> Result<(), DriverError> {
    account(machine, session).await?;
    let api = &session.api;
    let key = key(machine, request, api).await?;
    let user_data = first_boot(machine, request)?;
    let droplet = droplet(machine, api, &key, user_data).await?;
    machine.state.set("DropletID", droplet.id);
    firewall::make(machine, api, &droplet).await?;
    let droplet = until_active(machine, api, droplet).await?;
    let address = droplet.public_address().unwrap_or_default().to_owned();
    machine.state.set("IPAddress", address);
    extras::attach(machine, api, &droplet).await
}

/// Whose it is has to be known before anything is made, or nobody could remove it later.
async fn account(machine: &mut MachineHandle<'_>, session: &Session) -> Result<(), DriverError> {
    if account_of(machine.state, machine.journal.records()).is_some() {
        return session.is_of_machine().await;
    }
    let account = session.account().await?;
    if let Some(given) = machine.keyring.given() {
        machine.keyring.keep(&account, &given).await?;
    }
    machine.record_id(ACCOUNT, &account)
}

/// What the droplet is to let in: an id, or a fingerprint.
async fn key(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
    api: &Api,
) -> Result<Value, DriverError> {
    let fingerprint = machine.state.text("SSHKeyFingerprint");
    if !fingerprint.is_empty() {
        return Ok(json!(fingerprint));
    }
    let Some(public) = request.public_key.map(str::trim) else {
        return Err(DriverError::invalid("there is no key to log in with"));
    };
    let known = if records::is_requested(machine.journal.records(), KEY) {
        find_key(api, public).await?
    } else {
        None
    };
    let id = match known {
        Some(key) => adopt(machine, &key)?,
        None => upload(machine, api, public).await?,
    };
    machine.state.set("SSHKeyID", id);
    Ok(json!(id))
}

/// One that is ours is removed with the machine; somebody else's stays.
fn adopt(machine: &mut MachineHandle<'_>, key: &Key) -> Result<u64, DriverError> {
    if key.name.contains(&tags::of_machine(machine.uuid)) {
        machine.record_id(KEY, &key.id.to_string())?;
    }
    Ok(key.id)
}

async fn upload(machine: &mut MachineHandle<'_>, api: &Api, public: &str) -> Result<u64, DriverError> {
    machine.record_request(KEY)?;
    let name = format!("{} {}", machine.name, tags::written(&machine.tags).join(" "));
    let body = json!({"name": name, "public_key": public});
    for _ in 1..TRIES {
        match api.post::<OneKey>(&paths::keys(), body.clone()).await {
            Ok(OneKey { ssh_key }) => {
                machine.record_id(KEY, &ssh_key.id.to_string())?;
                return Ok(ssh_key.id);
            }
            // It is there already: by a request whose answer was lost, or because somebody put it there.
            Err(e) if e.has_status(422) => match find_key(api, public).await? {
                Some(key) => return adopt(machine, &key),
                None => return Err(e.into()),
            },
            Err(e) if e.is_unclear() => {
                tracing::debug!(%e, "unclear whether the key was uploaded");
                if let Some(key) = find_key(api, public).await? {
                    return adopt(machine, &key);
                }
            }
            Err(e) => return Err(e.into()),
        }
    }
    Err(unanswered("the SSH key"))
}

/// The blob counts; what is said after it may differ.
async fn find_key(api: &Api, public: &str) -> Result<Option<Key>, DriverError> {
    let blob = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    let wanted = blob(public);
    let keys: Vec<Key> = api.list(&paths::keys(), "ssh_keys").await?;
    Ok(keys.into_iter().find(|key| wanted.is_some() && blob(&key.public_key) == wanted))
}

/// Nothing for an image that would not read them.
fn first_boot(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
) -> Result<Option<String>, DriverError> {
    let own = own_user_data(machine)?;
    if machine.state.flag("NoCloudInit") {
        let text = "Its image has no cloud-init: the host key is pinned when it is first seen, unverified, and logins that \
                    the image brings along stay";
        machine.reporter.warn(machine.name, text);
        return Ok(own.map(|own| String::from_utf8_lossy(&own).into_owned()));
    }
    let boot = FirstBoot {
        login: machine.state.text("SSHUser"),
        public_key: request.public_key,
        host_key: request.host_key,
        host_name: None,
        own: own.as_deref(),
    };
    let text = user_data(&boot, USER_DATA).map_err(|e| unfit(&e))?;
    if let Some(pair) = request.host_key {
        machine.state.set("FirstHostKey", pair.public);
    }
    Ok(Some(text.expose_secret().to_owned()))
}

fn own_user_data(machine: &MachineHandle<'_>) -> Result<Option<Vec<u8>>, DriverError> {
    if machine.state.text("UserDataFile").is_empty() {
        return Ok(None);
    }
    let path = machine.dir.join(USER_DATA_FILE);
    let read = std::fs::read(&path);
    read.map(Some).map_err(|e| DriverError::because(DriverErrorKind::Invalid, path.display(), e))
}

pub(crate) fn unfit(error: &UserDataError) -> DriverError {
    DriverError::invalid(format!("--digitalocean-userdata: {error}"))
}

async fn droplet(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    key: &Value,
    user_data: Option<String>,
) -> Result<Droplet, DriverError> {
    if records::is_requested(machine.journal.records(), DROPLET)
        && let Some(found) = find(machine, api, 1).await?
    {
        return Ok(found);
    }
    machine.record_request(DROPLET)?;
    let mut body = body(machine, key, user_data);
    let mut lost = false;
    for _ in 1..TRIES {
        match api.post::<OneDroplet>(&paths::droplets(), body.clone()).await {
            Ok(OneDroplet { droplet }) => {
                machine.record_id(DROPLET, &droplet.id.to_string())?;
                if lost {
                    spare(machine, api, droplet.id).await?;
                }
                return Ok(droplet);
            }
            Err(e) if e.is_unclear() => {
                tracing::debug!(%e, "unclear whether the droplet was created");
                lost = true;
                if let Some(found) = find(machine, api, LOOKS).await? {
                    return Ok(found);
                }
            }
            Err(e) if e.has_status(422) => match snapshot_called(machine, api, &body).await? {
                Some(id) => body["image"] = json!(id),
                None => return Err(e.into()),
            },
            Err(e) => return Err(e.into()),
        }
    }
    Err(unanswered("the droplet"))
}

fn body(machine: &MachineHandle<'_>, key: &Value, user_data: Option<String>) -> Value {
    let state = &machine.state;
    let image = state.text("Image");
    let mut all = tags::written(&machine.tags);
    all.extend(options::tags(state));
    if state.text("ReservedIP") == NEW {
        // An address bears no tags: its droplet says that it is ours.
        all.push(tags::WITH_ADDRESS.to_owned());
    }
    let mut body = json!({
        "name": machine.name.as_str(),
        "region": state.text("Region"),
        "size": state.text("Size"),
        "image": image.parse::<u64>().map_or_else(|_| json!(image), |id| json!(id)),
        "ssh_keys": [key],
        "backups": state.flag("Backups"),
        "ipv6": state.flag("IPv6"),
        "monitoring": state.flag("Monitoring"),
        "tags": all,
    });
    if let Some(text) = user_data {
        body["user_data"] = json!(text);
    }
    for (key, value) in [("vpc_uuid", state.text("VPC"))] {
        if !value.is_empty() {
            body[key] = json!(value);
        }
    }
    let volumes = state.texts("Volumes");
    if !volumes.is_empty() {
        body["volumes"] = json!(volumes);
    }
    if state.flag("DropletAgent") {
        body["with_droplet_agent"] = json!(true);
    }
    body
}

/// The machine's droplet by its tag, noted.
async fn find(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    looks: usize,
) -> Result<Option<Droplet>, DriverError> {
    let mut polls = Polls::within(BOOT);
    for look in 0..looks {
        if look > 0 {
            polls.wait().await;
        }
        if let Some(found) = remove::tagged_droplets(api, machine.uuid).await?.into_iter().next() {
            machine.record_id(DROPLET, &found.id.to_string())?;
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A request that was given up for lost may have had its effect after all.
async fn spare(machine: &MachineHandle<'_>, api: &Api, wanted: u64) -> Result<(), DriverError> {
    for droplet in remove::tagged_droplets(api, machine.uuid).await? {
        if droplet.id != wanted {
            remove::delete_when_idle(api, &paths::droplet(droplet.id)).await?;
        }
    }
    Ok(())
}

/// What is refused as a slug may be the name of a snapshot.
async fn snapshot_called(
    machine: &MachineHandle<'_>,
    api: &Api,
    body: &Value,
) -> Result<Option<u64>, DriverError> {
    if !body["image"].is_string() {
        return Ok(None);
    }
    let images: Vec<Image> = api.list(&paths::own_images(), "images").await?;
    Ok(images.into_iter().rev().find(|i| i.name == machine.state.text("Image")).map(|i| i.id))
}

/// Until it runs and has an address that is not private.
async fn until_active(
    machine: &MachineHandle<'_>,
    api: &Api,
    mut droplet: Droplet,
) -> Result<Droplet, DriverError> {
    let mut polls = Polls::within(BOOT);
    loop {
        if droplet.status == "active" && droplet.public_address().is_some() {
            return Ok(droplet);
        }
        machine.reporter.detail(machine.name, &format!("droplet {} is {}", droplet.id, droplet.status));
        if !polls.wait().await {
            return Err(stuck(&droplet));
        }
        droplet = api.get::<OneDroplet>(&paths::droplet(droplet.id)).await?.droplet;
    }
}

fn stuck(droplet: &Droplet) -> DriverError {
    let Droplet { id, status, .. } = droplet;
    let minutes = BOOT.as_secs() / 60;
    let message =
        format!("droplet {id} is still {status:?} and without a public address after {minutes} minutes");
    DriverError::new(DriverErrorKind::Unreachable, message)
        .left(Leftovers::Known(vec![Resource { kind: DROPLET.to_owned(), id: id.to_string() }]))
}
