use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::stack::which;
use crate::model::Failure;
use crate::stacks::definition::{Stack, built_in_names};
use crate::stacks::deploy::deployed;
use crate::ui::table;

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// List the stacks deployed on this swarm, or on the swarm of this machine
    #[arg(value_name = "SWARM")]
    cluster: Option<String>,

    /// Print names only
    #[arg(long, short)]
    quiet: bool,

    /// Output format: table or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Output,
}

impl Args {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        match &self.cluster {
            Some(cluster) => self.on(ctx, cluster).await,
            None => self.known(ctx),
        }
    }

    fn known(&self, ctx: &Context) -> Outcome {
        let stacks = built_in_names().map(Stack::find).collect::<Result<Vec<_>, _>>()?;
        let rows = stacks.iter().map(|s| (s.id.as_str(), s.manifest.title.clone()));
        let json: Vec<_> =
            stacks.iter().map(|s| serde_json::json!({"name": s.id, "title": s.manifest.title})).collect();
        self.print(ctx, "STACK\tWHAT IT IS\n", rows, &json)
    }

    async fn on(&self, ctx: &Context, cluster: &str) -> Outcome {
        let swarm = ctx.swarm();
        let cluster = which(&swarm, Some(cluster))?;
        let stacks = deployed(&swarm, &cluster.name).await?;
        let rows = stacks.iter().map(|s| {
            let source = s.source.as_deref().unwrap_or("-");
            (s.name.as_str(), format!("{source}\t{}\t{} of {}", s.services, s.running, s.desired))
        });
        self.print(ctx, "STACK\tFROM\tSERVICES\tTASKS RUNNING\n", rows, &stacks)
    }

    fn print<'a>(
        &self,
        ctx: &Context,
        header: &str,
        rows: impl Iterator<Item = (&'a str, String)>,
        json: &impl serde::Serialize,
    ) -> Outcome {
        if let Output::Json = self.output {
            let text = serde_json::to_string_pretty(json).map_err(Failure::from_error)?;
            ctx.printer.line(&text);
            return Ok(());
        }
        let mut text = header.to_owned();
        for (name, rest) in rows {
            if self.quiet {
                ctx.printer.line(name);
            }
            text.push_str(&format!("{name}\t{rest}\n"));
        }
        if !self.quiet {
            ctx.printer.raw(&table::align(&text));
        }
        Ok(())
    }
}
