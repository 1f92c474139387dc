//! `snapshot`: a machine as it is now, kept at its provider; where new machines can be made from it, it is an image.

use jiff::Timestamp;
use rmachine_driver::Snapshot;

use crate::app::Context;
use crate::commands::shared::{Outcome, existing};
use crate::ui::table;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
If the provider can create machines from a snapshot (create --digitalocean-image SNAPSHOT), the new machines have the \
Docker engine and the images of this machine. At their first boot, they remove its SSH keys, certificates, settings, IDs \
and swarm membership. The snapshot itself is complete, so --restore brings back the whole machine.

Examples:
  rmachine snapshot web1
  rmachine snapshot web1 before-upgrade
  rmachine snapshot --ls web1
  rmachine snapshot --restore web1 before-upgrade
  rmachine snapshot --rm web1 before-upgrade")]
pub(crate) struct Args {
    /// Machine of the snapshots
    #[arg(value_name = "MACHINE")]
    machine: String,

    /// Name of the snapshot [default: the machine's name and the time]
    #[arg(value_name = "SNAPSHOT", required_if_eq_any = [("restore", "true"), ("rm", "true")])]
    snapshot: Option<String>,

    /// List the snapshots of the machine
    #[arg(long, conflicts_with_all = ["restore", "rm", "snapshot"])]
    ls: bool,

    /// Restore the machine to the snapshot
    #[arg(long, conflicts_with = "rm")]
    restore: bool,

    /// Remove the snapshot
    #[arg(long)]
    rm: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let machine = existing(ctx, &args.machine)?;
    let machines = ctx.machines();
    // What is not there is told before anything is locked.
    machines.load(&machine)?;
    let chosen = args.snapshot.clone().unwrap_or_else(|| named(&args.machine, Timestamp::now()));
    if args.ls {
        show(ctx, &machines.snapshots(&machine).await?);
    } else if args.restore {
        machines.restore(&machine, &chosen).await?;
    } else if args.rm {
        machines.remove_snapshot(&machine, &chosen).await?;
        ctx.printer.line(&format!("Removed {chosen}"));
    } else {
        let Snapshot { name, id, .. } = machines.snapshot(&machine, &chosen).await?;
        ctx.printer.line(&format!("{name}\t{id}"));
    }
    Ok(())
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
