//! When managers are lost, and before they are.

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::app::Context;
use crate::commands::shared::{Outcome, one_name};
use crate::commands::swarm::cluster_name;
use crate::model::Failure;
use crate::ssh::local_stdin;
use crate::ui::confirm;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The engine of that node is stopped while its state is copied, for no copy of a running one can be relied on; with three
managers the swarm goes on meanwhile, and containers of that node end. The file holds the keys of the swarm.

Examples:
  rmachine swarm backup node2 > lab.backup
  rmachine swarm backup node2 -o lab.backup      # readable by its owner alone")]
pub(super) struct Backup {
    #[arg(value_name = "NODE")]
    node: String,

    /// A file, readable by its owner alone [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Backup {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let name = one_name(ctx, std::slice::from_ref(&self.node))?;
        let mut quiet = ctx.swarm();
        if self.output.is_none() {
            if ctx.printer.stdout_is_terminal() {
                return Err(Failure::usage("a backup is no text for a terminal, and holds keys")
                    .hint(format!("{} swarm backup {name} -o FILE", ctx.program)));
            }
            // Standard output is the archive's.
            quiet.machines.reporter = std::sync::Arc::new(rmachine_driver::Silent);
            return quiet.backup(&name, tokio::io::stdout()).await;
        }
        let mut bytes = Vec::new();
        quiet.backup(&name, &mut bytes).await?;
        let path = self.output.clone().unwrap_or_default();
        ctx.store.write_file(&path, &bytes, 0o600).map_err(Failure::from_error)?;
        ctx.last_word(&format!("Wrote {}: it holds the keys of the swarm", path.display()));
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  rmachine swarm restore node1 --cluster lab < lab.backup")]
pub(super) struct Restore {
    #[arg(value_name = "NODE")]
    node: String,

    /// What the swarm is called here [default: the one that the machine belongs to]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// A backup [default: standard input]
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,

    /// Do not ask
    #[arg(short)]
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
        if self.input.is_none() && std::io::stdin().is_terminal() {
            return Err(Failure::usage("a backup is to come from standard input, or from --input"));
        }
        // Standard input may be the archive.
        if self.input.is_some() && !self.yes {
            ctx.printer.line(&format!("What {name} knows of a swarm is replaced by the backup."));
            if !confirm(ctx.printer, "Are you sure? (y/n): ").map_err(Failure::from_error)? {
                return Ok(());
            }
        }
        match &self.input {
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
pub(super) struct Recover {
    #[arg(value_name = "NODE")]
    node: String,

    /// Do not ask
    #[arg(short)]
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
        if !self.yes
            && !confirm(ctx.printer, "Are you sure? (y/n): ")
                .map_err(|e| Failure::from_error(e).hint("add -y to go on without being asked"))?
        {
            return Ok(());
        }
        swarm.recover(&name).await?;
        let cluster = swarm.membership(&name)?.map(|m| m.cluster.to_string()).unwrap_or_default();
        ctx.last_word(&format!(
            "`{0} swarm status {cluster}` shows what is left; `{0} swarm rm NODE` removes managers that are gone, and \
             further managers make it safe again",
            ctx.program
        ));
        Ok(())
    }
}
