use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::commands::stack::{name, which};
use crate::model::Failure;
use crate::stacks::definition::StackName;
use crate::stacks::deploy;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine forwards a local port through SSH to the node that runs the service, so the nodes need not publish any port. \
Press Ctrl-C to stop.

Examples:
  rmachine stack open lab monitoring
  rmachine stack open lab monitoring prometheus --port 9090
  rmachine stack open lab mystack web:8080      # port 8080 of the service web")]
pub(super) struct Args {
    /// Swarm, or one of its machines
    #[arg(value_name = "SWARM")]
    cluster: String,

    /// Name of the stack on the swarm
    #[arg(value_name = "STACK")]
    stack: String,

    /// Page of the stack, or SERVICE:PORT [default: the first page]
    #[arg(value_name = "PAGE")]
    page: Option<String>,

    /// Local port [default: a free port]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,

    /// Open a browser even if no desktop is found
    #[arg(long, conflicts_with = "no_browser")]
    browser: bool,

    /// Print the URL and open no browser
    #[arg(long)]
    no_browser: bool,
}

/// What is asked for: a service, its port, and the path of the page.
struct Target {
    service: String,
    port: u16,
    path: String,
}

impl Args {
    pub(super) async fn run(&self, ctx: &Context) -> Outcome {
        let stack = name(&self.stack)?;
        let swarm = ctx.swarm();
        let cluster = which(&swarm, Some(&self.cluster))?;
        let target = match self.page.as_deref().and_then(service_and_port) {
            Some(target) => target,
            None => self.page(ctx, &stack).await?,
        };
        let at = (target.service.as_str(), target.port);
        let way = deploy::open(&swarm, &cluster.name, &stack, at, self.port).await?;
        let url = format!("http://127.0.0.1:{}{}", way.local_port(), target.path);
        ctx.printer.line(&url);
        ctx.last_word(&format!("{} of {stack}, on {}; Ctrl-C ends it", target.service, way.machine()));
        if self.wants_browser(ctx) {
            browse(ctx, &url);
        }
        way.serve(&|text| ctx.printer.error_line(text)).await;
        Ok(())
    }

    /// A page that the stack says it has, and whose service is there.
    async fn page(&self, ctx: &Context, name: &StackName) -> Result<Target, Failure> {
        let swarm = ctx.swarm();
        let cluster = which(&swarm, Some(&self.cluster))?;
        let pages = deploy::pages(&swarm, &cluster.name, name).await?;
        let wanted = self.page.as_deref();
        let found = match wanted {
            Some(word) => pages.iter().find(|p| p.name == word),
            None => pages.first(),
        };
        found
            .map(|page| Target {
                service: page.service.clone(),
                port: page.port,
                path: if page.path.is_empty() { "/".to_owned() } else { page.path.clone() },
            })
            .ok_or_else(|| no_page(name, wanted, &pages))
    }

    fn wants_browser(&self, ctx: &Context) -> bool {
        let desktop = cfg!(any(windows, target_os = "macos"))
            || ctx.env.get("DISPLAY").is_some()
            || ctx.env.get("WAYLAND_DISPLAY").is_some();
        self.browser || (desktop && !self.no_browser && ctx.printer.stdout_is_terminal())
    }
}

fn service_and_port(word: &str) -> Option<Target> {
    let (service, port) = word.split_once(':')?;
    Some(Target { service: service.to_owned(), port: port.parse().ok()?, path: "/".to_owned() })
}

fn no_page(name: &StackName, wanted: Option<&str>, pages: &[deploy::OpenPage]) -> Failure {
    let known: Vec<_> = pages.iter().map(|p| p.name.as_str()).collect();
    let message = match wanted {
        Some(word) => format!("the stack \"{name}\" has no page {word:?}"),
        None => format!("the stack \"{name}\" has no page that is known here"),
    };
    let error = Failure::new(message);
    if known.is_empty() {
        error.hint("SERVICE:PORT names any service of it")
    } else {
        error.hint(format!("it has: {}", known.join(", ")))
    }
}

/// A browser that does not start is no failure: the address is on the screen.
fn browse(ctx: &Context, url: &str) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    let opener = ctx.env.get("BROWSER").unwrap_or(opener);
    #[expect(
        clippy::disallowed_methods,
        reason = "the one program that is started here, on the user's own desktop"
    )]
    let started = std::process::Command::new(opener)
        .arg(url)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    if let Err(e) = started {
        ctx.printer.error_line(&format!("{opener} does not start: {e}"));
    }
}
