use std::path::PathBuf;

use clap_mangen::Man;

use crate::app::{Context, user_files};
use crate::commands::shared::Outcome;
use crate::model::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rmachine man | man -l -
  rmachine man scp | man -l -
  rmachine man --dir ~/.local/share/man/man1    # then: man rmachine-scp")]
pub(crate) struct Args {
    /// Command to print the page of [default: the page of the program]
    #[arg(value_name = "COMMAND")]
    command: Option<String>,

    /// Write all pages to this directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Outcome {
    let mut root = crate::commands::root::command(&ctx.program, &[], &ctx.env, &ctx.registry);
    root.build();
    if let Some(dir) = &args.dir {
        return write_all(ctx, &root, dir);
    }
    let page = match &args.command {
        None => Some(&root),
        Some(name) => root.find_subcommand(name).filter(|c| !c.is_hide_set()),
    };
    let page = page.ok_or_else(|| {
        Failure::new(format!("there is no command {:?}", args.command.as_deref().unwrap_or_default()))
            .hint(format!("{} --help", ctx.program))
    })?;
    ctx.printer.raw(&render(page, &full_name(&root, page))?);
    Ok(())
}

fn write_all(ctx: &Context, root: &clap::Command, dir: &std::path::Path) -> Outcome {
    user_files::create_folder(dir).map_err(|e| Failure::because(format!("mkdir {}", dir.display()), e))?;
    let mut pages = 0;
    for command in std::iter::once(root).chain(root.get_subcommands()) {
        if command.is_hide_set() || command.get_name() == "help" {
            continue;
        }
        let name = full_name(root, command);
        let text = render(command, &name)?;
        ctx.store.write_file(&dir.join(format!("{name}.1")), text.as_bytes(), 0o644)?;
        pages += 1;
    }
    ctx.last_word(&format!("Wrote {pages} pages into {}", dir.display()));
    Ok(())
}

fn full_name(root: &clap::Command, command: &clap::Command) -> String {
    if command.get_name() == root.get_name() {
        root.get_name().to_owned()
    } else {
        format!("{}-{}", root.get_name(), command.get_name())
    }
}

fn render(command: &clap::Command, name: &str) -> Result<String, Failure> {
    let mut page = Vec::new();
    let version = env!("CARGO_PKG_VERSION");
    // Its own version flag is no version for clap.
    let command = command.clone().name(name.to_owned()).display_name(name.to_owned()).version(version);
    let command = command.disable_version_flag(true);
    Man::new(command)
        .date("")
        .render(&mut page)
        .map_err(|e| Failure::because(format!("the page of {name} cannot be made"), e))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
