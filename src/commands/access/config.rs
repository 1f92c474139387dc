use crate::app::Context;
use crate::commands::shared::{OneName, Outcome, one_name};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    name: OneName,

    /// Point to the swarm of this manager (docker-machine's classic swarm)
    #[arg(long)]
    swarm: bool,
}

/// Prints the docker CLI's flags; its exit code also tells GitLab's runner whether the engine answers.
pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    const PREFIX: &str = "Error running connection boilerplate: ";
    let name = one_name(ctx, &args.name.names)?;
    let machines = ctx.machines();
    let machine = machines.load(&name)?;
    let url = crate::commands::access::env::url(&machine, args.swarm).map_err(|e| e.prefix(PREFIX))?;
    crate::commands::access::env::check(ctx, &machines, &machine, &url)
        .await
        .map_err(|e| e.prefix(PREFIX))?;
    if !machine.has_tls() {
        ctx.printer.line(&format!("-H={url}"));
        return Ok(());
    }
    let dir = ctx.store.machine_dir(&name);
    let file = |name: &str| dir.join(name).to_string_lossy().into_owned();
    ctx.printer.line(&format!(
        "--tlsverify\n--tlscacert={:?}\n--tlscert={:?}\n--tlskey={:?}\n-H={url}",
        file("ca.pem"),
        file("cert.pem"),
        file("key.pem"),
    ));
    Ok(())
}
