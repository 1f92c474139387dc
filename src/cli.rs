//! The command line: global flags and the list of commands. `go` has the grammar that clap lacks, `help` the screens,
//! `refused` the sentences about words that make no sense.

mod go;
mod help;
mod refused;

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::{
    active, adopt, catalog, certs, cluster, completion, config, create, credentials, env, export, firewall,
    import, inspect, ip, kill, logs, ls, man, metrics, mount, node_image, provision, prune, regenerate_certs,
    restart, rm, run, scp, snapshot, ssh, stack, start, status, stop, swarm, top, upgrade, url, version,
};
use crate::context::Environment;
use crate::error::CommandError;
use crate::registry::Registry;
use crate::ui::Progress;

pub use go::int as go_int;
pub use refused::refused;

#[derive(Debug, Parser)]
#[command(
    name = "rmachine",
    about = "From nothing to a running Docker swarm, on whatever boots or answers SSH",
    disable_version_flag = true,
    disable_help_subcommand = false,
    arg_required_else_help = false,
    subcommand_required = false,
    infer_subcommands = false,
    max_term_width = 110,
    after_help = EXAMPLES
)]
pub struct Root {
    #[command(flatten)]
    pub globals: Globals,

    /// Print the version and exit
    #[arg(long, short = 'v')]
    pub version: bool,

    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  rmachine create -d generic --generic-ip-address 192.0.2.5 node1
  eval $(rmachine env node1) && docker info
  rmachine create --help          # each command has its own";

#[derive(Debug, Clone, Default, Args)]
pub struct Globals {
    /// Tell on stderr what is going on [env: MACHINE_DEBUG]
    #[arg(long, short = 'D', global = true)]
    pub debug: bool,

    /// Where machines and certificates are kept [env: MACHINE_STORAGE_PATH]
    #[arg(long, short = 's', value_name = "DIR")]
    pub storage_path: Option<PathBuf>,

    /// CA certificate for new machines [env: MACHINE_TLS_CA_CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_ca_cert: Option<PathBuf>,

    /// Key of that CA [env: MACHINE_TLS_CA_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_ca_key: Option<PathBuf>,

    /// Client certificate for new machines [env: MACHINE_TLS_CLIENT_CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_client_cert: Option<PathBuf>,

    /// Key of that client certificate [env: MACHINE_TLS_CLIENT_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_client_key: Option<PathBuf>,

    /// Progress as auto, plain, fancy, json, none
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW", hide_possible_values = true)]
    pub progress: Progress,

    /// Accepted for docker-machine's sake
    #[arg(long, hide = true, value_name = "TOKEN")]
    pub github_api_token: Option<String>,

    /// Accepted for docker-machine's sake: SSH is always done in process
    #[arg(long, hide = true)]
    pub native_ssh: bool,

    /// Accepted for docker-machine's sake: nothing is ever reported to anybody
    #[arg(long, hide = true, value_name = "TOKEN")]
    pub bugsnag_api_token: Option<String>,
}

impl Globals {
    /// What the command line left open.
    pub fn take_environment(&mut self, env: &Environment) -> Result<(), CommandError> {
        for (field, key) in [
            (&mut self.tls_ca_cert, "MACHINE_TLS_CA_CERT"),
            (&mut self.tls_ca_key, "MACHINE_TLS_CA_KEY"),
            (&mut self.tls_client_cert, "MACHINE_TLS_CLIENT_CERT"),
            (&mut self.tls_client_key, "MACHINE_TLS_CLIENT_KEY"),
        ] {
            if field.is_none() {
                *field = env.get(key).map(PathBuf::from);
            }
        }
        self.debug |= match env.get("MACHINE_DEBUG") {
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => false,
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => true,
            Some(other) => {
                return Err(CommandError::failed(format!(
                    "Error parsing boolean value from MACHINE_DEBUG: {other:?} is neither true nor false"
                )));
            }
        };
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the machine that $DOCKER_HOST points to
    Active(active::Args),
    /// Take in an engine that somebody else configured, and change nothing on it
    Adopt(adopt::Args),
    /// A list of a provider's: `augment` adds a command for each driver that has some
    #[command(skip)]
    Catalog(catalog::Asked),
    /// List certificates and when they end
    Certs(certs::Args),
    /// Plan, bring about, roll and remove a cluster that a file declares
    Cluster(cluster::Args),
    /// Print the script by which a shell completes our words
    Completion(completion::Args),
    /// Print the docker CLI's flags for a machine
    Config(config::Args),
    /// Create a machine
    #[command(disable_help_flag = false)]
    Create(create::Args),
    /// Keep, list and forget the secrets of accounts at providers
    Credentials(credentials::Args),
    /// Print the environment that points the docker CLI to a machine
    Env(env::Args),
    /// Write machines to an archive, for another computer
    Export(export::Args),
    /// Say who may reach a machine, at providers that keep the others away
    Firewall(firewall::Args),
    /// Take in machines of an archive
    Import(import::Args),
    /// Print what is known of a machine
    Inspect(inspect::Args),
    /// Print the address of machines
    Ip(ip::Args),
    /// Stop machines at once, by force
    Kill(kill::Args),
    /// Follow the logs of a swarm's services, of all nodes at once
    Logs(logs::Args),
    /// List machines
    Ls(ls::Args),
    /// Print or write manual pages
    Man(man::Args),
    /// Mount a folder of a machine here, by sshfs
    Mount(mount::Args),
    /// Tell a Prometheus outside where the engines are
    Metrics(metrics::Args),
    /// Build, list and remove the images that machines are made from
    NodeImage(node_image::Args),
    /// Install and configure the engine of machines again; changes only what differs
    Provision(provision::Args),
    /// Show, and with -y remove, expired machines and leftovers that no store knows
    Prune(prune::Args),
    /// Make new certificates for engines
    RegenerateCerts(regenerate_certs::Args),
    /// Restart machines
    Restart(restart::Args),
    /// Remove machines
    Rm(rm::Args),
    #[command(name = "__rsh", hide = true)]
    Rsh(scp::RshArgs),
    /// Copy files to, from and between machines
    Scp(scp::Args),
    /// Run a command on every node of a cluster
    Run(run::Args),
    /// Keep machines as they are now; list, bring back and forget what is kept
    Snapshot(snapshot::Args),
    /// Open a terminal on a machine, or run a command there
    Ssh(ssh::Args),
    /// Deploy sets of services on swarms: monitoring, logging, routing, your own
    Stack(stack::Args),
    /// Start machines
    Start(start::Args),
    /// Print whether a machine is running
    Status(status::Args),
    /// Stop machines
    Stop(stop::Args),
    /// Make swarms of machines, and look after them
    Swarm(swarm::Args),
    /// Upgrade the engine of machines
    Upgrade(upgrade::Args),
    /// Show how busy the nodes of a swarm are
    Top(top::Args),
    /// Print the URL of a machine's engine
    Url(url::Args),
    /// Print the version of this program, or of a machine's engine
    Version(version::Args),
}

/// The names of one machine or several; without one, the machine `default` is meant.
#[derive(Debug, Clone, Args)]
pub struct Names {
    /// Machines, worked on at once; without a name, the one called `default`
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// The name of one machine. More are taken too, so that docker-machine's sentence can be said of them.
#[derive(Debug, Clone, Args)]
pub struct OneName {
    /// The machine; without a name, the one called `default`
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

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
    help::screens(root, program)
}

/// Parses, with docker-machine's looser grammar taken care of.
pub fn parse(
    program: &str,
    argv: &[String],
    env: &Environment,
    registry: &Registry,
) -> Result<(Root, clap::ArgMatches), clap::Error> {
    let mut command = command(program, argv, env, registry);
    // Flags that clap adds itself, like --help, are known only after this.
    command.build();
    let words = go::normalize(argv, &command);
    let matches = command.try_get_matches_from_mut(words)?;
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

/// The command that is meant, whatever is wrong with its flags, and the one below it.
fn subcommands(program: &str, argv: &[String], env: &Environment, registry: &Registry) -> Vec<String> {
    let mut command = command(program, argv, env, registry).ignore_errors(true);
    command.build();
    let words = go::normalize(argv, &command);
    let matches = command.try_get_matches_from(words).unwrap_or_default();
    let mut path = Vec::new();
    let mut at = matches.subcommand();
    while let Some((name, below)) = at {
        path.push(name.to_owned());
        at = below.subcommand();
    }
    path
}
