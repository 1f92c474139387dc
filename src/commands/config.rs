use crate::cli::Names;
use crate::context::Context;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: Names,

    /// Point to the swarm that this machine is a manager of
    #[arg(long)]
    swarm: bool,
}

/// Prints the docker CLI's flags; its exit code also tells GitLab's runner whether the engine answers.
pub async fn run(ctx: &Context, args: &Args) -> super::Outcome {
    const PREFIX: &str = "Error running connection boilerplate: ";
    let name = super::one_name(ctx, &args.names.names)?;
    let lifecycle = ctx.lifecycle();
    let machine = lifecycle.load(&name)?;
    let url = super::env::checked_url(ctx, &lifecycle, &machine, PREFIX).await?;
    let url = if args.swarm { super::env::manager_url(&machine).map_err(|e| e.prefix(PREFIX))? } else { url };
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
