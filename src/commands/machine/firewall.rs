//! `firewall`: who may reach a machine, at providers that keep the others away.

use crate::app::Context;
use crate::commands::shared::{Outcome, existing};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The words are those of the driver's flag at `create`, such as --digitalocean-firewall; they replace what was said before.
`auto`, which is the default, is this computer: the machine's SSH is opened to all (it takes keys alone), reached, and
closed again to all but the address that the machine saw. Nobody else is asked for that address.

Examples:
  rmachine firewall web1                             let in this computer, from where it is now
  rmachine firewall web1 203.0.113.0/24 auto         an office, too
  rmachine firewall web1 auto port:443 port:80       open ports of services to all
  rmachine firewall web1 none                        no firewall at all")]
pub(crate) struct Args {
    #[arg(value_name = "NAME")]
    name: String,

    /// auto, none, an address, a network, or a port like port:443, port:53/udp or port:9323@vpc
    #[arg(value_name = "WORD", default_value = "auto")]
    words: Vec<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let name = existing(ctx, &args.name)?;
    ctx.machines().guard(&name, &args.words).await
}
