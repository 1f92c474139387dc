use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::app::Context;
use crate::archive::export_archive;
use crate::commands::shared::{Outcome, existing};
use crate::model::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine writes the archive to standard output. It contains the machines' settings, SSH keys and certificates, but no \
access tokens of providers. Anybody who can read the archive can use the machines. An encrypted archive has the \
format of age.

Examples:
  rmachine export --encrypt node1 node2 > machines.age
  rmachine export node1 | ssh laptop rmachine import -
  rmachine import machines.age                  # on the other computer")]
pub(crate) struct Args {
    /// Machines to export
    #[arg(value_name = "MACHINE")]
    names: Vec<String>,

    /// Ask for a passphrase and encrypt the archive with it
    #[arg(long, short)]
    encrypt: bool,

    /// Encrypt the archive with the first line of this file as passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Outcome {
    if args.names.is_empty() {
        return Err(Failure::usage("Error: Expected to get one or more machine names as arguments"));
    }
    if ctx.printer.stdout_is_terminal() {
        return Err(Failure::usage("an archive is nothing for a terminal").hint(format!(
            "{} export {} > machines.tar",
            ctx.program,
            args.names.join(" ")
        )));
    }
    let mut names = Vec::new();
    for name in &args.names {
        let name = existing(ctx, name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let passphrase = match &args.passphrase_file {
        Some(file) => Some(from_file(file)?),
        None if args.encrypt => Some(twice()?),
        None => None,
    };
    let (archive, notes) = export_archive(&ctx.machines(), &names, passphrase.as_ref())?;
    for note in notes {
        ctx.printer.error_line(&note);
    }
    ctx.printer.bytes(&archive).map_err(|e| Failure::because("the archive could not be written", e))
}

/// The first line, whatever ends it.
pub(super) fn from_file(path: &str) -> Result<SecretString, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::because(format!("open {path}"), e))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::new(format!("{path} holds no passphrase: its first line is empty")));
    }
    Ok(SecretString::from(line))
}

fn twice() -> Result<SecretString, Failure> {
    let first = ask("Passphrase of the archive: ")?;
    if first.expose_secret().is_empty() {
        return Err(Failure::new("an empty passphrase protects nothing"));
    }
    let again = ask("Once more: ")?;
    if first.expose_secret() == again.expose_secret() {
        Ok(first)
    } else {
        Err(Failure::new("the two passphrases differ"))
    }
}

pub(super) fn ask(question: &str) -> Result<SecretString, Failure> {
    crate::ui::ask_secret(question).map_err(|e| {
        Failure::because("there is nobody to ask for the passphrase", e)
            .hint("name a file that holds it: --passphrase-file FILE")
    })
}
