//! `create`: docker-machine's shared flags and the driver's own, resolved into a plan before anything is touched.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use jiff::Timestamp;
use regex::Regex;
use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{DraftRequest, Driver, MachineName, OptionKind, OptionSpec, Options, Source, Value};

use crate::context::{Context, Environment};
use crate::error::CommandError;
use crate::lifecycle::{CreatePlan, Failure, engine_settings};
use crate::provision::{EngineVersion, preview};
use crate::registry::{DEFAULT_DRIVER, Registry};
use crate::store::{HostConfig, InstallMethod, OwnState, StoredMachine};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Go on with a machine whose making failed or was interrupted
    #[arg(long)]
    resume: bool,

    /// Show what would be made, and make nothing
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
}

const fn text(name: &'static str, default: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, kind: OptionKind::Text(default), env: None, help, secret: false }
}

const fn list(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, kind: OptionKind::List(&[]), env: None, help, secret: false }
}

const fn switch(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, kind: OptionKind::Flag, env: None, help, secret: false }
}

const fn env(mut spec: OptionSpec, env: &'static str) -> OptionSpec {
    spec.env = Some(env);
    spec
}

/// The flags that every driver's `create` has.
fn shared_options() -> Vec<OptionSpec> {
    vec![
        env(
            text(
                "engine-install",
                "script",
                "How an engine gets there that is not there yet: script, distro or none",
            ),
            "MACHINE_ENGINE_INSTALL",
        ),
        env(
            text(
                "engine-install-url",
                "https://get.docker.com",
                "Script that --engine-install script downloads and runs",
            ),
            "MACHINE_DOCKER_INSTALL_URL",
        ),
        env(
            text("engine-version", "", "Engine version to install: 26, 26.1 or 26.1.5"),
            "MACHINE_ENGINE_VERSION",
        ),
        list("engine-opt", "Engine option, as dockerd's flag without dashes: metrics-addr=0.0.0.0:9323"),
        list("engine-label", "Label of the engine: env=prod"),
        list("engine-insecure-registry", "Registry to be spoken to without TLS"),
        env(
            list("engine-registry-mirror", "Mirror of the registry: https://mirror.example.com"),
            "ENGINE_REGISTRY_MIRROR",
        ),
        text("engine-storage-driver", "", "Storage driver, where the engine is not to choose"),
        list("engine-env", "Environment variable of the engine: HTTP_PROXY=http://192.0.2.1:3128"),
        list("tls-san", "Further name or address in the engine's certificate"),
        text("ssh-host-key", "", "Fingerprint (SHA256:...) of the only host key to accept at first contact"),
        OptionSpec {
            name: "ssh-timeout",
            kind: OptionKind::Int(0),
            env: Some("MACHINE_SSH_TIMEOUT"),
            help: "Seconds to wait for SSH to answer [default: the driver's]",
            secret: false,
        },
        switch("swarm", "Classic swarm: accepted and kept in config.json"),
        env(text("swarm-image", "swarm:latest", "Classic swarm: image"), "MACHINE_SWARM_IMAGE"),
        switch("swarm-master", "Classic swarm: this machine is its master"),
        text("swarm-discovery", "", "Classic swarm: discovery service"),
        text("swarm-strategy", "spread", "Classic swarm: scheduling strategy"),
        list("swarm-opt", "Classic swarm: option of the manager"),
        list("swarm-join-opt", "Classic swarm: option of the agent"),
        text("swarm-host", "tcp://0.0.0.0:3376", "Classic swarm: where the master listens"),
        text("swarm-addr", "", "Classic swarm: address to advertise"),
        switch("swarm-experimental", "Classic swarm: experimental features"),
    ]
}

/// The driver that these words ask for: the flag, else the environment, else docker-machine's default.
pub fn chosen_driver(words: &[String], env: &Environment) -> String {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
        match bare {
            Some("d" | "driver") => return words.next().cloned().unwrap_or_default(),
            Some(flag) => {
                if let Some(name) = flag.strip_prefix("d=").or_else(|| flag.strip_prefix("driver=")) {
                    return name.to_owned();
                }
            }
            None => {}
        }
    }
    env.get("MACHINE_DRIVER").unwrap_or(DEFAULT_DRIVER).to_owned()
}

/// Gives `create` the flags of one driver. Of an unknown driver it has none; `run` says so.
pub fn augment(command: clap::Command, registry: &Registry, driver: &str) -> clap::Command {
    let known = registry.names().join(", ");
    let driver_arg = Arg::new("driver").long("driver").short('d').value_name("DRIVER").help(format!(
        "Driver that makes the machine: {known} [env: MACHINE_DRIVER] [default: {DEFAULT_DRIVER}]"
    ));
    let command = command
        .arg(driver_arg)
        .args(shared_options().iter().map(|s| arg(s).help_heading("Engine, TLS, SSH")));
    let Some(found) = registry.find(driver) else { return command };
    let heading = format!("Driver {}", found.name());
    let own = found.options();
    command.args(own.iter().map(|s| arg(s).help_heading(heading.clone()))).after_help(EXAMPLES)
}

const EXAMPLES: &str = "\
The flags of a driver are shown when it is named: rmachine create -d generic --help

Examples:
  rmachine create -d generic --generic-ip-address 192.0.2.5 --generic-ssh-user debian \\
      --generic-ssh-key ~/.ssh/id_ed25519 --engine-opt metrics-addr=0.0.0.0:9323 node1
  rmachine create -d generic --generic-ip-address 192.0.2.6 --engine-install distro node2
  rmachine create --resume node2";

fn arg(spec: &OptionSpec) -> Arg {
    let action = match spec.kind {
        OptionKind::Flag => ArgAction::SetTrue,
        OptionKind::List(_) => ArgAction::Append,
        OptionKind::Int(_) | OptionKind::Text(_) => ArgAction::Set,
    };
    let arg = Arg::new(spec.name).long(spec.name).help(help(spec)).action(action);
    match spec.kind {
        OptionKind::Flag => arg,
        OptionKind::Int(_) => {
            arg.value_name("N").allow_negative_numbers(true).value_parser(clap::value_parser!(i64))
        }
        OptionKind::Text(_) | OptionKind::List(_) => arg.value_name("VALUE").allow_hyphen_values(true),
    }
}

fn help(spec: &OptionSpec) -> String {
    let mut help = spec.help.to_owned();
    match spec.kind {
        OptionKind::Text(default) if !default.is_empty() => help.push_str(&format!(" [default: {default}]")),
        OptionKind::Int(default) if default != 0 => help.push_str(&format!(" [default: {default}]")),
        _ => {}
    }
    if let Some(env) = spec.env {
        help.push_str(&format!(" [env: {env}]"));
    }
    help
}

/// Flag, else environment, else default.
fn resolve(specs: &[OptionSpec], matches: &ArgMatches, env: &Environment) -> Options {
    let mut options = Options::defaults(specs);
    for spec in specs {
        if let Some(value) = given(spec, matches) {
            options.set(spec.name, value, Source::Given);
        } else if let Some(value) =
            spec.env.and_then(|key| env.get(key)).and_then(|text| from_env(spec, text))
        {
            options.set(spec.name, value, Source::Environment);
        }
    }
    options
}

fn given(spec: &OptionSpec, matches: &ArgMatches) -> Option<Value> {
    match spec.kind {
        OptionKind::Flag => matches.get_flag(spec.name).then_some(Value::Flag(true)),
        OptionKind::Int(_) => matches.get_one::<i64>(spec.name).map(|n| Value::Int(*n)),
        OptionKind::Text(_) => matches.get_one::<String>(spec.name).map(|t| text_value(spec, t)),
        OptionKind::List(_) => {
            matches.get_many::<String>(spec.name).map(|l| Value::List(l.cloned().collect()))
        }
    }
}

/// docker-machine ignores what it cannot read here, and so do the scripts that set it.
fn from_env(spec: &OptionSpec, text: &str) -> Option<Value> {
    match spec.kind {
        OptionKind::Flag => {
            matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True").then_some(Value::Flag(true))
        }
        OptionKind::Int(_) => text.trim().parse().ok().map(Value::Int),
        OptionKind::Text(_) => Some(text_value(spec, text)),
        OptionKind::List(_) => Some(Value::List(text.split(',').map(|t| t.trim().to_owned()).collect())),
    }
}

fn text_value(spec: &OptionSpec, text: &str) -> Value {
    if spec.secret { Value::Secret(SecretString::from(text)) } else { Value::Text(text.to_owned()) }
}

pub async fn run(ctx: &Context, args: &Args, matches: &ArgMatches) -> super::Outcome {
    let matches = matches.subcommand_matches("create").unwrap_or(matches);
    let name = name(ctx, args)?;
    if args.resume {
        return resume(ctx, args, matches).await;
    }
    let plan = plan(ctx, name, matches)?;
    if args.dry_run {
        return show(ctx, &plan);
    }
    let name = plan.name.clone();
    ctx.when_interrupted(interrupted(&ctx.program, &name));
    ctx.lifecycle().create(plan).await?;
    point_out(ctx, &name);
    Ok(())
}

async fn resume(ctx: &Context, args: &Args, matches: &ArgMatches) -> super::Outcome {
    let name = super::one_name(ctx, &args.names)?;
    let options = resolve(&shared_options(), matches, &ctx.env);
    ctx.when_interrupted(interrupted(&ctx.program, &name));
    ctx.lifecycle().resume(&name, ssh_timeout(&options)?).await?;
    point_out(ctx, &name);
    Ok(())
}

fn interrupted(program: &str, name: &MachineName) -> String {
    format!(
        "Interrupted. What was reached is kept: `{program} create --resume {name}` goes on, `{program} rm {name}` \
         removes it."
    )
}

fn point_out(ctx: &Context, name: &MachineName) {
    let called = ctx.argv.first().map_or(ctx.program.as_str(), String::as_str);
    ctx.printer.line(&format!(
        "To see how to connect your Docker Client to the Docker Engine running on this virtual machine, run: {called} \
         env {name}"
    ));
}

fn name(ctx: &Context, args: &Args) -> Result<MachineName, CommandError> {
    if let Some((_, extra)) = args.names.split_first()
        && !extra.is_empty()
    {
        return Err(CommandError::usage(format!(
            "Invalid command line. Found extra arguments {}",
            go_list(extra)
        )));
    }
    let Some(name) = args.names.first().filter(|n| !n.is_empty()) else {
        let mut command = crate::cli::command(&ctx.program, &ctx.argv, &ctx.env, &ctx.registry);
        if let Some(create) = command.find_subcommand_mut("create") {
            ctx.printer.raw(&create.render_help().to_string());
        }
        return Err(CommandError::usage("Error: No machine name specified"));
    };
    MachineName::parse(name).map_err(|e| CommandError::failed(format!("Error creating machine: {e}")))
}

/// As Go prints a slice.
fn go_list(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

/// Everything resolved and refused that can be without asking anybody.
fn plan(ctx: &Context, name: MachineName, matches: &ArgMatches) -> Result<CreatePlan, CommandError> {
    let shared = resolve(&shared_options(), matches, &ctx.env);
    let discovery = shared.text("swarm-discovery");
    if !discovery.is_empty() && !Regex::new("^[^:]*://.*").is_ok_and(|r| r.is_match(discovery)) {
        return Err(CommandError::failed(format!(
            "Error parsing swarm discovery: Swarm Discovery URL was in the wrong format: {discovery}"
        )));
    }
    let driver = driver(ctx)?;
    let own_options = resolve(&driver.options(), matches, &ctx.env);
    let draft = driver
        .draft(&DraftRequest {
            name: &name,
            options: &own_options,
            store_path: ctx.store.root(),
            machine_dir: &ctx.store.machine_dir(&name),
        })
        .map_err(|e| {
            CommandError::from(Failure::from(e))
                .prefix("Error setting machine configuration from flags provided: ")
        })?;
    let mut machine = StoredMachine {
        config: HostConfig::new(&name, driver.name(), draft.state, ctx.store.root()),
        own: own_state(&shared)?,
    };
    fill(&mut machine.config, &shared, ctx);
    engine_settings(&machine.config).map_err(|e| e.prefix("Invalid engine options: "))?;
    if driver.features().ssh_config {
        ctx.lifecycle().apply_ssh_config(&mut machine)?;
    }
    let StoredMachine { config, own } = machine;
    Ok(CreatePlan { name, driver, config, own, imports: draft.imports, ssh_timeout: ssh_timeout(&shared)? })
}

fn driver(ctx: &Context) -> Result<std::sync::Arc<dyn Driver>, CommandError> {
    let name = chosen_driver(ctx.argv.get(1..).unwrap_or_default(), &ctx.env);
    ctx.registry.find(&name).ok_or_else(|| {
        CommandError::failed(format!(
            "Driver {name:?} not found. Do you have the plugin binary \"docker-machine-driver-{name}\" accessible in \
             your PATH?"
        ))
        .hint(format!("name one of these with -d: {}", ctx.registry.names().join(", ")))
    })
}

fn own_state(shared: &Options) -> Result<OwnState, CommandError> {
    let mut own = OwnState::new(Timestamp::now());
    own.install_method = match shared.text("engine-install") {
        "script" => InstallMethod::Script,
        "distro" => InstallMethod::Distro,
        "none" => InstallMethod::None,
        other => {
            return Err(CommandError::usage(format!(
                "--engine-install must be script, distro or none, not {other:?}"
            )));
        }
    };
    let version = shared.text("engine-version");
    if !version.is_empty() {
        EngineVersion::parse(version).map_err(|e| CommandError::usage(format!("--engine-version: {e}")))?;
        own.engine_version = Some(version.to_owned());
    }
    own.host_key = fingerprint(shared.text("ssh-host-key"))?;
    Ok(own)
}

/// A fingerprint stands in the place of the key until the key has been seen.
pub(super) fn fingerprint(text: &str) -> Result<Option<String>, CommandError> {
    let hash = text.strip_prefix("SHA256:").map(|h| h.trim_end_matches('='));
    let is_base64 = |h: &str| h.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/');
    match hash {
        _ if text.is_empty() => Ok(None),
        Some(hash) if hash.len() == 43 && is_base64(hash) => Ok(Some(format!("SHA256:{hash}"))),
        _ => Err(CommandError::usage(format!(
            "--ssh-host-key must be a fingerprint as `ssh-keygen -lf` shows it (SHA256: and 43 characters), not {text:?}"
        ))),
    }
}

fn ssh_timeout(shared: &Options) -> Result<Option<Duration>, CommandError> {
    match u64::try_from(shared.int("ssh-timeout")) {
        Ok(0) => Ok(None),
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
        Err(_) => Err(CommandError::usage("--ssh-timeout must not be negative")),
    }
}

/// Flags into docker-machine's fields.
fn fill(config: &mut HostConfig, shared: &Options, ctx: &Context) {
    let list = |name: &str| Some(shared.list(name).to_vec());
    let text = |name: &str| shared.text(name).to_owned();
    let engine = &mut config.host_options.engine;
    engine.arbitrary_flags = list("engine-opt");
    engine.env = list("engine-env");
    engine.insecure_registry = list("engine-insecure-registry");
    engine.labels = list("engine-label");
    engine.registry_mirror = list("engine-registry-mirror");
    engine.storage_driver = text("engine-storage-driver");
    engine.install_url = text("engine-install-url");
    let swarm = &mut config.host_options.swarm;
    swarm.agent = shared.flag("swarm");
    swarm.master = shared.flag("swarm-master");
    swarm.is_swarm = swarm.agent || swarm.master;
    swarm.address = text("swarm-addr");
    swarm.discovery = text("swarm-discovery");
    swarm.host = text("swarm-host");
    swarm.image = text("swarm-image");
    swarm.strategy = text("swarm-strategy");
    swarm.arbitrary_flags = list("swarm-opt");
    swarm.arbitrary_join_flags = list("swarm-join-opt");
    swarm.is_experimental = shared.flag("swarm-experimental");
    let (master, host, discovery) = (swarm.master, swarm.host.clone(), swarm.discovery.clone());
    config.driver.set("SwarmMaster", master);
    config.driver.set("SwarmHost", if master { host } else { String::new() });
    config.driver.set("SwarmDiscovery", discovery);
    let auth = &mut config.host_options.auth;
    auth.server_cert_sans = list("tls-san");
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

/// `--dry-run`: the machine as it would be written, and what its engine would be told.
fn show(ctx: &Context, plan: &CreatePlan) -> super::Outcome {
    if ctx.store.exists(&plan.name) {
        return Err(CommandError::failed(format!("Docker machine {:?} already exists", plan.name.as_str())));
    }
    let address = plan.driver.describe(&plan.config.driver);
    ctx.printer.line(&format!("Would create machine {} with the driver {}", plan.name, plan.driver.name()));
    if let Some(endpoint) = &address.endpoint {
        ctx.printer.line(&format!("  SSH: {endpoint}"));
    }
    if let Some(url) = &address.engine_url {
        ctx.printer.line(&format!("  engine: {url}"));
    }
    ctx.printer.line(&format!("  folder: {}", ctx.store.machine_dir(&plan.name).display()));
    if plan.driver.features().host {
        let settings = engine_settings(&plan.config)?;
        let port = address.engine_url.as_deref().and_then(|u| u.rsplit_once(':')?.1.parse().ok());
        let told = preview(&settings, port.unwrap_or(rmachine_driver::ENGINE_PORT));
        let told = told.map_err(|e| CommandError::failed(e.to_string()))?;
        ctx.printer.line(&format!("  merged into /etc/docker/daemon.json:\n{}", told.trim_end()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_driver_is_found_before_parsing() {
        let none = Environment::default();
        assert_eq!(chosen_driver(&words("create -d generic x"), &none), "generic");
        assert_eq!(chosen_driver(&words("create x --driver=none"), &none), "none");
        assert_eq!(chosen_driver(&words("create x"), &none), "virtualbox");
        assert_eq!(
            chosen_driver(&words("create x"), &Environment::from([("MACHINE_DRIVER", "none")])),
            "none"
        );
        assert_eq!(chosen_driver(&words("ssh x -- -d generic"), &none), "virtualbox");
    }

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
        let specs =
            [env(list("engine-registry-mirror", ""), "ENGINE_REGISTRY_MIRROR"), env(switch("b", ""), "B")];
        let matches = clap::Command::new("x").args(specs.iter().map(arg)).get_matches_from(["x"]);
        let environment =
            Environment::from([("ENGINE_REGISTRY_MIRROR", "https://a, https://b"), ("B", "true")]);
        let options = resolve(&specs, &matches, &environment);
        assert_eq!(options.list("engine-registry-mirror"), ["https://a", "https://b"]);
        assert!(options.flag("b") && options.given("b"));
    }
}
