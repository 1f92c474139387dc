use crate::app::Context;
use crate::commands::shared::{OneName, Outcome, one_name};
use crate::machines::{Machine, Machines};
use crate::model::{Failure, Role};
use crate::ui::shell::Shell;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  eval $(rmachine env node1)               # bash, zsh
  rmachine env --shell fish node1 | source
  eval $(rmachine env -u)                  # unset the variables

rmachine reads the address from its store. With --check, it also connects to the engine, as `docker-machine env` does.")]
pub(crate) struct Args {
    #[command(flatten)]
    name: OneName,

    /// Shell to print for: bash, zsh, fish, powershell, cmd, tcsh or emacs [default: $SHELL]
    #[arg(long, value_name = "SHELL")]
    shell: Option<String>,

    /// Print the commands that unset the variables
    #[arg(long, short)]
    unset: bool,

    /// Add the machine's address to NO_PROXY
    #[arg(long)]
    no_proxy: bool,

    /// Point to the swarm of this manager (docker-machine's classic swarm)
    #[arg(long)]
    swarm: bool,

    /// Fail if the engine is unreachable or its certificate is invalid
    #[arg(long)]
    check: bool,
}

const KEYS: [&str; 4] = ["DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_MACHINE_NAME"];

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    if args.unset && !args.name.names.is_empty() {
        return Err(Failure::new("Error: Expected no machine name when the -u flag is present"));
    }
    let shell = shell(ctx, args.shell.as_deref())?;
    let lines = if args.unset { unset(ctx, shell, args) } else { set(ctx, shell, args).await? };
    ctx.printer.line(&format!("{}\n{}", lines.join("\n"), shell.hint(&command(ctx))));
    Ok(())
}

fn unset(ctx: &Context, shell: Shell, args: &Args) -> Vec<String> {
    let proxy = args.no_proxy.then(|| no_proxy_key(ctx));
    KEYS.into_iter().chain(proxy).map(|key| shell.unset(key)).collect()
}

async fn set(ctx: &Context, shell: Shell, args: &Args) -> Result<Vec<String>, Failure> {
    const PREFIX: &str = "Error checking TLS connection: ";
    let name = one_name(ctx, &args.name.names)?;
    let machines = ctx.machines();
    let machine = machines.load(&name)?;
    // docker-machine always asks, and Ansible skips hosts by the answer.
    let url = url(&machine, args.swarm).map_err(|e| e.prefix(PREFIX))?;
    if args.check || ctx.program == "docker-machine" {
        check(ctx, &machines, &machine, &url).await.map_err(|e| e.prefix(PREFIX))?;
    }
    if !machine.has_tls() {
        // The docker CLI goes through SSH by itself; what an earlier machine left would be in its way.
        return Ok(vec![
            shell.unset(KEYS[0]),
            shell.set(KEYS[1], &url),
            shell.unset(KEYS[2]),
            shell.set(KEYS[3], name.as_str()),
        ]);
    }
    let dir = ctx.store.machine_dir(&name).to_string_lossy().into_owned();
    let values = ["1", &url, &dir, name.as_str()];
    let mut lines: Vec<String> = KEYS.into_iter().zip(values).map(|(k, v)| shell.set(k, v)).collect();
    if args.no_proxy {
        let key = no_proxy_key(ctx);
        let address = machine.description().address.unwrap_or_default();
        lines.push(shell.set(key, &with_address(ctx.env.get(key).unwrap_or_default(), &address)));
    }
    Ok(lines)
}

/// Where the docker CLI is to be pointed: to the engine, or to the swarm that it is a manager of.
pub(super) fn url(machine: &Machine, swarm: bool) -> Result<String, Failure> {
    let engine = machine.description().engine_url.ok_or_else(not_running)?;
    // The managers of today's swarms are their engines, and answer where these do.
    let today = machine.stored.own.swarm.as_ref().is_some_and(|member| member.role == Role::Manager);
    if !swarm || today {
        return Ok(engine);
    }
    machine.manager_url().ok_or_else(|| {
        let name = machine.name.as_str();
        Failure::new(format!(
            "{name:?} is not a swarm master. The --swarm flag is intended for use with swarm masters"
        ))
    })
}

/// Whether a certificate that the machine's CA signed is shown there.
pub(super) async fn check(
    ctx: &Context,
    machines: &Machines,
    machine: &Machine,
    url: &str,
) -> Result<(), Failure> {
    if machines.is_known_to_be_down(machine).await {
        return Err(not_running().hint(format!("{} start {}", ctx.program, machine.name)));
    }
    let program = &ctx.program;
    let engine = machine.description().engine_url.unwrap_or_default();
    if let Err(failed) = machines.check_tls(machine).await {
        if machines.turns_out_to_be_down(machine).await {
            return Err(not_running().hint(format!("{program} start {}", machine.name)));
        }
        let host = engine.trim_start_matches("tcp://");
        return Err(Failure::new(format!(
            "Error checking and/or regenerating the certs: There was an error validating certificates for host \
             {host:?}: {failed}\nYou can attempt to regenerate them using '{program} regenerate-certs [name]'.\n\
             Be advised that this will trigger a Docker daemon restart which might stop running containers.\n"
        )));
    }
    if url == engine {
        return Ok(());
    }
    machines.check_swarm_tls(machine, url).await.map_err(|failed| {
        Failure::new(
            "Connection to Swarm cannot be checked but the certs are valid. Maybe swarm is not started",
        )
        .detail(failed)
    })
}

pub(super) fn not_running() -> Failure {
    Failure::new("Host is not running")
}

fn shell(ctx: &Context, named: Option<&str>) -> Result<Shell, Failure> {
    let from_env = || ctx.env.get("SHELL").and_then(|path| path.rsplit('/').next());
    if let Some(name) = named.or_else(from_env) {
        return Ok(Shell::named(name));
    }
    if cfg!(windows) {
        return Ok(Shell::Cmd);
    }
    ctx.printer.line(
        "The default lines below are for a sh/bash shell, you can specify the shell you're using, with the --shell \
         flag.\n",
    );
    Err(Failure::new("Error: Unknown shell"))
}

fn no_proxy_key(ctx: &Context) -> &'static str {
    if ctx.env.get("no_proxy").is_some() { "no_proxy" } else { "NO_PROXY" }
}

fn with_address(list: &str, address: &str) -> String {
    if list.contains(address) {
        list.to_owned()
    } else if list.is_empty() {
        address.to_owned()
    } else {
        format!("{list},{address}")
    }
}

/// The words we were called with, the program in quotes where a shell would split it.
fn command(ctx: &Context) -> String {
    let mut words = ctx.argv.clone();
    if let Some(program) = words.first_mut()
        && program.contains([' ', '\\'])
    {
        *program = format!("\"{program}\"");
    }
    words.join(" ")
}
