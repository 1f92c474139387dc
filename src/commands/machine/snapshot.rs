//! `snapshot`: the state of a machine, saved at its provider. Providers with images create machines from it.

use jiff::Timestamp;
use rmachine_driver::{MachineName, Snapshot};

use crate::app::Context;
use crate::commands::shared::{Outcome, existing, missing};
use crate::model::Failure;
use crate::ui::table;

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "rmachine snapshot [OPTIONS] COMMAND",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  rmachine snapshot create web1
  rmachine snapshot create web1 before-upgrade
  rmachine snapshot ls web1
  rmachine snapshot restore web1 before-upgrade
  rmachine snapshot rm web1 before-upgrade"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    earlier: EarlierForm,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    /// List the snapshots of a machine
    Ls {
        /// Machine to list the snapshots of
        #[arg(value_name = "MACHINE")]
        machine: String,
    },
    /// Create a snapshot of a machine
    #[command(after_help = "\
If the provider can create machines from a snapshot (create --DRIVER-image SNAPSHOT), the new machines have the \
Docker engine and the images of this machine. At their first boot, they remove its SSH keys, certificates, settings, IDs \
and swarm membership. The snapshot itself is complete, so `restore` brings back the whole machine.")]
    Create {
        /// Machine to create a snapshot of
        #[arg(value_name = "MACHINE")]
        machine: String,

        /// Name of the snapshot [default: the machine's name and the time]
        #[arg(value_name = "SNAPSHOT")]
        snapshot: Option<String>,
    },
    /// Restore a machine to a snapshot
    Restore {
        /// Machine to restore
        #[arg(value_name = "MACHINE")]
        machine: String,

        /// Snapshot to restore, as `snapshot ls` prints it
        #[arg(value_name = "SNAPSHOT")]
        snapshot: String,
    },
    /// Remove a snapshot
    Rm {
        /// Machine of the snapshot
        #[arg(value_name = "MACHINE")]
        machine: String,

        /// Snapshot to remove, as `snapshot ls` prints it
        #[arg(value_name = "SNAPSHOT")]
        snapshot: String,
    },
}

/// `snapshot MACHINE [SNAPSHOT]` with flags instead of verbs; scripts still use it.
#[derive(Debug, clap::Args)]
struct EarlierForm {
    #[arg(value_name = "MACHINE", required = true, hide = true)]
    machine: Option<String>,

    #[arg(value_name = "SNAPSHOT", required_if_eq_any = [("restore", "true"), ("rm", "true")], hide = true)]
    snapshot: Option<String>,

    #[arg(long, conflicts_with_all = ["restore", "rm", "snapshot"], hide = true)]
    ls: bool,

    #[arg(long, conflicts_with = "rm", hide = true)]
    restore: bool,

    #[arg(long, hide = true)]
    rm: bool,
}

impl EarlierForm {
    fn verb(&self, ctx: &Context) -> Result<Verb, Failure> {
        let machine = self.machine.clone().ok_or_else(|| Failure::usage("name a machine"))?;
        // It may be meant as a verb.
        if !ctx.store.exists(&existing(ctx, &machine)?) {
            return Err(missing(ctx, &machine).hint(format!("see `{} snapshot --help`", ctx.program)));
        }
        let verb = match (self.snapshot.clone(), self.ls, self.restore, self.rm) {
            (_, true, _, _) => Verb::Ls { machine },
            (Some(snapshot), _, true, _) => Verb::Restore { machine, snapshot },
            (Some(snapshot), _, _, true) => Verb::Rm { machine, snapshot },
            (snapshot, ..) => Verb::Create { machine, snapshot },
        };
        Ok(verb)
    }
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let verb = args.verb.clone().map_or_else(|| args.earlier.verb(ctx), Ok)?;
    let machines = ctx.machines();
    match &verb {
        Verb::Ls { machine } => show(ctx, &machines.snapshots(&known(ctx, machine)?).await?),
        Verb::Create { machine, snapshot } => {
            let chosen = snapshot.clone().unwrap_or_else(|| named(machine, Timestamp::now()));
            let Snapshot { name, id, .. } = machines.snapshot(&known(ctx, machine)?, &chosen).await?;
            ctx.printer.line(&format!("{name}\t{id}"));
        }
        Verb::Restore { machine, snapshot } => machines.restore(&known(ctx, machine)?, snapshot).await?,
        Verb::Rm { machine, snapshot } => {
            machines.remove_snapshot(&known(ctx, machine)?, snapshot).await?;
            ctx.printer.line(&format!("Removed {snapshot}"));
        }
    }
    Ok(())
}

/// A machine of the store: a missing one is reported before anything is locked.
fn known(ctx: &Context, machine: &str) -> Result<MachineName, Failure> {
    let name = existing(ctx, machine)?;
    ctx.machines().load(&name)?;
    Ok(name)
}

fn named(machine: &str, now: Timestamp) -> String {
    format!("{machine}-{}", now.strftime("%Y%m%d-%H%M%S"))
}

fn show(ctx: &Context, snapshots: &[Snapshot]) {
    let mut text = "SNAPSHOT\tID\tSIZE\tTAKEN\n".to_owned();
    for Snapshot { name, id, bytes, created } in snapshots {
        let taken = Timestamp::from_second(*created).map_or_else(|_| "-".to_owned(), |t| t.to_string());
        text.push_str(&format!("{name}\t{id}\t{} MB\t{taken}\n", bytes / 1_000_000));
    }
    ctx.printer.raw(&table::align(&text));
}
