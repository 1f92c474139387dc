use futures_util::future::join_all;

use crate::app::Context;
use crate::commands::shared::{Names, Outcome, confirmed, names_or_default};
use crate::model::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine creates a new certificate for each engine and restarts the engine. Containers without a restart policy stop. \
The CA stays the same, so clients and other machines keep working.

With --client-certs, rmachine also replaces the client certificate, and the CA if it expires in less than 30 days. \
Every machine that uses this CA then gets a new certificate. After an interruption, run the same command again to \
continue.

Examples:
  rmachine regenerate-certs node1
  rmachine regenerate-certs -f $(rmachine ls -q)
  rmachine regenerate-certs -f --client-certs node1
  rmachine certs                                 # shows when each one expires")]
pub(crate) struct Args {
    #[command(flatten)]
    names: Names,

    /// Do not ask for confirmation
    #[arg(long, short)]
    force: bool,

    /// Also replace the client certificate and the certificates of all machines of its CA
    #[arg(long)]
    client_certs: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let names = names_or_default(ctx, &args.names.names)?;
    let question = "Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): ";
    if !args.force && !confirmed(ctx, question, "-f")? {
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
