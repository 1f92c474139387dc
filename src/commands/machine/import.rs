use std::collections::BTreeMap;
use std::io::Read;

use rmachine_driver::MachineName;

use crate::app::Context;
use crate::archive::{Importer, MOST_ARCHIVE, open_archive};
use crate::commands::machine::export::{ask, from_file};
use crate::commands::shared::Outcome;
use crate::model::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine adds all machines of an archive that `rmachine export` wrote, or none of them. The machines keep the \
certificates of their CA. To replace them by certificates of your CA, run: rmachine regenerate-certs --client-certs \
MACHINE

An archive contains no access tokens of providers. To save one, run: rmachine credentials set DRIVER

Examples:
  rmachine import machines.tar
  rmachine import --rename node1=web1 machines.age
  ssh office rmachine export node1 | rmachine import -")]
pub(crate) struct Args {
    /// Archive to read; - for standard input
    #[arg(value_name = "FILE")]
    file: String,

    /// Import a machine under another name; repeatable
    #[arg(long, value_name = "OLD=NEW")]
    rename: Vec<String>,

    /// Decrypt the archive with the first line of this file as passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let renames = args.rename.iter().map(|r| rename(r)).collect::<Result<Vec<_>, _>>()?;
    let bytes = read(ctx, &args.file)?;
    let passphrase = || match &args.passphrase_file {
        Some(file) => from_file(file),
        None => ask("Passphrase of the archive: "),
    };
    let archive = open_archive(&bytes, &passphrase)?;
    let mut machines = BTreeMap::new();
    for (old, files) in archive.machines {
        let new = renames.iter().find(|(from, _)| *from == old.as_str()).map_or(&old, |(_, to)| to);
        if machines.insert(new.clone(), files).is_some() {
            return Err(Failure::usage(format!("two machines would be called {new}")));
        }
    }
    if let Some((old, _)) = renames.iter().find(|(_, to)| !machines.contains_key(to)) {
        return Err(Failure::usage(format!("--rename: there is no machine {old:?} in the archive")));
    }
    let names: Vec<MachineName> = machines.keys().cloned().collect();
    let store = ctx.machines();
    Importer { machines: &store }.import(machines).await?;
    for name in &names {
        ctx.last_word(&format!("Imported {name}"));
    }
    for name in &names {
        if let Some(note) = store.unsaid_secret(name) {
            ctx.last_word(&note);
        }
    }
    Ok(())
}

fn rename(text: &str) -> Result<(&str, MachineName), Failure> {
    let (old, new) = text
        .split_once('=')
        .filter(|(old, _)| !old.is_empty())
        .ok_or_else(|| Failure::usage(format!("--rename wants OLD=NEW, not {text:?}")))?;
    let new = MachineName::parse(new).map_err(|e| Failure::usage(format!("--rename {text}: {e}")))?;
    Ok((old, new))
}

fn read(ctx: &Context, file: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let failed = |e: std::io::Error| Failure::because(format!("open {file}"), e);
    if file == "-" {
        if ctx.printer.stdin_is_terminal() {
            return Err(Failure::usage("standard input is a terminal, and no archive"));
        }
        std::io::stdin().lock().take(MOST_ARCHIVE + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let source = std::fs::File::open(file).map_err(failed)?;
        source.take(MOST_ARCHIVE + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}
