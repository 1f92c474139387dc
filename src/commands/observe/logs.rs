use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::swarm::which;
use crate::observe::logs::{Heard, Wanted, logs};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line bears the service and the machine that it comes from. Nodes that go away and come back are
told of on standard error. Ctrl-C ends it.

Examples:
  rmachine logs lab                          # all services
  rmachine logs lab monitoring_prometheus    # one service, or all of a stack
  rmachine logs lab web --no-follow --tail 100")]
pub(crate) struct Args {
    /// A swarm, or one of its machines
    #[arg(value_name = "CLUSTER")]
    cluster: String,

    /// A service, or a stack [default: all services]
    #[arg(value_name = "SERVICE")]
    service: Option<String>,

    /// End when everything that was said is shown
    #[arg(long)]
    no_follow: bool,

    /// Begin with the last lines of each service [default: 10 when following, else all]
    #[arg(long, short = 'n', value_name = "LINES")]
    tail: Option<u32>,

    /// Show when each line was said
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
