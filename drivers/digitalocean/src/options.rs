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

/// A text without a default.
fn text(name: &'static str, value: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::text(""), help).env(env).value_name(value)
}

fn flag(name: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::Flag, help).env(env)
}

fn list(name: &'static str, value: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::list(), help).env(env).value_name(value)
}

pub(crate) fn specs() -> Vec<OptionSpec> {
    let with_default = |kind: OptionKind, spec: OptionSpec| OptionSpec { kind, ..spec };
    vec![
        text(
            "digitalocean-access-token",
            "TOKEN",
            "DIGITALOCEAN_ACCESS_TOKEN",
            "Access token; rmachine saves it in credentials.json, once for each account",
        )
        .secret(),
        text(
            "digitalocean-access-token-file",
            "FILE",
            "DIGITALOCEAN_ACCESS_TOKEN_FILE",
            "File with the access token, read each time the token is needed",
        ),
        text(
            "digitalocean-access-token-command",
            "COMMAND",
            "DIGITALOCEAN_ACCESS_TOKEN_COMMAND",
            "Command that prints the access token, run each time the token is needed",
        ),
        text(
            "digitalocean-api-url",
            "URL",
            "DIGITALOCEAN_API_URL",
            "URL of the API (default: DigitalOcean's)",
        ),
        flag("digitalocean-backups", "DIGITALOCEAN_BACKUPS", "Enable automatic backups of the droplet"),
        flag(
            "digitalocean-droplet-agent",
            "DIGITALOCEAN_DROPLET_AGENT",
            "Install the agent of the provider's web console",
        ),
        list(
            "digitalocean-firewall",
            "RULE",
            "DIGITALOCEAN_FIREWALL",
            "Rule of the cloud firewall: an address or a network that may reach SSH and the engine, `auto` for this \
             computer's address, a port such as port:443, or `none` [default: auto for swarm nodes, else none]",
        ),
        with_default(
            OptionKind::text(IMAGE),
            text(
                "digitalocean-image",
                "IMAGE",
                "DIGITALOCEAN_IMAGE",
                "Image slug, or ID or name of a snapshot",
            ),
        ),
        flag("digitalocean-ipv6", "DIGITALOCEAN_IPV6", "Enable IPv6"),
        flag("digitalocean-monitoring", "DIGITALOCEAN_MONITORING", "Install the provider's monitoring agent"),
        flag(
            NO_CLOUD_INIT,
            "DIGITALOCEAN_NO_CLOUD_INIT",
            "Use an image without cloud-init; rmachine pins its host key on the first connection",
        ),
        flag(
            "digitalocean-private-networking",
            "DIGITALOCEAN_PRIVATE_NETWORKING",
            "Ignored; accepted for docker-machine compatibility (every droplet is in a VPC)",
        )
        .hidden(),
        text("digitalocean-project", "ID", "DIGITALOCEAN_PROJECT", "ID of the project to add the droplet to"),
        with_default(
            OptionKind::text("nyc3"),
            text("digitalocean-region", "REGION", "DIGITALOCEAN_REGION", "Region of the droplet"),
        ),
        text(
            "digitalocean-reserved-ip",
            "ADDRESS",
            "DIGITALOCEAN_RESERVED_IP",
            "Reserved IP address to assign, or `new` to reserve one that is removed with the machine",
        ),
        with_default(
            OptionKind::text("s-1vcpu-1gb"),
            text("digitalocean-size", "SIZE", "DIGITALOCEAN_SIZE", "Size of the droplet"),
        ),
        text(
            "digitalocean-ssh-key-fingerprint",
            "FINGERPRINT",
            "DIGITALOCEAN_SSH_KEY_FINGERPRINT",
            "Fingerprint of an SSH key in the account, to use instead of uploading one",
        ),
        text(
            "digitalocean-ssh-key-path",
            "FILE",
            "DIGITALOCEAN_SSH_KEY_PATH",
            "SSH private key to log in with; rmachine copies it and its .pub file to the machine's directory",
        ),
        with_default(
            OptionKind::Int(22),
            text("digitalocean-ssh-port", "PORT", "DIGITALOCEAN_SSH_PORT", "SSH port"),
        ),
        with_default(
            OptionKind::text("root"),
            text(
                "digitalocean-ssh-user",
                "USER",
                "DIGITALOCEAN_SSH_USER",
                "SSH user, created at the first boot",
            ),
        ),
        text(
            "digitalocean-tags",
            "TAG,...",
            "DIGITALOCEAN_TAGS",
            "Additional tags of the droplet, separated by commas",
        ),
        text(
            "digitalocean-userdata",
            "FILE",
            "DIGITALOCEAN_USERDATA",
            "File with user-data for cloud-init, merged with rmachine's own",
        ),
        list("digitalocean-volumes", "ID", "DIGITALOCEAN_VOLUMES", "ID of a volume to attach"),
        text("digitalocean-vpc", "ID", "DIGITALOCEAN_VPC", "ID of the droplet's VPC"),
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
