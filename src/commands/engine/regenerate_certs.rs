use futures_util::future::join_all;

use crate::app::Context;
use crate::commands::shared::{Names, Outcome, names_or_default};
use crate::model::Failure;
use crate::ui::confirm;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes a new certificate for the engine of each machine and restarts the engine with it: containers without a restart
policy stop. The CA is kept, so clients and other machines go on as they are.

With --client-certs, the client that the CA has signed is made anew first, and the CA itself if it has less than 30 days.
Then every machine of that CA gets a new certificate, whether it is named or not. Cut off at any moment, the same command
finishes it.

Examples:
  rmachine regenerate-certs node1
  rmachine regenerate-certs -f $(rmachine ls -q)
  rmachine regenerate-certs -f --client-certs node1
  rmachine certs                                     # when each ends")]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,

    /// Do not ask
    #[arg(long, short)]
    force: bool,

    /// Make the client's certificate anew, too, and all that hangs on it
    #[arg(long)]
    client_certs: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let names = names_or_default(ctx, &args.names.names)?;
    let question = "Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): ";
    if !args.force && !confirm(ctx.printer, question).map_err(unanswered)? {
        return Ok(());
    }
    let machines = ctx.machines_for(names.len());
    let errors: Vec<Failure> = names.iter().filter_map(|n| machines.load(n).err()).collect();
    Failure::join(errors)?;
    ctx.when_interrupted(format!("Interrupted. Run `{} regenerate-certs` again to finish.", ctx.program));
    ctx.last_word("Regenerating TLS certificates");
    let names = if args.client_certs {
        ctx.last_word("Regenerating local certificates");
        machines.renew_clients(&names).await?
    } else {
        names
    };
    let machines = ctx.machines_for(names.len());
    let several = names.len() > 1;
    let machines = &machines;
    let work = names.iter().map(|name| async move {
        let done = machines.regenerate(machines.load(name)?).await;
        done.map_err(|e| if several { e.prefix(&format!("{name}: ")) } else { e })
    });
    let failed: Vec<Failure> = join_all(work).await.into_iter().filter_map(Result::err).collect();
    if names.len() > 1 {
        let done = names.len() - failed.len();
        ctx.last_word(&format!("Regenerated the certificates of {done} of {} machines", names.len()));
    }
    Failure::join(failed)
}

fn unanswered(e: std::io::Error) -> Failure {
    Failure::from_error(e).hint("add -f to go on without being asked")
}
