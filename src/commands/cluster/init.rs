//! An example of a cluster's file, with the driver's own options in it.

use std::path::PathBuf;

use minijinja::{Environment, context};
use rmachine_driver::{OptionKind, OptionSpec};

use crate::app::{Context, user_files};
use crate::commands::shared::Outcome;
use crate::model::{ClusterName, Failure};

const EXAMPLE: &str = include_str!("../../../templates/clusters/cluster.toml");

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File to write; - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "cluster.toml")]
    file: PathBuf,

    /// Name of the cluster
    #[arg(value_name = "CLUSTER", default_value = "lab")]
    name: String,

    /// Driver that creates the machines
    #[arg(long, short, value_name = "DRIVER", default_value = "docker")]
    driver: String,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let name = ClusterName::parse(&args.name).map_err(|e| Failure::usage(e.to_string()))?;
    let driver = ctx.registry.open(&args.driver).await?;
    let driver = driver
        .filter(|d| d.features().host)
        .ok_or_else(|| Failure::usage(format!("there is no driver {:?} that makes hosts", args.driver)))?;
    let text = example(&name, driver.name(), &driver.options())?;
    if args.file.as_os_str() == "-" {
        ctx.printer.raw(&text);
        return Ok(());
    }
    let path = args.file.display();
    user_files::create_new(&args.file, text.as_bytes())
        .map_err(|e| Failure::because(format!("cannot write {path}"), e))?;
    ctx.printer.line(&format!("Wrote {path}: edit it, then `{} cluster plan`", ctx.program));
    Ok(())
}

fn example(name: &ClusterName, driver: &str, specs: &[OptionSpec]) -> Result<String, Failure> {
    let prefix = format!("{driver}-");
    let option = |spec: &OptionSpec| {
        let name = spec.name.strip_prefix(&prefix).unwrap_or(&spec.name);
        let value = match &spec.kind {
            OptionKind::Text(_) if spec.secret => {
                format!("{{ env = {:?} }}", spec.env.as_deref().unwrap_or("NAME"))
            }
            OptionKind::Text(default) => format!("{default:?}"),
            OptionKind::Flag => "true".to_owned(),
            OptionKind::Int(default) => default.to_string(),
            OptionKind::List(default) => format!("{default:?}"),
        };
        let pad = " ".repeat(35_usize.saturating_sub(name.len() + value.len()).max(1));
        context! { name, value, pad, help => spec.help.as_ref() }
    };
    let options: Vec<_> = specs.iter().filter(|spec| !spec.hidden).map(option).collect();
    let rendered =
        Environment::new().render_str(EXAMPLE, context! { name => name.as_str(), driver, options });
    rendered.map_err(|e| Failure::because("the example cannot be written", e))
}
