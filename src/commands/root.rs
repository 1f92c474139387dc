//! The list of commands: what each is called, where it stands in the help, and what runs it.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app::{Context, Globals};
use crate::cli::help::Groups;
use crate::cli::refused::Refused;
use crate::cli::{go, help, refused};
use crate::commands::access::{active, config, env, ip, mount, run, scp, ssh, url};
use crate::commands::engine::{certs, node_image, provision, regenerate_certs, upgrade};
use crate::commands::machine::{
    adopt, create, export, firewall, import, inspect, kill, ls, prune, restart, rm, snapshot, start, status,
    stop,
};
use crate::commands::observe::{logs, metrics, top};
use crate::commands::program::{catalog, completion, credentials, man, version};
use crate::commands::shared::Outcome;
use crate::commands::{cluster, stack, swarm};
use crate::environment::Environment;
use crate::registry::Registry;

#[derive(Debug, Parser)]
#[command(
    name = "rmachine",
    about = "Create and manage Docker hosts and swarms",
    disable_version_flag = true,
    disable_help_subcommand = false,
    arg_required_else_help = false,
    subcommand_required = false,
    infer_subcommands = false,
    max_term_width = 110,
    after_help = EXAMPLES
)]
pub(crate) struct Root {
    #[command(flatten)]
    pub(crate) globals: Globals,

    /// Print the version and exit
    #[arg(long, short = 'v')]
    pub(crate) version: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  rmachine create node1
  eval $(rmachine env node1) && docker info
  rmachine swarm create --managers 3 --workers 2 lab

Run 'rmachine COMMAND --help' for the options of a command.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the machine that DOCKER_HOST points to
    Active(active::Args),
    /// Add an existing Docker host without changing it
    Adopt(adopt::Args),
    /// A list of a provider's: `augment` adds a command for each driver that has some
    #[command(skip)]
    Catalog(catalog::Asked),
    /// List certificates and when they expire
    Certs(certs::Args),
    /// Create, update and remove swarms declared in a file
    Cluster(cluster::Args),
    /// Print the completion script for a shell
    Completion(completion::Args),
    /// Print the docker CLI flags for a machine
    Config(config::Args),
    /// Create machines
    #[command(disable_help_flag = false)]
    Create(create::Args),
    /// Save, list and remove access tokens of cloud providers
    Credentials(credentials::Args),
    /// Print the variables that point the docker CLI to a machine
    Env(env::Args),
    /// Write machines to an archive
    Export(export::Args),
    /// Set the cloud firewall of a machine
    Firewall(firewall::Args),
    /// Add the machines of an archive
    Import(import::Args),
    /// Print the full configuration of a machine
    #[command(alias = "show")]
    Inspect(inspect::Args),
    /// Print the IP address of machines
    Ip(ip::Args),
    /// Power off machines without shutting them down
    Kill(kill::Args),
    /// Follow the logs of a swarm's services
    Logs(logs::Args),
    /// List machines
    Ls(ls::Args),
    /// Print or write manual pages
    Man(man::Args),
    /// Mount a directory of a machine with SSHFS
    Mount(mount::Args),
    /// Print scrape targets for Prometheus
    Metrics(metrics::Args),
    /// Build, list and remove images for new machines
    NodeImage(node_image::Args),
    /// Install or reconfigure Docker on machines
    Provision(provision::Args),
    /// List or remove expired machines and orphaned resources
    Prune(prune::Args),
    /// Replace the certificates of machines
    RegenerateCerts(regenerate_certs::Args),
    /// Restart machines
    Restart(restart::Args),
    /// Remove machines
    Rm(rm::Args),
    #[command(name = "__rsh", hide = true)]
    Rsh(scp::RshArgs),
    /// Copy files to, from and between machines
    Scp(scp::Args),
    /// Run a command on every node of a swarm
    Run(run::Args),
    /// Create, list, restore and remove snapshots of machines
    Snapshot(snapshot::Args),
    /// Log in to a machine, or run a command on it
    Ssh(ssh::Args),
    /// Deploy stacks of services: monitoring, logging, your own
    Stack(stack::Args),
    /// Start machines
    Start(start::Args),
    /// Print the state of a machine
    Status(status::Args),
    /// Stop machines
    Stop(stop::Args),
    /// Create, change and remove swarms
    Swarm(swarm::Args),
    /// Upgrade Docker on machines
    Upgrade(upgrade::Args),
    /// Show the CPU, memory and disk load of a swarm's nodes
    Top(top::Args),
    /// Print the URL of a machine's Docker engine
    Url(url::Args),
    /// Print the version of this program or of a machine's engine
    Version(version::Args),
}

/// The headings of the first screen, each with its commands.
const GROUPS: Groups = &[
    ("Machines", &["create", "ls", "status", "inspect", "start", "stop", "restart", "kill", "rm"]),
    ("Connections", &["env", "ssh", "scp", "mount", "ip", "url", "active", "config"]),
    ("Swarms", &["swarm", "cluster", "stack", "run", "top", "logs", "metrics"]),
    ("Docker engines", &["provision", "upgrade", "certs", "regenerate-certs"]),
    ("Maintenance", &["adopt", "export", "import", "snapshot", "firewall", "prune", "node-image"]),
    ("Program", &["credentials", "completion", "man", "version", "help"]),
    ("Cloud providers", &[]),
];

/// Words of other programs, each with the command that does the same here.
const SYNONYMS: &[(&str, &str)] = &[
    ("delete", "rm"),
    ("remove", "rm"),
    ("destroy", "rm"),
    ("list", "ls"),
    ("ps", "ls"),
    ("shell", "ssh"),
    ("exec", "ssh"),
    ("login", "ssh"),
    ("cp", "scp"),
    ("nodes", "swarm status"),
    ("swarm nodes", "swarm status"),
    ("cluster nodes", "cluster status"),
    ("cluster ls", "swarm ls"),
];

/// Builds the whole command for these words: `create` gets the flags of the driver they ask for.
pub fn command(program: &str, words: &[String], env: &Environment, registry: &Registry) -> clap::Command {
    let driver = create::chosen_driver(words, env).unwrap_or_else(|| registry.default_driver().name.clone());
    let root = Root::command().name(program.to_owned()).bin_name(program.to_owned());
    let root = root
        .mut_subcommand("create", |c| create::augment(c, registry, &driver))
        .mut_subcommand("adopt", |c| adopt::augment(c, registry))
        .mut_subcommand("node-image", |c| node_image::augment(c, words, env, registry))
        .mut_subcommand("provision", provision::augment)
        .mut_subcommand("swarm", |c| swarm::augment(c, registry, &driver))
        .subcommands(catalog::commands(registry))
        // A flag that is given twice has the last value, as in Go.
        .args_override_self(true);
    help::screens(root, program, GROUPS)
}

/// Parses, with docker-machine's looser grammar taken care of.
pub(crate) fn parse(
    program: &str,
    argv: &[OsString],
    words: &[String],
    env: &Environment,
    registry: &Registry,
) -> Result<(Root, clap::ArgMatches), clap::Error> {
    let mut command = command(program, words, env, registry);
    // Flags that clap adds itself, like --help, are known only after this.
    command.build();
    let matches = command.try_get_matches_from_mut(go::normalize(argv, &command))?;
    let root = match catalog::asked(&matches, registry) {
        Some(asked) => Root {
            globals: Globals::from_arg_matches(&matches)?,
            version: false,
            command: Some(Command::Catalog(asked)),
        },
        None => Root::from_arg_matches(&matches)?,
    };
    Ok((root, matches))
}

/// What remains of a command line that clap refused: help is printed, everything else is a failure.
pub(crate) fn refused(
    program: &str,
    argv: &[String],
    error: &clap::Error,
    env: &Environment,
    registry: &Registry,
) -> Outcome {
    if refused::print_answer(error) {
        return Ok(());
    }
    let path = subcommands(program, argv, env, registry);
    let flag = refused::unknown_flag(error);
    // Its flags are unknown because the driver is.
    if flag.is_some() && path.first().is_some_and(|name| name == "create") {
        create::known_driver(argv, env, registry)?;
    }
    let mut root = command(program, argv, env, registry);
    root.build();
    let flag_owner =
        flag.and_then(|flag| registry.owner_of(flag.split(['=', ' ']).next().unwrap_or_default()));
    Err(refused::failure(&Refused {
        program,
        argv,
        error,
        root: &root,
        path: &path,
        synonyms: SYNONYMS,
        flag_owner: flag_owner.as_deref(),
    }))
}

/// The command that is meant, whatever is wrong with its flags, and the one below it.
fn subcommands(program: &str, argv: &[String], env: &Environment, registry: &Registry) -> Vec<String> {
    let mut command = command(program, argv, env, registry).ignore_errors(true);
    command.build();
    let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
    let words = go::normalize(&argv, &command);
    let matches = command.try_get_matches_from(words).unwrap_or_default();
    let mut path = Vec::new();
    let mut at = matches.subcommand();
    while let Some((name, below)) = at {
        path.push(name.to_owned());
        at = below.subcommand();
    }
    path
}

/// Runs one command to its end.
pub(crate) async fn run(ctx: &Context, command: Command, matches: &clap::ArgMatches) -> Outcome {
    match command {
        Command::Active(args) => active::run(ctx, &args).await,
        Command::Adopt(args) => adopt::run(ctx, &args, matches).await,
        Command::Catalog(args) => catalog::run(ctx, &args).await,
        Command::Certs(args) => certs::run(ctx, &args),
        Command::Cluster(args) => cluster::run(ctx, &args).await,
        Command::Completion(args) => completion::run(ctx, &args),
        Command::Config(args) => config::run(ctx, &args).await,
        Command::Create(args) => create::run(ctx, &args, matches).await,
        Command::Credentials(args) => credentials::run(ctx, &args).await,
        Command::Env(args) => env::run(ctx, &args).await,
        Command::Export(args) => export::run(ctx, &args),
        Command::Firewall(args) => firewall::run(ctx, &args).await,
        Command::Import(args) => import::run(ctx, &args).await,
        Command::Inspect(args) => inspect::run(ctx, &args),
        Command::Ip(args) => ip::run(ctx, &args),
        Command::Kill(args) => kill::run(ctx, &args).await,
        Command::Logs(args) => logs::run(ctx, &args).await,
        Command::Ls(args) => ls::run(ctx, &args).await,
        Command::Man(args) => man::run(ctx, &args),
        Command::Mount(args) => mount::run(ctx, &args).await,
        Command::Metrics(args) => metrics::run(ctx, &args),
        Command::NodeImage(args) => node_image::run(ctx, &args, matches).await,
        Command::Provision(args) => provision::run(ctx, &args, matches).await,
        Command::Prune(args) => prune::run(ctx, &args).await,
        Command::RegenerateCerts(args) => regenerate_certs::run(ctx, &args).await,
        Command::Restart(args) => restart::run(ctx, &args).await,
        Command::Rm(args) => rm::run(ctx, &args).await,
        Command::Rsh(args) => scp::rsh_run(ctx, &args).await,
        Command::Scp(args) => scp::run(ctx, &args).await,
        Command::Run(args) => run::run(ctx, &args).await,
        Command::Snapshot(args) => snapshot::run(ctx, &args).await,
        Command::Ssh(args) => ssh::run(ctx, &args).await,
        Command::Stack(args) => stack::run(ctx, &args).await,
        Command::Start(args) => start::run(ctx, &args).await,
        Command::Status(args) => status::run(ctx, &args).await,
        Command::Stop(args) => stop::run(ctx, &args).await,
        Command::Upgrade(args) => upgrade::run(ctx, &args).await,
        Command::Swarm(args) => swarm::run(ctx, &args, matches).await,
        Command::Top(args) => top::run(ctx, &args).await,
        Command::Url(args) => url::run(ctx, &args),
        Command::Version(args) => version::run(ctx, &args).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_but_those_of_drivers_has_a_group() {
        let registry = Registry::default();
        let root = command("rmachine", &[], &Environment::default(), &registry);
        let has_group = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
        for command in root.get_subcommands().filter(|c| !c.is_hide_set() && !has_group(c.get_name())) {
            let name = command.get_name();
            assert!(registry.find(name).is_some(), "{name} is in no group");
        }
    }
}
