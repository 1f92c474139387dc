use std::io::Read;
use std::path::Path;

use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::stack::{seconds, which};
use crate::model::Failure;
use crate::stacks::definition::{Given, GivenValue};
use crate::stacks::deploy::{self, Done, Request};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine checks the whole stack before it changes anything. To update a stack, deploy it again: services whose \
configuration differs, including the contents of configuration files, are updated.

Examples:
  rmachine stack deploy lab monitoring --set engines=true
  rmachine stack deploy lab monitoring --set interval=5s \\
      --set grafana_password=@password.txt
  rmachine stack deploy lab ./mystack --name blue
  rmachine stack deploy lab routing --publish")]
pub(super) struct Args {
    /// Swarm, or one of its machines
    #[arg(value_name = "SWARM")]
    cluster: String,

    /// Name of a built-in stack (see: stack ls), or directory of a stack
    #[arg(value_name = "STACK")]
    stack: String,

    /// Set a parameter or an image (image.NAME) that `stack show` lists; @FILE and @- read a secret from a file or standard input
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,

    /// Name of the stack on the swarm [default: the name of the built-in stack or of the directory]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Publish the stack's web pages on the nodes' ports
    #[arg(long)]
    publish: bool,

    /// Check the stack, print the resulting compose file and exit
    #[arg(long)]
    dry_run: bool,

    /// Seconds to wait for the services to run; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
}

impl Args {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let given = self.set.iter().map(|word| given(word, Path::new(""))).collect::<Result<Vec<_>, _>>()?;
        let mut request = Request::new(&self.stack, self.name.as_deref(), &given, self.publish)?;
        request.wait = seconds(self.wait);
        let swarm = ctx.swarm_for(2);
        let cluster = which(&swarm, Some(&self.cluster))?;
        if self.dry_run {
            let compose = deploy::preview(&swarm, &cluster.name, &request).await?;
            ctx.printer.line(&compose.pretty());
            return Ok(());
        }
        ctx.when_interrupted("Interrupted. Deploying again goes on.");
        let show = |key: &str, secret: &SecretString| show(ctx, key, secret);
        let done = deploy::deploy(&swarm, &cluster.name, &request, &show).await?;
        tell(ctx, &self.cluster, &request, &done);
        Ok(())
    }
}

pub(in crate::commands) fn tell(ctx: &Context, cluster: &str, request: &Request, done: &Done) {
    let (name, program) = (&request.name, &ctx.program);
    done.notes.iter().for_each(|note| ctx.last_word(&format!("Note: {note}")));
    ctx.last_word(&format!("The stack {name} runs on {cluster}"));
    for page in &done.pages {
        let opened = page.publish.as_ref().map(|_| " (also opened on the nodes)").unwrap_or_default();
        ctx.last_word(&format!("{program} stack open {cluster} {name} {} shows its page{opened}", page.name));
    }
}

/// To standard output whatever the progress is: nobody can read it again.
pub(in crate::commands) fn show(ctx: &Context, key: &str, secret: &SecretString) {
    let secret = secret.expose_secret();
    ctx.printer.line(&format!("{key}: {secret}  (kept as a secret of the swarm; not shown again)"));
}

/// `NAME=VALUE`; `NAME=@FILE` reads what must not be on a command line, `@-` from standard input. Files are meant from
/// that folder.
pub(in crate::commands) fn given(word: &str, folder: &Path) -> Result<Given, Failure> {
    let (name, value) = word
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| Failure::usage(format!("--set takes NAME=VALUE, not {word:?}")))?;
    let Some(path) = value.strip_prefix('@') else { return Ok(Given::word(name, value)) };
    let broken = |e: std::io::Error| Failure::because(format!("--set {name}: {path} cannot be read"), e);
    let mut text = String::new();
    if path == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(broken)?;
    } else {
        text = std::fs::read_to_string(folder.join(path)).map_err(broken)?;
    }
    let secret = SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned());
    Ok(Given { name: name.to_owned(), value: GivenValue::File(secret) })
}
