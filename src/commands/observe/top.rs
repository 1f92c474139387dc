use std::time::{Duration, Instant};

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::which;
use crate::model::{Exit, Failure};
use crate::observe::node_load::{NodeLoad, Watch, look};
use crate::swarm::{Cluster, Swarm};
use crate::ui::{Act, Screen};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Press q or Ctrl-C to stop. If standard output is not a terminal, rmachine prints the load once and exits.")]
pub(crate) struct Args {
    /// Swarm, or one of its machines [default: the only swarm]
    #[arg(value_name = "SWARM")]
    cluster: Option<String>,

    /// Print the load once and exit
    #[arg(long)]
    once: bool,

    /// Output format: table or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Output,

    /// Seconds between two updates
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let swarm = ctx.swarm();
    let cluster = which(&swarm, args.cluster.as_deref())?;
    if args.once || args.output == Output::Json || !ctx.printer.stdout_is_terminal() {
        let rows = look(&swarm, &cluster).await;
        return show(ctx, args, &rows);
    }
    live(ctx, args, &swarm, &cluster).await
}

fn show(ctx: &Context, args: &Args, rows: &[NodeLoad]) -> Outcome {
    if args.output == Output::Json {
        let text = serde_json::to_string_pretty(rows).map_err(Failure::from_error)?;
        ctx.printer.line(&text);
    } else {
        let rows: Vec<Row> = rows.iter().map(row).collect();
        table(&rows, usize::MAX).iter().for_each(|line| ctx.printer.line(line));
    }
    Ok(())
}

/// A node, and when it was heard of last.
struct Seen {
    load: NodeLoad,
    at: Option<Instant>,
}

async fn live(ctx: &Context, args: &Args, swarm: &Swarm, cluster: &Cluster) -> Outcome {
    let interval = Duration::from_secs(args.interval);
    let mut nodes: Vec<Seen> =
        cluster.members.iter().map(|m| Seen { load: NodeLoad::of(m), at: None }).collect();
    nodes.sort_by(|a, b| (&a.load.role, &a.load.name).cmp(&(&b.load.role, &b.load.name)));
    let mut watch = Watch::new(swarm, cluster, interval);
    let mut screen = Screen::on(ctx.printer);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let title = format!("Swarm {}, every {} s; q ends it", cluster.name, args.interval);
    loop {
        tokio::select! {
            Some(load) = watch.next() => {
                if let Some(node) = nodes.iter_mut().find(|n| n.load.name == load.name) {
                    *node = Seen { load, at: Some(Instant::now()) };
                }
            }
            act = screen.act() => match act {
                Act::Quit => return Ok(()),
                Act::Interrupt => return Err(Failure::with_exit(Exit::Interrupted, "Interrupted.")),
                Act::Resize => {}
            },
            _ = tick.tick() => {}
        }
        let rows: Vec<Row> = nodes.iter().map(|node| seen(node, interval)).collect();
        screen.draw(&picture(&title, &rows, screen.size()));
    }
}

/// A node that should have been heard of again by now says so.
fn seen(node: &Seen, interval: Duration) -> Row {
    let quiet = match node.at {
        None => return Row::Other(node.load.name.clone(), node.load.role.clone(), "is asked".to_owned()),
        Some(at) => at.elapsed(),
    };
    if node.load.error.is_none() && quiet > interval * 2 + Duration::from_secs(1) {
        let text = format!("no answer for {} s", quiet.as_secs());
        return Row::Other(node.load.name.clone(), node.load.role.clone(), text);
    }
    row(&node.load)
}

/// As much as there is room for.
fn picture(title: &str, rows: &[Row], (columns, height): (usize, usize)) -> Vec<String> {
    let mut lines = vec![cut(title, columns), String::new()];
    lines.extend(table(rows, columns));
    if lines.len() > height {
        let hidden = lines.len() - height + 1;
        lines.truncate(height - 1);
        lines.push(cut(&format!("and {hidden} more: the terminal is too low"), columns));
    }
    lines
}

fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

const HEADINGS: [&str; 9] = ["NODE", "ROLE", "CPU", "LOAD", "MEMORY", "DISK", "CONTAINERS", "ENGINE", "UP"];
/// What is left out first where there is no room, by its place among the headings.
const EXPENDABLE: [usize; 7] = [8, 7, 1, 6, 3, 5, 4];

enum Row {
    Cells([String; HEADINGS.len()]),
    /// Name, role, and why there is nothing else.
    Other(String, String, String),
}

fn row(load: &NodeLoad) -> Row {
    let (name, role) = (load.name.clone(), load.role.clone());
    if let Some(error) = &load.error {
        return Row::Other(name, role, error.lines().next().unwrap_or_default().to_owned());
    }
    let host = &load.host;
    Row::Cells([
        name,
        role,
        load.cpu_percent.map_or("-".to_owned(), |p| format!("{p:.0} %")),
        format!("{:.2} of {}", host.load, host.cores),
        share(host.memory - host.memory_available.min(host.memory), host.memory),
        share(host.disk_used, host.disk),
        load.containers.map_or("-".to_owned(), |n| n.to_string()),
        load.engine.clone(),
        age(host.up_seconds),
    ])
}

fn table(rows: &[Row], columns: usize) -> Vec<String> {
    const GAP: usize = 3;
    let cell = |row: &Row, i: usize| -> usize {
        match row {
            Row::Cells(cells) => cells[i].chars().count(),
            Row::Other(name, _, _) if i == 0 => name.chars().count(),
            Row::Other(_, role, _) if i == 1 => role.chars().count(),
            Row::Other(..) => 0,
        }
    };
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|i| rows.iter().map(|row| cell(row, i)).chain([HEADINGS[i].len()]).max().unwrap_or_default())
        .collect();
    let mut shown: Vec<usize> = (0..HEADINGS.len()).collect();
    let width = |shown: &[usize]| shown.iter().map(|i| widths[*i] + GAP).sum::<usize>() - GAP;
    for column in EXPENDABLE {
        if width(&shown) > columns {
            shown.retain(|i| *i != column);
        }
    }
    let line = |cells: &[&str]| {
        let padded = shown.iter().map(|i| format!("{:width$}", cells[*i], width = widths[*i]));
        cut(padded.collect::<Vec<_>>().join("   ").trim_end(), columns)
    };
    let mut lines = vec![line(&HEADINGS)];
    for row in rows {
        lines.push(match row {
            Row::Cells(cells) => line(&cells.each_ref().map(String::as_str)),
            Row::Other(name, role, why) => {
                let role = format!("{role:width$}   ", width = widths[1]);
                let role = if shown.contains(&1) { role.as_str() } else { "" };
                cut(&format!("{name:width$}   {role}{why}", width = widths[0]), columns)
            }
        });
    }
    lines
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
    use insta::assert_snapshot;

    use super::*;

    fn rows() -> Vec<Row> {
        let mut load = NodeLoad {
            name: "m1".into(),
            role: "manager".into(),
            containers: Some(3),
            engine: "26.1.5".into(),
            ..NodeLoad::default()
        };
        load.host.memory = 4 * 1_048_576;
        load.host.memory_available = 3 * 1_048_576;
        load.host.up_seconds = 93_784;
        load.cpu_percent = Some(12.4);
        let gone = NodeLoad {
            name: "w1".into(),
            role: "worker".into(),
            error: Some("no answer within 8 s\nreally".into()),
            ..NodeLoad::default()
        };
        vec![row(&load), row(&gone)]
    }

    #[test]
    fn a_row_and_a_node_that_is_gone() {
        assert_snapshot!(table(&rows(), usize::MAX).join("\n"), @r"
        NODE   ROLE      CPU    LOAD        MEMORY                  DISK   CONTAINERS   ENGINE   UP
        m1     manager   12 %   0.00 of 0   1.0 of 4.0 GiB (25 %)   -      3            26.1.5   1 d 2 h
        w1     worker    no answer within 8 s
        ");
        assert_eq!((age(59), age(3700)), ("0 min".to_owned(), "1 h 1 min".to_owned()));
    }

    #[test]
    fn what_there_is_no_room_for_is_left_out() {
        for columns in 1..120 {
            let lines = table(&rows(), columns);
            assert!(lines.iter().all(|l| l.chars().count() <= columns), "{columns}: {lines:?}");
        }
        assert_snapshot!(table(&rows(), 60).join("\n"), @r"
        NODE   CPU    LOAD        MEMORY                  DISK
        m1     12 %   0.00 of 0   1.0 of 4.0 GiB (25 %)   -
        w1     no answer within 8 s
        ");
        assert_snapshot!(picture("Swarm lab", &rows(), (12, 4)).join("\n"), @r"
        Swarm lab

        NODE   CPU
        and 2 more: 
        ");
    }

    #[test]
    fn nodes_that_fall_silent_are_told() {
        let words = |at, load: NodeLoad| match seen(&Seen { load, at }, Duration::from_secs(2)) {
            Row::Other(_, _, why) => why,
            Row::Cells(_) => "fine".to_owned(),
        };
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        assert_eq!(words(None, NodeLoad::default()), "is asked");
        assert_eq!(words(ago(3), NodeLoad::default()), "fine");
        assert_eq!(words(ago(7), NodeLoad::default()), "no answer for 7 s");
        let failed = NodeLoad { error: Some("refused".into()), ..NodeLoad::default() };
        assert_eq!(words(ago(7), failed), "refused");
    }
}
