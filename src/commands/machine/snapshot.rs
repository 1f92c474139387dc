//! `snapshot`: a machine as it is now, kept at its provider; where new machines can be made from it, it is an image.

use jiff::Timestamp;
use rmachine_driver::Snapshot;

use crate::app::Context;
use crate::commands::shared::{Outcome, existing};
use crate::ui::table;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where new machines can be made from it (create --digitalocean-image SNAPSHOT), they have its engine and its images. The
machine's logins, certificates, settings, ids and place in a swarm are removed at their first boot, and not before: what is
brought back with --restore is whole.

Examples:
  rmachine snapshot web1                 take one, named after the machine and the time
  rmachine snapshot web1 before-upgrade
  rmachine snapshot --ls web1
  rmachine snapshot --restore web1 before-upgrade
  rmachine snapshot --rm web1 before-upgrade")]
pub(crate) struct Args {
    #[arg(value_name = "NAME")]
    machine: String,

    #[arg(value_name = "SNAPSHOT", required_if_eq_any = [("restore", "true"), ("rm", "true")])]
    snapshot: Option<String>,

    /// List what is kept of the machine
    #[arg(long, conflicts_with_all = ["restore", "rm", "snapshot"])]
    ls: bool,

    /// Make the machine again what it was then
    #[arg(long, conflicts_with = "rm")]
    restore: bool,

    /// Forget a snapshot
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
