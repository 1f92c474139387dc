//! The flags of `create`, and what of them is kept in config.json: docker-machine's keys first, in its order.

use rmachine_driver::{DraftRequest, DriverError, DriverState, OptionKind, OptionSpec, Options, Source};
use serde_json::Value;

use crate::firewall;

/// docker-machine's own default is no longer there.
const IMAGE: &str = "ubuntu-24-04-x64";
/// The provider's limit.
pub(crate) const USER_DATA: usize = 64 * 1024;
pub(crate) const NEW: &str = "new";
pub(crate) const NO_CLOUD_INIT: &str = "digitalocean-no-cloud-init";

fn text(name: &'static str, default: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::text(default), help).env(env)
}

fn flag(name: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::Flag, help).env(env)
}

fn list(name: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::list(), help).env(env)
}

pub(crate) fn specs() -> Vec<OptionSpec> {
    vec![
        OptionSpec {
            secret: true,
            ..text(
                "digitalocean-access-token",
                "",
                "DIGITALOCEAN_ACCESS_TOKEN",
                "Access token; given here it is kept, once for each account, in credentials.json",
            )
        },
        text(
            "digitalocean-access-token-file",
            "",
            "DIGITALOCEAN_ACCESS_TOKEN_FILE",
            "File that holds the access token; read each time",
        ),
        text(
            "digitalocean-access-token-command",
            "",
            "DIGITALOCEAN_ACCESS_TOKEN_COMMAND",
            "Command that prints the access token; run each time",
        ),
        text("digitalocean-api-url", "", "DIGITALOCEAN_API_URL", "Another address of the API"),
        flag("digitalocean-backups", "DIGITALOCEAN_BACKUPS", "Automated backups"),
        flag("digitalocean-droplet-agent", "DIGITALOCEAN_DROPLET_AGENT", "The agent for the web console"),
        list(
            "digitalocean-firewall",
            "DIGITALOCEAN_FIREWALL",
            "Cloud firewall: who may reach SSH and the engine, as networks or `auto` for whoever makes the machine; further \
             ports as port:443 [default: auto for members of clusters, else none]",
        ),
        text("digitalocean-image", IMAGE, "DIGITALOCEAN_IMAGE", "Image: a slug, or a snapshot's id or name"),
        flag("digitalocean-ipv6", "DIGITALOCEAN_IPV6", "An IPv6 address too"),
        flag("digitalocean-monitoring", "DIGITALOCEAN_MONITORING", "The agent for monitoring"),
        flag(
            NO_CLOUD_INIT,
            "DIGITALOCEAN_NO_CLOUD_INIT",
            "The image has no cloud-init: its host key is pinned when it is first seen",
        ),
        flag(
            "digitalocean-private-networking",
            "DIGITALOCEAN_PRIVATE_NETWORKING",
            "Accepted for docker-machine's sake: every droplet is in a VPC",
        ),
        text("digitalocean-project", "", "DIGITALOCEAN_PROJECT", "Id of the project that it is put into"),
        text("digitalocean-region", "nyc3", "DIGITALOCEAN_REGION", "Region"),
        text(
            "digitalocean-reserved-ip",
            "",
            "DIGITALOCEAN_RESERVED_IP",
            "Reserved IP that it answers at, or `new` for one that is removed with it",
        ),
        text("digitalocean-size", "s-1vcpu-1gb", "DIGITALOCEAN_SIZE", "Size"),
        text(
            "digitalocean-ssh-key-fingerprint",
            "",
            "DIGITALOCEAN_SSH_KEY_FINGERPRINT",
            "Fingerprint of a key that the account has already: none is uploaded",
        ),
        text(
            "digitalocean-ssh-key-path",
            "",
            "DIGITALOCEAN_SSH_KEY_PATH",
            "Private key to log in with, copied into the machine's folder; its .pub beside it",
        ),
        OptionSpec {
            kind: OptionKind::Int(22),
            ..text("digitalocean-ssh-port", "", "DIGITALOCEAN_SSH_PORT", "SSH port")
        },
        text("digitalocean-ssh-user", "root", "DIGITALOCEAN_SSH_USER", "Login; made at the first boot"),
        text("digitalocean-tags", "", "DIGITALOCEAN_TAGS", "Further tags, separated by commas"),
        text(
            "digitalocean-userdata",
            "",
            "DIGITALOCEAN_USERDATA",
            "File with user-data of your own; merged with what rmachine adds",
        ),
        list("digitalocean-volumes", "DIGITALOCEAN_VOLUMES", "Id of a volume to attach"),
        text("digitalocean-vpc", "", "DIGITALOCEAN_VPC", "Id of the VPC"),
    ]
}

/// The state's keys of flags, as docker-machine names them and then as we do.
const TEXTS: [(&str, &str); 9] = [
    ("Image", "digitalocean-image"),
    ("Region", "digitalocean-region"),
    ("Size", "digitalocean-size"),
    ("VPC", "digitalocean-vpc"),
    ("Project", "digitalocean-project"),
    ("ReservedIP", "digitalocean-reserved-ip"),
    ("TokenFile", "digitalocean-access-token-file"),
    ("TokenCommand", "digitalocean-access-token-command"),
    ("APIURL", "digitalocean-api-url"),
];

pub(crate) fn keep(state: &mut DriverState, request: &DraftRequest<'_>) -> Result<(), DriverError> {
    let DraftRequest { name, options, member, .. } = *request;
    let port = options.int("digitalocean-ssh-port");
    u16::try_from(port).ok().filter(|p| *p != 0).ok_or_else(|| {
        DriverError::invalid(format!("--digitalocean-ssh-port must be between 1 and 65535, not {port}"))
    })?;
    state.set("SSHUser", options.text("digitalocean-ssh-user"));
    state.set("SSHPort", port);
    state.set("AccessToken", "");
    state.set("DropletID", 0);
    state.set("DropletName", name.as_str());
    for key in ["Image", "Region"] {
        state.set(key, "");
    }
    state.set("SSHKeyID", 0);
    state.set("SSHKeyFingerprint", options.text("digitalocean-ssh-key-fingerprint"));
    state.set("SSHKey", options.text("digitalocean-ssh-key-path"));
    state.set("Size", "");
    state.set("IPv6", options.flag("digitalocean-ipv6"));
    state.set("Backups", options.flag("digitalocean-backups"));
    state.set("PrivateNetworking", options.flag("digitalocean-private-networking"));
    state.set("UserDataFile", options.text("digitalocean-userdata"));
    state.set("Monitoring", options.flag("digitalocean-monitoring"));
    state.set("Tags", options.text("digitalocean-tags"));
    state.set("DropletAgent", options.flag("digitalocean-droplet-agent"));
    state.set("NoCloudInit", options.flag("digitalocean-no-cloud-init"));
    for (key, option) in TEXTS {
        // What the environment says it says again next time, and where it does not, nobody wants to be bound by it.
        let is_token = key.starts_with("Token");
        let text = if is_token && source_is_environment(options, option) { "" } else { options.text(option) };
        state.set(key, text);
    }
    let volumes = options.list("digitalocean-volumes").iter().filter(|w| !w.is_empty()).cloned().collect();
    let guarded = firewall::words(options.list("digitalocean-firewall"), member)?;
    for (key, words) in [("Volumes", volumes), ("Firewall", guarded)] {
        let words: Vec<String> = words;
        state.set(key, words.into_iter().map(Value::from).collect::<Vec<_>>());
    }
    Ok(())
}

fn source_is_environment(options: &Options, name: &str) -> bool {
    options.source(name) == Some(Source::Environment)
}

/// The user's own tags.
pub(crate) fn tags(state: &DriverState) -> Vec<String> {
    state.text("Tags").split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
}
