use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::which;
use crate::observe::logs::{Heard, Wanted, logs};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line begins with the service and the machine that wrote it. rmachine reports on standard error when a node becomes \
unreachable or returns. Press Ctrl-C to stop.

Examples:
  rmachine logs lab                          # all services
  rmachine logs lab monitoring               # all services of a stack
  rmachine logs lab monitoring_prometheus    # one service
  rmachine logs lab web --no-follow --tail 100")]
pub(crate) struct Args {
    /// Swarm, or one of its machines
    #[arg(value_name = "SWARM")]
    cluster: String,

    /// Service or stack [default: all services]
    #[arg(value_name = "SERVICE")]
    service: Option<String>,

    /// Print the existing logs and exit
    #[arg(long)]
    no_follow: bool,

    /// Number of last lines to print of each service [default: 10, or all with --no-follow]
    #[arg(long, short = 'n', value_name = "NUMBER")]
    tail: Option<u32>,

    /// Print the time of each line
    #[arg(long, short)]
    timestamps: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let swarm = ctx.swarm();
    let cluster = which(&swarm, Some(&args.cluster))?;
    let follow = !args.no_follow;
    let tail = args.tail.or_else(|| follow.then_some(10));
    let printer = ctx.printer;
    let show = move |heard: Heard| match heard {
        Heard::Line(line) => printer.line(&format!("{}@{} | {}", line.service, line.node, line.text)),
        Heard::Notice(text) => printer.error_line(&text),
    };
    let wanted = Wanted { follow, tail, timestamps: args.timestamps };
    logs(&swarm, &cluster.name, args.service.as_deref(), wanted, &show).await
}
