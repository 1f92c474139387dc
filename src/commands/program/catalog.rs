//! What providers offer: a command for each driver that has lists to show, and a word for each list. It knows no driver.

use std::sync::Arc;

use clap::ArgMatches;
use rmachine_driver::{Catalogs, Driver};

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::model::Failure;
use crate::registry::Registry;
use crate::ui::table;

/// One list of one driver's provider.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    driver: String,
    list: String,
}

pub(crate) fn commands(registry: &Registry) -> Vec<clap::Command> {
    registry.with_catalogs().map(command).collect()
}

fn command(driver: &Arc<dyn Driver>) -> clap::Command {
    let specs = driver.catalogs().map(Catalogs::catalog_specs).unwrap_or_default();
    let names = specs.iter().map(|c| c.name.as_ref()).collect::<Vec<_>>();
    let names = match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.concat(),
    };
    let lists = specs.into_iter().map(|c| clap::Command::new(c.name.into_owned()).about(c.help.into_owned()));
    clap::Command::new(driver.name().to_owned())
        .about(format!("List {names} of {}", driver.name()))
        .subcommand_required(true)
        .subcommands(lists)
}

/// The list that these words ask for.
pub(crate) fn asked(matches: &ArgMatches, registry: &Registry) -> Option<Asked> {
    let (driver, rest) = matches.subcommand()?;
    registry.with_catalogs().find(|d| d.name() == driver)?;
    Some(Asked { driver: driver.to_owned(), list: rest.subcommand_name()?.to_owned() })
}

pub(crate) async fn run(ctx: &Context, asked: &Asked) -> Outcome {
    let Some(driver) = ctx.registry.find(&asked.driver) else {
        return Err(Failure::new(format!("Driver {:?} not found", asked.driver)));
    };
    let catalog = ctx.machines().catalog(driver.as_ref(), &asked.list).await?;
    let mut text = format!("{}\n", catalog.columns.join("\t"));
    for row in &catalog.rows {
        text.push_str(&format!("{}\n", row.join("\t")));
    }
    ctx.printer.raw(&table::align(&text));
    Ok(())
}
