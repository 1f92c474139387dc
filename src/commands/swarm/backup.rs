//! When managers are lost, and before they are.

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::app::Context;
use crate::commands::shared::{Outcome, SURE, confirmed, one_name};
use crate::commands::swarm::cluster_name;
use crate::model::Failure;
use crate::ssh::local_stdin;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine stops the engine of the node while it copies the state, because a copy of a running engine may be \
inconsistent. The containers of the node stop; with three managers the swarm keeps its quorum. The backup contains \
the keys of the swarm.

Examples:
  rmachine swarm backup node2 > lab.backup
  rmachine swarm backup --file lab.backup node2  # only you can read the file")]
pub(super) struct Backup {
    /// Manager to back up
    #[arg(value_name = "NODE")]
    node: String,

    /// File to write, readable only by you [default: standard output]
    #[arg(long, alias = "output", short_alias = 'o', value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Backup {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let name = one_name(ctx, std::slice::from_ref(&self.node))?;
        let mut quiet = ctx.swarm();
        if self.file.is_none() {
            if ctx.printer.stdout_is_terminal() {
                return Err(Failure::usage("a backup is no text for a terminal, and holds keys")
                    .hint(format!("{} swarm backup --file FILE {name}", ctx.program)));
            }
            // Standard output is the archive's.
            quiet.machines.reporter = std::sync::Arc::new(rmachine_driver::Silent);
            return quiet.backup(&name, tokio::io::stdout()).await;
        }
        let mut bytes = Vec::new();
        quiet.backup(&name, &mut bytes).await?;
        let path = self.file.clone().unwrap_or_default();
        ctx.store.write_file(&path, &bytes, 0o600).map_err(Failure::from_error)?;
        ctx.last_word(&format!("Wrote {}: it holds the keys of the swarm", path.display()));
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rmachine swarm restore node1 --cluster lab < lab.backup
  rmachine swarm restore node1 --cluster lab --file lab.backup")]
pub(super) struct Restore {
    /// Machine to restore the backup on; it becomes the only manager
    #[arg(value_name = "NODE")]
    node: String,

    /// Name of the restored swarm [default: the swarm of the machine]
    #[arg(long, value_name = "SWARM")]
    cluster: Option<String>,

    /// Backup to read [default: standard input]
    #[arg(long, alias = "input", short_alias = 'i', value_name = "FILE")]
    file: Option<PathBuf>,

    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

impl Restore {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let name = one_name(ctx, std::slice::from_ref(&self.node))?;
        let swarm = ctx.swarm();
        swarm.machines.load(&name)?;
        let cluster = match (&self.cluster, swarm.membership(&name)?) {
            (Some(given), _) => cluster_name(given)?,
            (None, Some(member)) => member.cluster,
            (None, None) => {
                return Err(Failure::usage("name the swarm with --cluster: the machine belongs to none"));
            }
        };
        if self.file.is_none() && std::io::stdin().is_terminal() {
            return Err(Failure::usage("a backup is to come from standard input, or from --file"));
        }
        // Standard input may be the archive.
        if self.file.is_some() && !self.yes {
            ctx.printer.line(&format!("What {name} knows of a swarm is replaced by the backup."));
            if !confirmed(ctx, SURE, "-y")? {
                return Ok(());
            }
        }
        match &self.file {
            None => swarm.restore(&name, &cluster, local_stdin()).await?,
            Some(path) => {
                let file = std::fs::File::open(path)
                    .map_err(|e| Failure::because(format!("open {}", path.display()), e))?;
                swarm.restore(&name, &cluster, tokio::fs::File::from_std(file)).await?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The node initializes a new swarm from its state. Services, networks, secrets and workers stay, and the node is the only \
manager. Changes that only the lost managers recorded are lost. Use this command only if the quorum is lost for good.")]
pub(super) struct Recover {
    /// Manager to recover from
    #[arg(value_name = "NODE")]
    node: String,

    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

impl Recover {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let name = one_name(ctx, std::slice::from_ref(&self.node))?;
        let swarm = ctx.swarm();
        ctx.printer.line(&format!(
            "{name} makes a new swarm of what it knows: services, networks, secrets and workers stay, it is the only \
             manager.\nWhat the other managers decided without it is lost, and they must not come back as managers: each \
             has to\nleave with --force and join again. Do this only when they are gone for good."
        ));
        if !self.yes && !confirmed(ctx, SURE, "-y")? {
            return Ok(());
        }
        swarm.recover(&name).await?;
        let cluster = swarm.membership(&name)?.map(|m| m.cluster.to_string()).unwrap_or_default();
        ctx.last_word(&format!(
            "`{0} swarm status {cluster}` shows what is left; `{0} swarm rm-node NODE` removes managers that are gone, and \
             further managers make it safe again",
            ctx.program
        ));
        Ok(())
    }
}
