//! `node-image`: the images that drivers build on first use, built beforehand, listed and removed.
//!
//! It knows no driver: which of them have images is data, and what it takes to build one are the flags of `create`.

use std::sync::Arc;

use clap::ArgMatches;
use jiff::Timestamp;
use rmachine_driver::{Driver, Images, MachineName, NodeImage, require};

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::shared::machine_options::{arg, resolve};
use crate::environment::Environment;
use crate::model::Failure;
use crate::registry::Registry;
use crate::ui::table;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Build the image that `create` builds on first use, with the same options
    #[command(visible_alias = "create")]
    Build,
    /// List node images
    Ls,
    /// Remove node images that no machine uses
    Rm {
        /// Images to remove
        #[arg(value_name = "IMAGE")]
        names: Vec<String>,

        /// Remove all images that no machine uses
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
}

/// The driver that these words mean: the one they name, else the first that builds images.
fn driver(words: &[String], env: &Environment, registry: &Registry) -> Option<Arc<dyn Driver>> {
    let named =
        crate::commands::machine::create::chosen_driver(words, env).and_then(|name| registry.find(&name));
    named.filter(|d| d.images().is_some()).or_else(|| registry.with_images().next())
}

/// Gives `build` the flags that the driver's `create` has.
pub(crate) fn augment(
    command: clap::Command,
    words: &[String],
    env: &Environment,
    registry: &Registry,
) -> clap::Command {
    let Some(driver) = driver(words, env, registry) else { return command };
    let flags = driver.options();
    let which = clap::Arg::new("driver").long("driver").short('d').value_name("DRIVER");
    command.mut_subcommand("build", |build| {
        build.arg(which.help("Driver to build the image for")).args(flags.iter().map(arg))
    })
}

pub(crate) async fn run(ctx: &Context, args: &Args, matches: &ArgMatches) -> Outcome {
    match &args.verb {
        Verb::Build => build(ctx, matches).await,
        Verb::Ls => ls(ctx).await,
        Verb::Rm { names, all: true } if names.is_empty() => rm_unused(ctx).await,
        Verb::Rm { names, .. } => rm(ctx, names).await,
    }
}

async fn build(ctx: &Context, matches: &ArgMatches) -> Outcome {
    let inner = matches.subcommand_matches("node-image").and_then(|m| m.subcommand_matches("build"));
    let words = ctx.argv.get(1..).unwrap_or_default();
    let Some(driver) = driver(words, &ctx.env, &ctx.registry) else { return Err(no_driver()) };
    let options = resolve(&driver.options(), inner.unwrap_or(matches), &ctx.env);
    let reporter = ctx.reporter(false);
    // What is drawn is drawn for a machine; here it bears the driver's name.
    let title = MachineName::existing(driver.name()).map_err(Failure::from_error)?;
    reporter.step(&title, "Building a node image...");
    let announce = |text: &str| reporter.info(&title, text);
    let images = images(driver.as_ref())?;
    let built = images.build_image(&options, &announce, &|text| reporter.detail(&title, text)).await;
    reporter.finish(&title, built.is_ok());
    let image = built?;
    ctx.printer.line(&image.name);
    Ok(())
}

async fn ls(ctx: &Context) -> Outcome {
    let mut text = "NAME\tDRIVER\tSIZE\tCREATED\tUSED BY\tCURRENT\n".to_owned();
    for driver in ctx.registry.with_images() {
        for image in images(driver.as_ref())?.list_images().await? {
            text.push_str(&row(driver.name(), &image));
        }
    }
    ctx.printer.raw(&table::align(&text));
    Ok(())
}

fn row(driver: &str, image: &NodeImage) -> String {
    let NodeImage { name, bytes, created, users, current, .. } = image;
    let created = Timestamp::from_second(*created).map_or_else(|_| "-".to_owned(), |t| t.to_string());
    let size = format!("{} MB", bytes / 1_000_000);
    let current = if *current { "yes" } else { "no" };
    format!("{name}\t{driver}\t{size}\t{created}\t{users}\t{current}\n")
}

async fn rm(ctx: &Context, names: &[String]) -> Outcome {
    if names.is_empty() {
        return Err(Failure::usage("Error: Expected to get one or more image names as arguments")
            .hint(format!("`{} node-image ls` shows them", ctx.program)));
    }
    let mut errors = Vec::new();
    for name in names {
        match remove(ctx, name).await {
            Ok(true) => ctx.printer.line(&format!("Removed {name}")),
            Ok(false) => errors.push(
                Failure::new(format!("There is no node image {name:?}"))
                    .hint(format!("`{} node-image ls` shows them", ctx.program)),
            ),
            Err(e) => errors.push(e),
        }
    }
    Failure::join(errors)
}

/// True when one of the drivers had it.
async fn remove(ctx: &Context, name: &str) -> Result<bool, Failure> {
    for driver in ctx.registry.with_images() {
        if images(driver.as_ref())?.remove_image(name).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn rm_unused(ctx: &Context) -> Outcome {
    for driver in ctx.registry.with_images() {
        let images = images(driver.as_ref())?;
        let built = images.list_images().await?;
        for image in built.iter().filter(|i| i.users == 0) {
            images.remove_image(&image.name).await?;
            ctx.printer.line(&format!("Removed {}", image.name));
        }
    }
    Ok(())
}

fn images(driver: &dyn Driver) -> Result<&dyn Images, Failure> {
    Ok(require(driver, driver.images())?)
}

fn no_driver() -> Failure {
    Failure::new("no driver of this program builds images")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_matters() {
        let image = NodeImage {
            name: "rmachine-node:trixie-0123".into(),
            id: "sha256:1".into(),
            bytes: 446_000_000,
            created: 1_700_000_000,
            users: 2,
            current: true,
        };
        assert_eq!(
            row("docker", &image),
            "rmachine-node:trixie-0123\tdocker\t446 MB\t2023-11-14T22:13:20Z\t2\tyes\n"
        );
    }
}
