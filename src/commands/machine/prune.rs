use std::sync::Arc;

use rmachine_driver::{Driver, Tagged};

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::machines::Prunable;
use crate::model::Failure;
use crate::swarm::Swarm;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine lists expired machines (create --ttl) and orphaned resources: resources at providers that rmachine created on \
this computer for machines that no store contains any more. It removes them only with --yes.")]
pub(crate) struct Args {
    /// Remove the listed machines and resources
    #[arg(long, short)]
    yes: bool,

    /// List only machines and resources of this driver
    #[arg(long, short, value_name = "DRIVER")]
    driver: Option<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let swarm = ctx.swarm();
    let only = args.driver.as_deref().map(|name| known(ctx, name)).transpose()?;
    let (found, errors) = swarm.machines.prunable(only.as_ref()).await;
    let errors: Vec<Failure> = errors.into_iter().collect();
    if found.is_empty() {
        Failure::join(errors)?;
        ctx.printer.line("Nothing to prune.");
        return Ok(());
    }
    show(ctx, &found);
    if args.yes {
        return remove(ctx, &swarm, found, errors).await;
    }
    ctx.printer.line(&format!("Run `{} prune -y` to remove that.", ctx.program));
    Failure::join(errors)
}

fn known(ctx: &Context, name: &str) -> Result<Arc<dyn Driver>, Failure> {
    ctx.registry.find(name).ok_or_else(|| {
        let known = ctx.registry.names().join(", ");
        Failure::usage(format!("Driver {name:?} not found")).hint(format!("name one of these: {known}"))
    })
}

fn show(ctx: &Context, found: &Prunable) {
    for machine in &found.expired {
        let since =
            machine.stored.own.expires.map(|t| t.strftime("%F %T UTC").to_string()).unwrap_or_default();
        ctx.printer.line(&format!("machine {} expired at {since}", machine.name));
    }
    for (driver, strays) in &found.strays {
        strays.iter().for_each(|stray| ctx.printer.line(&line(driver.name(), stray)));
    }
}

fn line(driver: &str, stray: &Tagged) -> String {
    let Tagged { resource, tags } = stray;
    let (kind, id, machine, store) = (&resource.kind, &resource.id, &tags.machine, &tags.store);
    format!("{driver} {kind} {id}, made for machine {machine} of the store {store}")
}

async fn remove(ctx: &Context, swarm: &Swarm, found: Prunable, mut errors: Vec<Failure>) -> Outcome {
    for machine in &found.expired {
        match swarm.remove(&machine.name, false).await {
            Ok(()) => ctx.printer.line(&format!("Successfully removed {}", machine.name)),
            Err(e) => {
                let name = machine.name.as_str();
                errors.push(e.prefix(&format!("Error removing host {name:?}: ")));
            }
        }
    }
    for (driver, strays) in &found.strays {
        let Some(resources) = driver.tagged_resources() else { continue };
        match resources.remove_tagged(&swarm.machines.keyring(driver.name()), strays).await {
            Ok(()) => ctx.printer.line(&format!("Removed {} leftovers at {}", strays.len(), driver.name())),
            Err(e) => errors.push(Failure::from(e)),
        }
    }
    Failure::join(errors)
}
