use crate::app::Context;
use crate::commands::shared::{OneName, Outcome, one_name};
use crate::model::Failure;
use crate::ui::template;

/// In the place of a secret that docker-machine left in config.json.
const HIDDEN: &str = "(hidden)";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rmachine inspect node1
  rmachine inspect -f '{{.Driver.IPAddress}}' node1
  rmachine inspect -f '{{json .HostOptions.EngineOptions}}' node1")]
pub(crate) struct Args {
    #[command(flatten)]
    name: OneName,

    /// Format the output with a Go template; it may call `json` and `prettyjson`
    #[arg(long, short, value_name = "TEMPLATE")]
    format: Option<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Outcome {
    let name = one_name(ctx, &args.name.names).inspect_err(|_| told_how(ctx, args))?;
    let machine = ctx.machines().load(&name)?;
    let mut config = machine.stored.config.clone();
    config.driver = machine.without_secrets(HIDDEN);
    let shown = match &args.format {
        None => {
            // Not kept in the file, and shown only when it matters: a program that reads this meets the key then.
            config.extra.extend(
                crate::commands::engine::certs::due(ctx, &machine)
                    .map(|due| ("CertificatesDue".to_owned(), due)),
            );
            config.to_json_pretty()?
        }
        Some(format) => {
            let json = serde_json::to_value(&config)
                .map_err(|e| Failure::because(format!("Error formatting {name}"), e))?;
            template::render(format, &json, template::Shape::Json).map_err(Failure::new)?
        }
    };
    ctx.printer.line(&shown);
    Ok(())
}

/// docker-machine shows the help, too, to whoever names several.
fn told_how(ctx: &Context, args: &Args) {
    if args.name.names.len() > 1 {
        let mut command = crate::commands::root::command(&ctx.program, &ctx.argv, &ctx.env, &ctx.registry);
        // Only then it knows its whole name and the global flags.
        command.build();
        let help = command.find_subcommand_mut("inspect").map(clap::Command::render_help);
        ctx.printer.raw(&help.map(|h| h.to_string()).unwrap_or_default());
    }
}
