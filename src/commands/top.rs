use std::time::Duration;

use super::swarm::which;
use crate::context::Context;
use crate::error::CommandError;
use crate::lifecycle::{Cluster, Lifecycle};
use crate::ui::table;
use crate::watch::load::{NodeLoad, Watch};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Ctrl-C ends it. Where standard output is no terminal, there is one look only.")]
pub struct Args {
    /// A swarm, or one of its machines [default: the only swarm there is]
    #[arg(value_name = "CLUSTER")]
    cluster: Option<String>,

    /// One look, and no more
    #[arg(long)]
    once: bool,

    /// table or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORM", hide_possible_values = true)]
    output: Output,

    /// Seconds from one look to the next
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
}

pub async fn run(ctx: &Context, args: &Args) -> super::Outcome {
    let lifecycle = ctx.lifecycle();
    let cluster = which(&lifecycle, args.cluster.as_deref())?;
    let mut watch = Watch::default();
    if args.once || args.output == Output::Json || !ctx.printer.stdout_is_terminal() {
        let rows = watch.look(&lifecycle, &cluster).await;
        return show(ctx, args, &rows);
    }
    live(ctx, args, &lifecycle, &cluster, watch).await
}

fn show(ctx: &Context, args: &Args, rows: &[NodeLoad]) -> super::Outcome {
    if args.output == Output::Json {
        let text = serde_json::to_string_pretty(rows).map_err(|e| CommandError::failed(e.to_string()))?;
        ctx.printer.line(&text);
    } else {
        ctx.printer.raw(&table::align(&rendered(rows)));
    }
    Ok(())
}

/// Gives the terminal back as it was on every way out, Ctrl-C among them.
struct Screen(crate::ui::Printer);

impl Screen {
    fn on(printer: crate::ui::Printer) -> Self {
        printer.raw("\x1b[?1049h\x1b[?25l");
        Self(printer)
    }

    /// What was there is written over, not wiped first, so that nothing flickers.
    fn draw(&self, text: &str) {
        let lines: String = text.lines().map(|line| format!("{line}\x1b[K\r\n")).collect();
        self.0.raw(&format!("\x1b[H{lines}\x1b[J"));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.0.raw("\x1b[?25h\x1b[?1049l");
    }
}

async fn live(
    ctx: &Context,
    args: &Args,
    lifecycle: &Lifecycle,
    cluster: &Cluster,
    mut watch: Watch,
) -> super::Outcome {
    let screen = Screen::on(ctx.printer);
    let mut tick = tokio::time::interval(Duration::from_secs(args.interval));
    loop {
        tick.tick().await;
        let rows = watch.look(lifecycle, cluster).await;
        let title = format!("Swarm {}, every {} s; Ctrl-C ends it\n\n", cluster.name, args.interval);
        screen.draw(&format!("{title}{}", table::align(&rendered(&rows))));
    }
}

fn rendered(rows: &[NodeLoad]) -> String {
    let mut text = "NODE\tROLE\tCPU\tLOAD\tMEMORY\tDISK\tCONTAINERS\tENGINE\tUP\n".to_owned();
    for row in rows {
        let (name, role) = (&row.name, &row.role);
        if let Some(error) = &row.error {
            text.push_str(&format!("{name}\t{role}\t{error}\n"));
            continue;
        }
        let host = &row.host;
        let cpu = row.cpu_percent.map_or("-".to_owned(), |p| format!("{p:.0} %"));
        let containers = row.containers.map_or("-".to_owned(), |n| n.to_string());
        text.push_str(&format!(
            "{name}\t{role}\t{cpu}\t{:.2} of {}\t{}\t{}\t{containers}\t{}\t{}\n",
            host.load,
            host.cores,
            share(host.memory - host.memory_available.min(host.memory), host.memory),
            share(host.disk_used, host.disk),
            row.engine,
            age(host.up_seconds)
        ));
    }
    text
}

/// Of KiB, in GiB and percent.
fn share(used: u64, all: u64) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    let tenths = |kib: u64| (kib * 10 + 524_288) / 1_048_576;
    let (used_gib, all_gib) = (tenths(used), tenths(all));
    let percent = used * 100 / all;
    format!("{}.{} of {}.{} GiB ({percent} %)", used_gib / 10, used_gib % 10, all_gib / 10, all_gib % 10)
}

fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_and_a_node_that_is_gone() {
        let mut row = NodeLoad {
            name: "m1".into(),
            role: "manager".into(),
            containers: Some(3),
            ..NodeLoad::default()
        };
        row.host.memory = 4 * 1_048_576;
        row.host.memory_available = 3 * 1_048_576;
        row.host.up_seconds = 93_784;
        row.cpu_percent = Some(12.4);
        let gone = NodeLoad {
            name: "w1".into(),
            role: "worker".into(),
            error: Some("no answer".into()),
            ..NodeLoad::default()
        };
        let text = rendered(&[row, gone]);
        assert_eq!(
            text.lines().skip(1).collect::<Vec<_>>(),
            ["m1\tmanager\t12 %\t0.00 of 0\t1.0 of 4.0 GiB (25 %)\t-\t3\t\t1 d 2 h", "w1\tworker\tno answer"]
        );
        assert_eq!((age(59), age(3700)), ("0 min".to_owned(), "1 h 1 min".to_owned()));
    }
}
