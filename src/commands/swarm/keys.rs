//! Tokens and keys: printed where they are asked for, read from where they do not show.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::{each, which};
use crate::model::{Failure, Role};

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Worker,
    Manager,
}

#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// Swarm, or one of its machines
    #[arg(value_name = "SWARM")]
    cluster: String,

    /// Role of the nodes that join with the token: worker or manager
    #[arg(value_name = "ROLE", value_enum, default_value = "worker", hide_possible_values = true)]
    role: Kind,

    /// Replace the token; the old one becomes invalid
    #[arg(long)]
    rotate: bool,

    /// Print the token only
    #[arg(long, short)]
    quiet: bool,
}

impl Token {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let swarm = ctx.swarm();
        let cluster = which(&swarm, Some(&self.cluster))?;
        let role = match self.role {
            Kind::Worker => Role::Worker,
            Kind::Manager => Role::Manager,
        };
        let token = swarm.token(&cluster, role, self.rotate).await?;
        ctx.printer.line(token.secret.expose_secret());
        if !self.quiet && ctx.printer.stdout_is_terminal() {
            let (program, name) = (&ctx.program, &cluster.name);
            let flag = if role == Role::Manager { " --manager" } else { "" };
            ctx.printer.error_line(&format!(
                "Machines need it not: {program} swarm join NODE --cluster {name}{flag}. Others join at {}.",
                token.managers.join(" or ")
            ));
        }
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Swarm, or one of its machines [default: the only swarm]
    #[arg(value_name = "SWARM")]
    cluster: Option<String>,

    /// Turn the lock off, so that restarted managers need no key
    #[arg(long)]
    off: bool,
}

impl Which {
    pub(super) async fn lock(&self, ctx: &Context) -> Outcome {
        let swarm = ctx.swarm();
        let cluster = which(&swarm, self.cluster.as_deref())?;
        swarm.autolock(&cluster, !self.off).await?;
        if !self.off {
            ctx.last_word(&format!(
                "A manager that starts now waits for its key. `{} swarm unlock-key {}` prints it: keep it.",
                ctx.program, cluster.name
            ));
        }
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Key {
    /// Swarm, or one of its machines [default: the only swarm]
    #[arg(value_name = "SWARM")]
    cluster: Option<String>,

    /// Replace the key; the old one becomes invalid
    #[arg(long)]
    rotate: bool,
}

impl Key {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let swarm = ctx.swarm();
        let cluster = which(&swarm, self.cluster.as_deref())?;
        let key = swarm.unlock_key(&cluster, self.rotate).await?;
        ctx.printer.line(key.expose_secret());
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine asks an unlocked manager for the key. If there is none, it reads the key from --key-file, from standard input, \
or from the terminal. It takes no key from the command line, where other users could see it.

Examples:
  rmachine swarm unlock lab
  rmachine swarm unlock lab < key.txt")]
pub(super) struct Unlock {
    /// Swarm, or one of its machines [default: the only swarm]
    #[arg(value_name = "SWARM")]
    cluster: Option<String>,

    /// File with the unlock key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Unlock {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let swarm = ctx.swarm();
        let cluster = which(&swarm, self.cluster.as_deref())?;
        let locked = swarm.locked_managers(&cluster).await;
        if locked.is_empty() {
            ctx.last_word(&format!("No manager of the swarm {} is locked", cluster.name));
            return Ok(());
        }
        let key = match &self.key_file {
            Some(path) => read_key(path)?,
            None => match swarm.unlock_key_if_reachable(&cluster).await {
                Some(key) => key,
                None => ask()?,
            },
        };
        let names: Vec<String> = locked.iter().map(ToString::to_string).collect();
        each(ctx, &names, true, async |name| swarm.unlock(name, &key).await).await?;
        ctx.last_word(&format!("Unlocked {}", names.join(" ")));
        Ok(())
    }
}

fn read_key(path: &std::path::Path) -> Result<SecretString, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::because(format!("open {}", path.display()), e))?;
    key(&text)
}

fn ask() -> Result<SecretString, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let typed = rpassword::prompt_password("Unlock key: ").map_err(Failure::from_error)?;
        return key(&typed);
    }
    let mut text = String::new();
    stdin.lock().read_to_string(&mut text).map_err(Failure::from_error)?;
    key(&text)
}

/// The key itself is in no error.
fn key(text: &str) -> Result<SecretString, Failure> {
    let text = text.trim();
    if text.starts_with("SWMKEY-") {
        return Ok(SecretString::from(text));
    }
    Err(Failure::new("no key was given: an unlock key begins with SWMKEY-").hint(
        "give it with --key-file, or at standard input; a manager that is open tells it: swarm unlock-key",
    ))
}
