//! `firewall`: who may reach a machine, at providers that keep the others away.

use crate::app::Context;
use crate::commands::shared::{Outcome, existing};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The rules replace all earlier rules. They are the same as those of the driver's flag of `create`, for example \
--digitalocean-firewall.

The rule `auto` stands for the address of this computer, as the machine sees it. To learn this address, rmachine opens \
SSH to all addresses for a moment and connects; SSH accepts keys only. Then it closes SSH to all other addresses. \
rmachine asks no other service for the address.

Examples:
  rmachine firewall web1                         # only this computer
  rmachine firewall web1 auto 203.0.113.0/24     # and a network
  rmachine firewall web1 auto port:443 port:80   # and two ports open to all
  rmachine firewall web1 none                    # no firewall")]
pub(crate) struct Args {
    /// Machine to set the firewall of
    #[arg(value_name = "MACHINE")]
    name: String,

    /// Rules: auto, none, an address, a network, or a port such as port:443, port:53/udp or port:9323@vpc
    #[arg(value_name = "RULE", default_value = "auto")]
    words: Vec<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let name = existing(ctx, &args.name)?;
    ctx.machines().guard(&name, &args.words).await
}
