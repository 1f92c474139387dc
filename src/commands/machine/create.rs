//! `create`: docker-machine's shared flags and the driver's own, resolved into a plan before anything is touched.

use std::sync::Arc;

use clap::{Arg, ArgMatches};
use futures_util::future::join_all;
use jiff::Timestamp;
use regex::Regex;
use rmachine_driver::{DraftRequest, Driver, Login, MachineName};

use crate::app::Context;
use crate::commands::shared::machine_options::{self, arg, resolve, ssh_timeout};
use crate::commands::shared::{Outcome, names_or_default};
use crate::environment::Environment;
use crate::machines::{CreatePlan, Run, engine_settings};
use crate::model::{Exit, Failure, Role};
use crate::provision::preview;
use crate::registry::{DEFAULT_DRIVER, DefaultDriver, Registry};
use crate::store::{HostConfig, OwnState, StoredMachine};
use crate::swarm::Making;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Names of the machines to create; ci-{1..3} means ci-1 ci-2 ci-3
    #[arg(value_name = "MACHINE")]
    names: Vec<String>,

    /// Continue a creation that failed or was interrupted
    #[arg(long)]
    resume: bool,

    /// Print what would be created and exit
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,

    /// Keep provider resources if creation fails
    #[arg(long)]
    keep_on_failure: bool,
}

/// The driver that these words ask for, by the flag or else by the environment.
pub(crate) fn chosen_driver(words: &[String], env: &Environment) -> Option<String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
        match bare {
            Some("d" | "driver") => return Some(words.next().cloned().unwrap_or_default()),
            Some(flag) => {
                if let Some(name) = flag.strip_prefix("d=").or_else(|| flag.strip_prefix("driver=")) {
                    return Some(name.to_owned());
                }
            }
            None => {}
        }
    }
    env.get("MACHINE_DRIVER").map(str::to_owned)
}

/// Whether these words create machines and leave their driver open.
pub(crate) fn leaves_driver_open(words: &[String], env: &Environment) -> bool {
    let commands = <crate::commands::root::Root as clap::CommandFactory>::command();
    let mut words_from_command = words.iter().skip_while(|w| commands.find_subcommand(w).is_none());
    let creates = match words_from_command.next().map(String::as_str) {
        Some("create") => true,
        Some("swarm") => words_from_command
            .find(|w| !w.starts_with('-') && *w != "help")
            .is_some_and(|verb| verb == "create"),
        _ => false,
    };
    creates && chosen_driver(words, env).is_none()
}

/// The driver whose flags these words may use: it loads its options before the words are parsed. Other commands open no
/// driver, whatever MACHINE_DRIVER names.
pub(crate) fn driver_with_flags(words: &[String], env: &Environment) -> Option<String> {
    let takes_flags = words.iter().any(|word| matches!(word.as_str(), "create" | "node-image"));
    takes_flags.then(|| chosen_driver(words, env)).flatten()
}

/// Gives `create` the flags of one driver. Of an unknown driver it has none; `run` says so.
pub(crate) fn augment(command: clap::Command, registry: &Registry, driver: &str) -> clap::Command {
    let known = registry.names().join(", ");
    let driver_arg = Arg::new("driver").long("driver").short('d').value_name("DRIVER").help(format!(
        "Driver that creates the machines: {known} [env: MACHINE_DRIVER] [default: the first available driver, else \
         {DEFAULT_DRIVER}]"
    ));
    let command =
        command.arg(driver_arg).args(machine_options::args(&machine_options::shared())).after_help(EXAMPLES);
    let Some(found) = registry.find(driver) else { return command };
    let heading = format!("Options of the driver {}", found.name());
    let own = found.options();
    command.args(own.iter().map(|s| arg(s).help_heading(heading.clone())))
}

const EXAMPLES: &str = "\
Without --driver, this help shows the options of the default driver. For those of another driver, run: rmachine create \
-d generic --help

Examples:
  rmachine create node1
  rmachine create -d docker --ttl 2h ci-{1..3}
  rmachine create -d generic --generic-ip-address 192.0.2.5 node2
  rmachine create -d generic --generic-ip-address 192.0.2.6 \\
      --generic-ssh-user debian --generic-ssh-key ~/.ssh/id_ed25519 \\
      --engine-install distro --engine-opt metrics-addr=0.0.0.0:9323 node3
  rmachine create --resume node3";

pub(crate) async fn run(ctx: &Context, args: &Args, matches: &ArgMatches) -> Outcome {
    let matches = matches.subcommand_matches("create").unwrap_or(matches);
    if args.resume {
        return resume(ctx, args, matches).await;
    }
    let names = names(ctx, args)?;
    report_default_driver(ctx);
    let plans = names
        .iter()
        .map(|n| plan(ctx, n.clone(), args.keep_on_failure, false, matches))
        .collect::<Result<Vec<_>, _>>()?;
    somebody_to_join(ctx, &plans)?;
    if args.dry_run {
        for plan in &plans {
            show(ctx, plan).await?;
        }
        return Ok(());
    }
    ctx.when_interrupted(interrupted(&ctx.program, &names));
    let swarm = ctx.swarm_for(names.len());
    tell_classic(ctx, matches);
    let makings = plans.into_iter().map(|plan| Making::Create(Box::new(plan))).collect();
    let results = swarm.create_nodes(makings).await;
    conclude(ctx, &names, results)
}

/// Reports which driver was chosen because none was named.
pub(crate) fn report_default_driver(ctx: &Context) {
    let open = chosen_driver(ctx.argv.get(1..).unwrap_or_default(), &ctx.env).is_none();
    // One that is not there either is told by its own error.
    if open && driver(ctx).is_ok() {
        let DefaultDriver { name, reason } = ctx.registry.default_driver();
        ctx.last_word(&format!("No driver is named: taking {name:?}, because {reason}."));
    }
}

/// Classic agents may come before their master; who names a cluster of today means one that is there.
fn somebody_to_join(ctx: &Context, plans: &[CreatePlan]) -> Result<(), Failure> {
    let swarm = ctx.swarm();
    for plan in plans {
        let classic = plan.config.host_options.swarm.is_swarm;
        let Some(wish) = plan.own.swarm.as_ref().filter(|m| m.role == Role::Worker && !classic) else {
            continue;
        };
        let members = swarm.members(&wish.cluster)?.members;
        if !members.iter().any(|m| m.membership.role == Role::Manager) {
            let cluster = &wish.cluster;
            return Err(Failure::usage(format!("no manager of the cluster {:?} is known", cluster.as_str()))
                .hint(format!(
                    "its first machine: {} create --swarm-cluster {cluster} --swarm-role manager NAME",
                    ctx.program
                )));
        }
    }
    Ok(())
}

/// Flags of the classic swarm that are accepted, and do nothing.
fn tell_classic(ctx: &Context, matches: &ArgMatches) {
    const DEAD: [&str; 6] =
        ["swarm-strategy", "swarm-image", "swarm-opt", "swarm-join-opt", "swarm-host", "swarm-experimental"];
    let given = resolve(&machine_options::shared(), matches, &Environment::default());
    let dead: Vec<_> = DEAD.into_iter().filter(|f| given.given(f)).map(|f| format!("--{f}")).collect();
    if !dead.is_empty() {
        let flags = dead.join(" ");
        ctx.last_word(&format!(
            "Without meaning in a swarm of today's engines: {flags} (kept in config.json)"
        ));
    }
    if (given.flag("swarm") || given.flag("swarm-master")) && given.text("swarm-discovery").is_empty() {
        ctx.last_word(
            "Without --swarm-discovery, which names the swarm, --swarm and --swarm-master do nothing.",
        );
    }
}

/// What was given this time replaces what was given before: a wrong engine option can be corrected.
async fn resume(ctx: &Context, args: &Args, matches: &ArgMatches) -> Outcome {
    let names = names_or_default(ctx, &expanded(&args.names))?;
    refuse_driver_flags(ctx, matches, &names)?;
    let given = resolve(&machine_options::shared(), matches, &Environment::default());
    let run = Run { ssh_timeout: ssh_timeout(&given)?, keep_on_failure: args.keep_on_failure };
    let amend = |machine: &mut StoredMachine| machine_options::apply(machine, &given);
    ctx.when_interrupted(interrupted(&ctx.program, &names));
    let swarm = ctx.swarm_for(names.len());
    let results = join_all(names.iter().map(|name| swarm.resume_node(name, &run, &amend))).await;
    conclude(ctx, &names, results)
}

/// They went into what the driver was asked for; what is there now may have been made of them.
fn refuse_driver_flags(ctx: &Context, matches: &ArgMatches, names: &[MachineName]) -> Result<(), Failure> {
    let specs = driver(ctx).map(|d| d.options()).unwrap_or_default();
    let given = resolve(&specs, matches, &Environment::default());
    let Some(flag) = specs.iter().find(|spec| given.given(&spec.name)) else { return Ok(()) };
    let message = format!("--{} cannot be changed by --resume", flag.name);
    let name = names.first().map_or("NAME", MachineName::as_str);
    Err(Failure::usage(message).hint(format!("{} rm {name}, and create it anew", ctx.program)))
}

/// One machine ends as docker-machine has it; several end with a line that counts them, and each failure by name.
fn conclude(ctx: &Context, names: &[MachineName], results: Vec<Result<(), Failure>>) -> Outcome {
    if let ([name], [result]) = (names, &results[..]) {
        return match result {
            Ok(()) => {
                point_out(ctx, name.as_str());
                Ok(())
            }
            Err(failure) => Err(failure.clone()),
        };
    }
    let (made, failed): (Vec<_>, Vec<_>) = names.iter().zip(results).partition(|(_, r)| r.is_ok());
    let made: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
    ctx.last_word(&format!("Created {} of {} machines: {}", made.len(), names.len(), made.join(" ")));
    if let Some(first) = made.first() {
        point_out(ctx, first);
    }
    // Of several, what one's driver refused is a failure like any other: the rest may have been made.
    let errors = failed.into_iter().filter_map(|(name, result)| {
        result.err().map(|f| Failure { exit: Exit::Failed, ..f }.prefix(&format!("{name}: ")))
    });
    Failure::join(errors.collect())
}

pub(crate) fn interrupted(program: &str, names: &[MachineName]) -> String {
    let names: Vec<&str> = names.iter().map(MachineName::as_str).collect();
    let names = names.join(" ");
    format!(
        "Interrupted. What was reached is kept: `{program} create --resume {names}` goes on, `{program} rm {names}` \
         removes it."
    )
}

fn point_out(ctx: &Context, name: &str) {
    let called = ctx.argv.first().map_or(ctx.program.as_str(), String::as_str);
    ctx.last_word(&format!(
        "To see how to connect your Docker Client to the Docker Engine running on this virtual machine, run: {called} \
         env {name}"
    ));
}

fn names(ctx: &Context, args: &Args) -> Result<Vec<MachineName>, Failure> {
    let words = expanded(&args.names);
    let extra = words.get(1..).unwrap_or_default();
    if !extra.is_empty() && !makes_several(ctx) {
        let extra = go_list(extra);
        return Err(Failure::new(format!("Invalid command line. Found extra arguments {extra}"))
            .hint("this driver makes one machine of one address: name only one"));
    }
    if words.first().is_none_or(String::is_empty) {
        let mut command = crate::commands::root::command(&ctx.program, &ctx.argv, &ctx.env, &ctx.registry);
        // Only then it knows its whole name and the global flags.
        command.build();
        if let Some(create) = command.find_subcommand_mut("create") {
            ctx.printer.raw(&create.render_help().to_string());
        }
        return Err(Failure::new("Error: No machine name specified"));
    }
    let mut names: Vec<MachineName> = Vec::new();
    for word in &words {
        let name = MachineName::parse(word).map_err(|e| Failure::because("Error creating machine", e))?;
        if names.contains(&name) {
            return Err(Failure::usage(format!("Error creating machine: {name} is named twice")));
        }
        names.push(name);
    }
    Ok(names)
}

/// A driver whose machines are hosts that are there already has one for one address.
fn makes_several(ctx: &Context) -> bool {
    driver(ctx).is_ok_and(|d| d.features().login == Login::Generated)
}

/// `ci-{1..3}` for shells that do not know it; braces are in no machine's name.
fn expanded(words: &[String]) -> Vec<String> {
    words.iter().flat_map(|word| range(word).unwrap_or_else(|| vec![word.clone()])).collect()
}

fn range(word: &str) -> Option<Vec<String>> {
    const MOST: u32 = 1000;
    let (before, rest) = word.split_once('{')?;
    let (range, after) = rest.split_once('}')?;
    let (first, last) = range.split_once("..")?;
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    let numbers = first..=last;
    (first <= last && last - first < MOST).then(|| numbers.map(|n| format!("{before}{n}{after}")).collect())
}

/// As Go prints a slice.
fn go_list(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

/// Everything resolved and refused that can be without asking anybody. `member`: the machine is a cluster's, whatever the
/// flags say.
pub(crate) fn plan(
    ctx: &Context,
    name: MachineName,
    keep_on_failure: bool,
    member: bool,
    matches: &ArgMatches,
) -> Result<CreatePlan, Failure> {
    let shared = resolve(&machine_options::shared(), matches, &ctx.env);
    let discovery = shared.text("swarm-discovery");
    if !discovery.is_empty() && !Regex::new("^[^:]*://.*").is_ok_and(|r| r.is_match(discovery)) {
        return Err(Failure::new(format!(
            "Error parsing swarm discovery: Swarm Discovery URL was in the wrong format: {discovery}"
        )));
    }
    let driver = driver(ctx)?;
    let own_options = resolve(&driver.options(), matches, &ctx.env);
    let member = member || machine_options::names_cluster(&shared);
    Ok(CreatePlan { keep_on_failure, ..plan_of(ctx, name, driver, &shared, &own_options, member)? })
}

/// The same of options that are resolved already.
pub(crate) fn plan_of(
    ctx: &Context,
    name: MachineName,
    driver: Arc<dyn Driver>,
    shared: &rmachine_driver::Options,
    own_options: &rmachine_driver::Options,
    member: bool,
) -> Result<CreatePlan, Failure> {
    let draft = driver
        .draft(&DraftRequest {
            name: &name,
            options: own_options,
            store_path: ctx.store.root(),
            machine_dir: &ctx.store.machine_dir(&name),
            member,
        })
        .map_err(|e| Failure::from(e).prefix("Error setting machine configuration from flags provided: "))?;
    let config = HostConfig::new(&name, driver.name(), draft.state, ctx.store.root());
    let mut machine = StoredMachine { config, own: OwnState::new(Timestamp::now()) };
    machine_options::apply(&mut machine, shared)?;
    machine_options::certificates(&mut machine.config, ctx);
    engine_settings(&machine.config).map_err(|e| e.prefix("Invalid engine options: "))?;
    if driver.features().ssh_config {
        ctx.machines().apply_ssh_config(&mut machine)?;
    }
    in_a_swarm(&mut machine, driver.as_ref(), shared)?;
    let StoredMachine { config, own } = machine;
    Ok(CreatePlan {
        name,
        driver,
        config,
        own,
        imports: draft.imports,
        secret: draft.secret,
        keep_on_failure: false,
        ssh_timeout: ssh_timeout(shared)?,
    })
}

/// A machine without a host is nobody's node; of the classic flags it keeps the record.
fn in_a_swarm(
    machine: &mut StoredMachine,
    driver: &dyn Driver,
    shared: &rmachine_driver::Options,
) -> Result<(), Failure> {
    if driver.features().host {
        return Ok(());
    }
    machine.own.swarm = None;
    if shared.given("swarm-cluster") {
        let name = driver.name();
        return Err(Failure::usage(format!(
            "--swarm-cluster: the driver {name:?} makes no hosts that could join"
        )));
    }
    Ok(())
}

fn driver(ctx: &Context) -> Result<Arc<dyn Driver>, Failure> {
    known_driver(&ctx.argv, &ctx.env, &ctx.registry)
}

/// The driver that these words ask for, if there is one.
pub(crate) fn known_driver(
    argv: &[String],
    env: &Environment,
    registry: &Registry,
) -> Result<Arc<dyn Driver>, Failure> {
    let chosen = chosen_driver(argv.get(1..).unwrap_or_default(), env);
    let why = if chosen.is_some() { "" } else { "none was named, and none works here without flags: " };
    let name = chosen.unwrap_or_else(|| registry.default_driver().name.clone());
    registry.find(&name).ok_or_else(|| {
        Failure::new(format!(
            "Driver {name:?} not found. Do you have the plugin binary \"docker-machine-driver-{name}\" accessible in \
             your PATH?"
        ))
        .hint(format!("{why}name one of these with -d: {}", registry.names().join(", ")))
    })
}

/// `--dry-run`: the machine as it would be written, and what its engine would be told.
async fn show(ctx: &Context, plan: &CreatePlan) -> Outcome {
    if ctx.store.exists(&plan.name) {
        return Err(Failure::new(format!("Docker machine {:?} already exists", plan.name.as_str())));
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
    let settings = plan.config.driver.settings();
    if !settings.is_empty() {
        ctx.printer.line(&format!("  driver: {}", settings.join(", ")));
    }
    match ctx.machines().quote(plan).await {
        Ok(None) => {}
        Ok(Some(price)) => ctx.printer.line(&format!("  {price}")),
        Err(e) => ctx.printer.line(&format!("  what it costs is not known: {}", e.message)),
    }
    if plan.driver.features().host {
        let settings = engine_settings(&plan.config)?;
        let port = address.engine_url.as_deref().and_then(|u| u.rsplit_once(':')?.1.parse().ok());
        let told = preview(&settings, port.unwrap_or(rmachine_driver::ENGINE_PORT));
        let told = told.map_err(Failure::from_error)?;
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
        let by_env = Environment::from([("MACHINE_DRIVER", "none")]);
        assert_eq!(chosen_driver(&words("create -d generic x"), &none).as_deref(), Some("generic"));
        assert_eq!(chosen_driver(&words("create x --driver=none"), &none).as_deref(), Some("none"));
        assert_eq!(chosen_driver(&words("create x"), &none), None);
        assert_eq!(chosen_driver(&words("create x"), &by_env).as_deref(), Some("none"));
        assert_eq!(chosen_driver(&words("ssh x -- -d generic"), &none), None);
    }

    #[test]
    fn only_commands_with_driver_flags_open_a_driver() {
        let by_env = Environment::from([("MACHINE_DRIVER", "none")]);
        for line in
            ["create x", "swarm create lab", "help create", "node-image build", "bash 2 rmachine create"]
        {
            assert_eq!(driver_with_flags(&words(line), &by_env).as_deref(), Some("none"), "{line}");
        }
        for line in ["ls -q", "rm x", "swarm ls"] {
            assert_eq!(driver_with_flags(&words(line), &by_env), None, "{line}");
        }
        assert_eq!(driver_with_flags(&words("create x"), &Environment::default()), None);
    }

    #[test]
    fn only_a_create_without_a_driver_looks_around() {
        let open = |line: &str| leaves_driver_open(&words(line), &Environment::default());
        assert!(open("create x") && open("-D -s /store create x") && open("create"));
        assert!(open("swarm create lab") && open("-D swarm -D create lab") && open("swarm help create"));
        for other in [
            "create -d none x",
            "swarm create -d none x",
            "swarm rm create",
            "ls",
            "ssh create",
            "--version",
            "",
        ] {
            assert!(!open(other), "{other}");
        }
        let by_env = Environment::from([("MACHINE_DRIVER", "none")]);
        assert!(!leaves_driver_open(&words("create x"), &by_env));
    }

    #[test]
    fn ranges_of_names() {
        let of = |word: &str| expanded(&[word.to_owned()]).join(" ");
        assert_eq!(of("ci-{1..3}"), "ci-1 ci-2 ci-3");
        assert_eq!(of("a{9..10}b"), "a9b a10b");
        for word in ["a", "{3..1}", "a{1,2}", "{1..5000}", "a{b..c}"] {
            assert_eq!(of(word), word);
        }
    }
}
