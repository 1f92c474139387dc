use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::stacks::definition::{Kind, Manifest, Stack};
use crate::ui::table;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of a built-in stack (see: stack ls), or directory of a stack
    #[arg(value_name = "STACK")]
    stack: String,

    /// Print the template of the compose file and exit
    #[arg(long)]
    compose: bool,
}

impl Args {
    pub(super) fn run(&self, ctx: &Context) -> Outcome {
        let stack = Stack::find(&self.stack)?;
        if self.compose {
            ctx.printer.raw(&stack.compose);
            return Ok(());
        }
        let manifest = &stack.manifest;
        ctx.printer.line(&format!("{}: {}", stack.id, manifest.title));
        if !manifest.about.trim().is_empty() {
            ctx.printer.line(&format!("\n{}", manifest.about.trim()));
        }
        ctx.printer.line("\nParameters (--set NAME=VALUE):");
        ctx.printer.raw(&table::align(&parameters(manifest)));
        if !manifest.images.is_empty() {
            ctx.printer.line("\nImages (--set image.NAME=REFERENCE):");
            let rows: String =
                manifest.images.iter().map(|(name, image)| format!("  {name}\t{image}\n")).collect();
            ctx.printer.raw(&table::align(&rows));
        }
        if !manifest.pages.is_empty() {
            let pages: Vec<_> = manifest.pages.iter().map(|p| p.name.as_str()).collect();
            ctx.printer.line(&format!("\nPages (stack open): {}", pages.join(", ")));
        }
        if !manifest.engines.options.is_empty() {
            ctx.printer.line(&format!(
                "\nOf engines it wants (--set engines=true), since {}:",
                manifest.engines.why
            ));
            manifest.engines.options.iter().for_each(|option| ctx.printer.line(&format!("  {option}")));
        }
        Ok(())
    }
}

fn parameters(manifest: &Manifest) -> String {
    let rows = manifest.parameters.iter().map(|(name, p)| {
        let default = match (&p.kind, &p.default) {
            (Kind::Secret, _) => "generated".to_owned(),
            (_, Some(value)) if value.as_str() == Some("") => "-".to_owned(),
            (_, Some(value)) => value.as_str().map_or_else(|| plain(value), str::to_owned),
            (_, None) => "-".to_owned(),
        };
        format!("  {name}\t{default}\t{}\t{}\n", p.kind.words(), p.help)
    });
    rows.collect()
}

fn plain(value: &toml::Value) -> String {
    value
        .as_integer()
        .map(|n| n.to_string())
        .or_else(|| value.as_bool().map(|b| b.to_string()))
        .unwrap_or_default()
}
