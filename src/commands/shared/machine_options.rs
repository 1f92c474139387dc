//! The flags that `create` and `provision` share, and how flags, environment and defaults become values.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use jiff::{SignedDuration, Timestamp};
use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{OptionKind, OptionSpec, Options, Source, Value};

use crate::app::Context;
use crate::cluster;
use crate::environment::Environment;
use crate::model::{ClusterName, Failure, InstallMethod, Membership, Role, SwarmSettings};
use crate::provision::EngineVersion;
use crate::store::{HostConfig, List, OwnState, StoredMachine};

fn text(name: &'static str, default: &'static str, value: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::text(default), help).value_name(value)
}

fn list(name: &'static str, value: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::list(), help).value_name(value)
}

fn switch(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::Flag, help)
}

/// Past, for a machine that has an engine, or of the way to it alone.
const INSTALLATION: [&str; 4] = ["engine-install", "engine-install-url", "ssh-timeout", "ssh-host-key"];

/// The flags that every driver's `create` has.
pub(crate) fn shared() -> Vec<OptionSpec> {
    [engine(), access(), swarm(), classic_swarm()].concat()
}

fn engine() -> Vec<OptionSpec> {
    vec![
        text(
            "engine-install",
            "script",
            "METHOD",
            "How to install Docker if the host has no engine: script, distro or none",
        )
        .env("MACHINE_ENGINE_INSTALL"),
        text(
            "engine-install-url",
            "https://get.docker.com",
            "URL",
            "Script to download and run for --engine-install script",
        )
        .env("MACHINE_DOCKER_INSTALL_URL"),
        text("engine-version", "", "VERSION", "Docker version to install: 26, 26.1 or 26.1.5")
            .env("MACHINE_ENGINE_VERSION"),
        list(
            "engine-opt",
            "KEY=VALUE",
            "Daemon option, written as dockerd's flag without dashes: metrics-addr=0.0.0.0:9323",
        ),
        list("engine-label", "KEY=VALUE", "Label of the engine: env=prod"),
        list("engine-insecure-registry", "REGISTRY", "Registry that the engine may use without TLS"),
        list("engine-registry-mirror", "URL", "Registry mirror: https://mirror.example.com")
            .env("ENGINE_REGISTRY_MIRROR"),
        text("engine-storage-driver", "", "NAME", "Storage driver (default: chosen by the engine)"),
        list(
            "engine-env",
            "KEY=VALUE",
            "Environment variable of the engine: HTTP_PROXY=http://192.0.2.1:3128",
        ),
    ]
}

fn access() -> Vec<OptionSpec> {
    vec![
        list("tls-san", "HOST", "Additional host name or IP address in the engine's certificate"),
        text("ttl", "", "DURATION", "Time after which `prune` removes the machine: 90m, 2h, 1d"),
        text(
            "ssh-host-key",
            "",
            "FINGERPRINT",
            "Fingerprint (SHA256:...) of the host key to require on the first connection",
        ),
        OptionSpec::new(
            "ssh-timeout",
            OptionKind::Int(0),
            "Seconds to wait for SSH [default: chosen by the driver]",
        )
        .value_name("SECONDS")
        .env("MACHINE_SSH_TIMEOUT"),
    ]
}

fn swarm() -> Vec<OptionSpec> {
    vec![
        text(
            "swarm-cluster",
            "",
            "SWARM",
            "Swarm to join when the machine is ready; the first manager initializes it",
        ),
        text("swarm-role", "worker", "ROLE", "Role in the swarm: manager or worker"),
    ]
}

/// docker-machine's flags for the swarm that preceded swarm mode.
fn classic_swarm() -> Vec<OptionSpec> {
    const IGNORED: &str = "Ignored; accepted for docker-machine compatibility";
    vec![
        switch("swarm", "Join the swarm that --swarm-discovery names (docker-machine's flag)"),
        text("swarm-image", "swarm:latest", "IMAGE", IGNORED).env("MACHINE_SWARM_IMAGE").hidden(),
        switch(
            "swarm-master",
            "Join the swarm that --swarm-discovery names as a manager; the first manager initializes it",
        ),
        text("swarm-discovery", "", "URL", "Name of the swarm for --swarm and --swarm-master: token://NAME"),
        text("swarm-strategy", "spread", "NAME", IGNORED).hidden(),
        list("swarm-opt", "OPTION", IGNORED).hidden(),
        list("swarm-join-opt", "OPTION", IGNORED).hidden(),
        text("swarm-host", "tcp://0.0.0.0:3376", "URL", IGNORED).hidden(),
        text("swarm-addr", "", "ADDRESS", "Address that the node advertises with --swarm or --swarm-master"),
        switch("swarm-experimental", IGNORED).hidden(),
    ]
}

/// The heading in help; none for the flags that stand with those of the command itself.
fn heading(spec: &OptionSpec) -> Option<&'static str> {
    let headings = [
        ("engine-", "Engine options"),
        ("tls-", "TLS and SSH options"),
        ("ssh-", "TLS and SSH options"),
        ("swarm", "Swarm options"),
    ];
    headings.into_iter().find(|(begin, _)| spec.name.starts_with(begin)).map(|(_, heading)| heading)
}

/// The flags below their headings.
pub(crate) fn args(specs: &[OptionSpec]) -> impl Iterator<Item = Arg> {
    specs.iter().map(|spec| arg(spec).help_heading(heading(spec)))
}

pub(crate) fn arg(spec: &OptionSpec) -> Arg {
    let action = match spec.kind {
        OptionKind::Flag => ArgAction::SetTrue,
        OptionKind::List(_) => ArgAction::Append,
        OptionKind::Int(_) | OptionKind::Text(_) => ArgAction::Set,
    };
    let name = spec.name.to_string();
    let arg = Arg::new(name.clone()).long(name).help(help(spec)).action(action).hide(spec.hidden);
    let value = spec.value_name.to_string();
    match spec.kind {
        OptionKind::Flag => arg,
        OptionKind::Int(_) => {
            arg.value_name(value).allow_negative_numbers(true).value_parser(crate::commands::shared::go_int)
        }
        OptionKind::Text(_) | OptionKind::List(_) => arg.value_name(value).allow_hyphen_values(true),
    }
}

fn help(spec: &OptionSpec) -> String {
    let mut help = spec.help.to_string();
    match &spec.kind {
        OptionKind::Text(default) if !default.is_empty() => help.push_str(&format!(" [default: {default}]")),
        OptionKind::Int(default) if *default != 0 => help.push_str(&format!(" [default: {default}]")),
        _ => {}
    }
    if let Some(env) = &spec.env {
        help.push_str(&format!(" [env: {env}]"));
    }
    help
}

/// The shared flags that make sense for a machine that is there already.
pub(crate) fn amendments() -> Vec<OptionSpec> {
    let amends =
        |s: &OptionSpec| s.name.starts_with("engine-") || s.name.starts_with("ssh-") || s.name == "tls-san";
    shared().into_iter().filter(amends).collect()
}

/// Flag, else environment, else default.
pub(crate) fn resolve(specs: &[OptionSpec], matches: &ArgMatches, env: &Environment) -> Options {
    let mut options = Options::defaults(specs);
    for spec in specs {
        if let Some(value) = given(spec, matches) {
            options.set(&spec.name, value, Source::Given);
        } else if let Some(value) =
            spec.env.as_ref().and_then(|key| env.get(key)).and_then(|text| from_env(spec, text))
        {
            options.set(&spec.name, value, Source::Environment);
        }
    }
    options
}

/// What a cluster's file says, else environment, else default.
pub(crate) fn from_file(specs: &[OptionSpec], file: &cluster::Options, env: &Environment) -> Options {
    let mut options = Options::defaults(specs);
    for spec in specs {
        let from_env =
            || spec.env.as_ref().and_then(|key| env.get(key)).and_then(|text| from_env(spec, text));
        if let Some(given) = file.get(spec.name.as_ref()) {
            options.set(&spec.name, given.value.clone(), Source::Given);
        } else if let Some(value) = from_env() {
            options.set(&spec.name, value, Source::Environment);
        }
    }
    options
}

/// For a machine that is there: what the file no longer says is taken back. How its engine was installed stays as it was.
pub(crate) fn amendments_from_file(file: &cluster::Options, env: &Environment) -> Options {
    let specs: Vec<_> =
        amendments().into_iter().filter(|s| !INSTALLATION.contains(&s.name.as_ref())).collect();
    let mut options = from_file(&specs, file, env);
    let silent: Vec<_> =
        specs.iter().filter(|s| !options.given(&s.name) && s.name != "engine-version").collect();
    let defaults = Options::defaults(&specs);
    for spec in silent {
        let value = match spec.kind {
            OptionKind::List(_) => Value::List(defaults.list(&spec.name).to_vec()),
            _ => Value::Text(defaults.text(&spec.name).to_owned()),
        };
        options.set(&spec.name, value, Source::Given);
    }
    options
}

fn given(spec: &OptionSpec, matches: &ArgMatches) -> Option<Value> {
    match spec.kind {
        OptionKind::Flag => matches.get_flag(&spec.name).then_some(Value::Flag(true)),
        OptionKind::Int(_) => matches.get_one::<i64>(&spec.name).map(|n| Value::Int(*n)),
        OptionKind::Text(_) => matches.get_one::<String>(&spec.name).map(|t| text_value(spec, t)),
        OptionKind::List(_) => {
            matches.get_many::<String>(&spec.name).map(|l| Value::List(l.cloned().collect()))
        }
    }
}

/// docker-machine ignores what it cannot read here, and so do the scripts that set it.
fn from_env(spec: &OptionSpec, text: &str) -> Option<Value> {
    match spec.kind {
        OptionKind::Flag => {
            matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True").then_some(Value::Flag(true))
        }
        OptionKind::Int(_) => crate::commands::shared::go_int(text.trim()).ok().map(Value::Int),
        OptionKind::Text(_) => Some(text_value(spec, text)),
        OptionKind::List(_) => Some(Value::List(text.split(',').map(|t| t.trim().to_owned()).collect())),
    }
}

fn text_value(spec: &OptionSpec, text: &str) -> Value {
    if spec.secret { Value::Secret(SecretString::from(text)) } else { Value::Text(text.to_owned()) }
}

/// Puts what was given into a machine, under docker-machine's keys; the rest stays as it is.
pub(crate) fn apply(machine: &mut StoredMachine, given: &Options) -> Result<(), Failure> {
    own_state(&mut machine.own, given)?;
    plausible(given)?;
    apply_engine(&mut machine.config, given);
    apply_classic_swarm(&mut machine.config, given);
    membership(machine, given)
}

/// The cluster that flags name, today's or the classic ones. One that it has joined stays.
fn membership(machine: &mut StoredMachine, given: &Options) -> Result<(), Failure> {
    let classic = &machine.config.host_options.swarm;
    let settings = SwarmSettings {
        advertise: Some(classic.address.clone()).filter(|a| !a.is_empty()),
        ..SwarmSettings::default()
    };
    let wish = if given.given("swarm-cluster") {
        let cluster = ClusterName::parse(given.text("swarm-cluster"));
        let cluster = cluster.map_err(|e| Failure::usage(format!("--swarm-cluster: {e}")))?;
        Membership::new(cluster, role(given.text("swarm-role"))?, settings)
    } else if classic.is_swarm {
        let Some(cluster) = ClusterName::of_discovery(&classic.discovery) else { return Ok(()) };
        Membership::new(cluster, if classic.master { Role::Manager } else { Role::Worker }, settings)
    } else if given.given("swarm-role") {
        return Err(Failure::usage("--swarm-role says nothing without --swarm-cluster"));
    } else {
        return Ok(());
    };
    if !machine.own.swarm.as_ref().is_some_and(Membership::has_joined) {
        machine.own.swarm = Some(wish);
    }
    Ok(())
}

/// Whether these flags make a machine the member of a cluster.
pub(crate) fn names_cluster(given: &Options) -> bool {
    let classic = given.flag("swarm") || given.flag("swarm-master");
    given.given("swarm-cluster")
        || (classic && ClusterName::of_discovery(given.text("swarm-discovery")).is_some())
}

fn role(text: &str) -> Result<Role, Failure> {
    match text {
        "manager" => Ok(Role::Manager),
        "worker" => Ok(Role::Worker),
        _ => Err(Failure::usage(format!("--swarm-role must be manager or worker, not {text:?}"))),
    }
}

fn own_state(own: &mut OwnState, given: &Options) -> Result<(), Failure> {
    if given.given("engine-install") {
        own.install_method = install_method(given.text("engine-install"))?;
    }
    if given.given("engine-version") {
        let version = given.text("engine-version");
        EngineVersion::parse(version).map_err(|e| Failure::usage(format!("--engine-version: {e}")))?;
        own.engine_version = Some(version.to_owned());
    }
    if given.given("ttl") {
        own.expires = Some(expiry(given.text("ttl"), Timestamp::now())?);
    }
    if given.given("ssh-host-key") {
        own.host_key = fingerprint(given.text("ssh-host-key"))?;
    }
    Ok(())
}

/// A whole number and its unit, or several of them: 1h30m.
fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let refused = || Failure::usage(format!("--ttl must be a time like 90m, 2h or 1d, not {text:?}"));
    let mut seconds: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
        let number: i64 = rest[..end].parse().map_err(|_| refused())?;
        let unit = match rest[end..].chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86400,
            _ => return Err(refused()),
        };
        seconds = number.checked_mul(unit).and_then(|n| n.checked_add(seconds)).ok_or_else(refused)?;
        rest = &rest[end + 1..];
    }
    if seconds == 0 {
        return Err(refused());
    }
    now.checked_add(SignedDuration::from_secs(seconds)).map_err(|_| refused())
}

/// What would only be found wrong on the host, after a while.
fn plausible(given: &Options) -> Result<(), Failure> {
    let url = given.text("engine-install-url");
    let blank = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
    if given.given("engine-install-url") && (!url.contains("://") || blank(url)) {
        return Err(Failure::usage(format!("--engine-install-url must be a URL, not {url:?}")));
    }
    match given.list("tls-san").iter().find(|name| name.is_empty() || blank(name)) {
        Some(name) => Err(Failure::usage(format!("--tls-san must be a name or an address, not {name:?}"))),
        None => Ok(()),
    }
}

fn install_method(text: &str) -> Result<InstallMethod, Failure> {
    match text {
        "script" => Ok(InstallMethod::Script),
        "distro" => Ok(InstallMethod::Distro),
        "none" => Ok(InstallMethod::None),
        _ => {
            let message = format!("--engine-install must be script, distro or none, not {text:?}");
            Err(Failure::usage(message))
        }
    }
}

/// A fingerprint stands in the place of the key until the key has been seen.
fn fingerprint(text: &str) -> Result<Option<String>, Failure> {
    let hash = text.strip_prefix("SHA256:").map(|h| h.trim_end_matches('='));
    let is_base64 = |h: &str| h.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/');
    match hash {
        _ if text.is_empty() => Ok(None),
        Some(hash) if hash.len() == 43 && is_base64(hash) => Ok(Some(format!("SHA256:{hash}"))),
        _ => Err(Failure::usage(format!(
            "--ssh-host-key must be a fingerprint as `ssh-keygen -lf` shows it (SHA256: and 43 characters), not {text:?}"
        ))),
    }
}

pub(crate) fn ssh_timeout(shared: &Options) -> Result<Option<Duration>, Failure> {
    match u64::try_from(shared.int("ssh-timeout")) {
        Ok(0) => Ok(None),
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
        Err(_) => Err(Failure::usage("--ssh-timeout must not be negative")),
    }
}

fn apply_engine(config: &mut HostConfig, given: &Options) {
    let engine = &mut config.host_options.engine;
    for (field, flag) in [
        (&mut engine.arbitrary_flags, "engine-opt"),
        (&mut engine.env, "engine-env"),
        (&mut engine.insecure_registry, "engine-insecure-registry"),
        (&mut engine.labels, "engine-label"),
        (&mut engine.registry_mirror, "engine-registry-mirror"),
        (&mut config.host_options.auth.server_cert_sans, "tls-san"),
    ] {
        set_list(field, given, flag);
    }
    set_text(&mut engine.storage_driver, given, "engine-storage-driver");
    set_text(&mut engine.install_url, given, "engine-install-url");
}

fn apply_classic_swarm(config: &mut HostConfig, given: &Options) {
    let swarm = &mut config.host_options.swarm;
    swarm.agent |= given.flag("swarm");
    swarm.master |= given.flag("swarm-master");
    swarm.is_swarm = swarm.agent || swarm.master;
    swarm.is_experimental |= given.flag("swarm-experimental");
    set_text(&mut swarm.address, given, "swarm-addr");
    set_text(&mut swarm.discovery, given, "swarm-discovery");
    set_text(&mut swarm.host, given, "swarm-host");
    set_text(&mut swarm.image, given, "swarm-image");
    set_text(&mut swarm.strategy, given, "swarm-strategy");
    set_list(&mut swarm.arbitrary_flags, given, "swarm-opt");
    set_list(&mut swarm.arbitrary_join_flags, given, "swarm-join-opt");
    let host = if swarm.master { swarm.host.clone() } else { String::new() };
    config.driver.set("SwarmMaster", swarm.master);
    config.driver.set("SwarmHost", host);
    config.driver.set("SwarmDiscovery", swarm.discovery.clone());
}

fn set_list(field: &mut List, given: &Options, flag: &str) {
    if given.given(flag) {
        // An empty word takes back what was given before.
        *field = Some(given.list(flag).iter().filter(|word| !word.is_empty()).cloned().collect());
    }
}

fn set_text(field: &mut String, given: &Options, flag: &str) {
    if given.given(flag) {
        given.text(flag).clone_into(field);
    }
}

/// Certificates from elsewhere, where the global flags name some.
pub(crate) fn certificates(config: &mut HostConfig, ctx: &Context) {
    let auth = &mut config.host_options.auth;
    for (field, file) in [
        (&mut auth.ca_cert_path, &ctx.globals.tls_ca_cert),
        (&mut auth.ca_private_key_path, &ctx.globals.tls_ca_key),
        (&mut auth.client_cert_path, &ctx.globals.tls_client_cert),
        (&mut auth.client_key_path, &ctx.globals.tls_client_key),
    ] {
        if let Some(file) = file {
            *field = file.to_string_lossy().into_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        let good = format!("SHA256:{}", "a".repeat(43));
        assert_eq!(fingerprint(&good).unwrap().as_deref(), Some(good.as_str()));
        assert_eq!(fingerprint("").unwrap(), None);
        for bad in ["SHA256:", "MD5:aa", "a", "SHA256:$(id)"] {
            assert!(fingerprint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn environment_fills_what_flags_leave() {
        let specs = [
            list("engine-registry-mirror", "URL", "").env("ENGINE_REGISTRY_MIRROR"),
            switch("b", "").env("B"),
        ];
        let matches = clap::Command::new("x").args(specs.iter().map(arg)).get_matches_from(["x"]);
        let environment =
            Environment::from([("ENGINE_REGISTRY_MIRROR", "https://a, https://b"), ("B", "true")]);
        let options = resolve(&specs, &matches, &environment);
        assert_eq!(options.list("engine-registry-mirror"), ["https://a", "https://b"]);
        assert!(options.flag("b") && options.given("b"));
    }

    #[test]
    fn times_to_live() {
        let now = Timestamp::UNIX_EPOCH;
        let seconds = |text: &str| expiry(text, now).map(Timestamp::as_second).ok();
        assert_eq!(seconds("90m"), Some(5400));
        assert_eq!(seconds("1d2h"), Some(93600));
        for bad in ["", "2", "h", "2w", "-2h", "0s", "2 h", "99999999999999999999h", "9999999999d"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
