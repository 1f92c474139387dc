use std::path::PathBuf;
use std::sync::Arc;

use clap::ArgMatches;
use jiff::Timestamp;
use rmachine_driver::{DraftRequest, Driver, Login, MachineName, OptionSpec};

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::shared::machine_options::{self, arg, resolve};
use crate::environment::Environment;
use crate::machines::{AdoptPlan, TlsGiven};
use crate::model::Failure;
use crate::registry::Registry;
use crate::store::{Adopted, HostConfig, OwnState, StoredMachine};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine adds the host to its store and changes nothing on it. It connects to the engine's socket through SSH, for \
which the SSH user must be root or in the group docker, or to the engine's TLS port with the given certificate. `ls`, \
`ssh`, `env` and similar commands work as for any machine. `rm` removes the host from the store only. rmachine does \
not configure the host until you run `rmachine provision --force`.

Examples:
  rmachine adopt --generic-ip-address 192.0.2.5 --generic-ssh-user debian old1
  rmachine adopt --url tcp://192.0.2.6:2376 --tls-ca-cert ca.pem \\
      --tls-cert cert.pem --tls-key key.pem old2
  eval $(rmachine env old1) && docker ps")]
pub(crate) struct Args {
    /// Name of the new machine
    #[arg(value_name = "MACHINE")]
    name: String,

    /// CA certificate that signed the engine's certificate
    #[arg(long, value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    tls_ca_cert: Option<PathBuf>,

    /// Client certificate for the engine
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca_cert", "tls_key"])]
    tls_cert: Option<PathBuf>,

    /// Private key of the client certificate
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca_cert", "tls_cert"])]
    tls_key: Option<PathBuf>,
}

/// Engines that are there already are what these drivers are for.
fn drivers(registry: &Registry) -> impl Iterator<Item = &Arc<dyn Driver>> {
    registry.all().filter(|d| d.features().login == Login::Given)
}

fn host_key() -> Vec<OptionSpec> {
    machine_options::shared().into_iter().filter(|s| s.name == "ssh-host-key").collect()
}

pub(crate) fn augment(command: clap::Command, registry: &Registry) -> clap::Command {
    let own: Vec<OptionSpec> = drivers(registry).flat_map(|d| d.options()).chain(host_key()).collect();
    command.args(own.iter().map(|s| arg(s).help_heading("Address of the host")))
}

pub(crate) async fn run(ctx: &Context, args: &Args, matches: &ArgMatches) -> Outcome {
    let matches = matches.subcommand_matches("adopt").unwrap_or(matches);
    let name = MachineName::parse(&args.name).map_err(|e| Failure::because("Error creating machine", e))?;
    let plan = plan(ctx, name.clone(), args, matches)?;
    let version = ctx.machines().adopt(plan).await?;
    ctx.last_word(&format!("Adopted {name}: its engine is Docker {version}, and nothing on it was changed"));
    Ok(())
}

fn plan(ctx: &Context, name: MachineName, args: &Args, matches: &ArgMatches) -> Result<AdoptPlan, Failure> {
    let driver = driver(ctx, matches)?;
    let given = resolve(&driver.options(), matches, &Environment::default());
    let draft = driver.draft(&DraftRequest {
        name: &name,
        options: &given,
        store_path: ctx.store.root(),
        machine_dir: &ctx.store.machine_dir(&name),
        member: false,
    })?;
    let config = HostConfig::new(&name, driver.name(), draft.state, ctx.store.root());
    let mut machine = StoredMachine { config, own: OwnState::new(Timestamp::now()) };
    machine_options::apply(&mut machine, &resolve(&host_key(), matches, &Environment::default()))?;
    let tls = tls(args);
    let has_host = driver.features().host;
    machine.own.adopted = Some(if has_host && tls.is_none() { Adopted::Ssh } else { Adopted::Tls });
    if driver.features().ssh_config {
        ctx.machines().apply_ssh_config(&mut machine)?;
    }
    let StoredMachine { config, own } = machine;
    Ok(AdoptPlan { name, config, own, imports: draft.imports, tls })
}

fn tls(args: &Args) -> Option<TlsGiven> {
    let (ca, cert, key) = (args.tls_ca_cert.clone()?, args.tls_cert.clone()?, args.tls_key.clone()?);
    Some(TlsGiven { ca, cert, key })
}

/// The driver whose flags were given.
fn driver(ctx: &Context, matches: &ArgMatches) -> Result<Arc<dyn Driver>, Failure> {
    let given = |d: &&Arc<dyn Driver>| {
        let specs = d.options();
        let options = resolve(&specs, matches, &Environment::default());
        specs.iter().any(|s| options.given(&s.name))
    };
    let chosen: Vec<_> = drivers(&ctx.registry).filter(given).collect();
    match &chosen[..] {
        [one] => Ok(Arc::clone(one)),
        [] => Err(Failure::usage("where the engine is has not been said")
            .hint("--generic-ip-address ADDRESS reaches it by SSH, --url tcp://HOST:PORT by its port")),
        _ => Err(Failure::usage("an engine is reached by SSH or by its URL: give one of the two")),
    }
}
