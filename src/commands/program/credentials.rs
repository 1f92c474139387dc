//! `credentials`: the secrets of accounts at providers, in a file of their own that nobody else can read.

use std::io;
use std::io::{IsTerminal, Read};
use std::sync::Arc;

use rmachine_driver::Driver;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::app::Context;
use crate::commands::shared::{Outcome, existing};
use crate::model::Failure;
use crate::ui::{ask_secret, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Save an access token, read from the terminal or from standard input
    #[command(visible_alias = "create")]
    Set {
        /// Driver of the provider
        #[arg(value_name = "DRIVER")]
        driver: String,
    },
    /// Move the access tokens of machines from config.json to credentials.json; docker-machine then cannot use these machines
    Take {
        /// Machines that docker-machine created
        #[arg(value_name = "MACHINE", required = true)]
        names: Vec<String>,
    },
    /// List the accounts with saved access tokens
    Ls,
    /// Remove the access token of an account
    Rm {
        /// Driver of the provider
        #[arg(value_name = "DRIVER")]
        driver: String,

        /// Account, as `credentials ls` prints it
        #[arg(value_name = "ACCOUNT")]
        account: String,
    },
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Set { driver } => set(ctx, driver).await,
        Verb::Take { names } => take(ctx, names).await,
        Verb::Ls => ls(ctx),
        Verb::Rm { driver, account } => rm(ctx, driver, account).await,
    }
}

/// The provider is asked whose it is, and so whether it is any good.
async fn set(ctx: &Context, name: &str) -> Outcome {
    let driver = find(ctx, name)?;
    let secret = told(name)?;
    let account = ctx.machines().keep_credential(driver.as_ref(), &secret).await?;
    ctx.printer.line(&format!("Kept for the account {account} at {name}"));
    Ok(())
}

async fn take(ctx: &Context, names: &[String]) -> Outcome {
    for name in names {
        let name = existing(ctx, name)?;
        match ctx.machines().take_secret(&name).await? {
            Some(account) => ctx.printer.line(&format!("{name}: kept for the account {account}")),
            None => ctx.printer.line(&format!("{name}: config.json holds no token")),
        }
    }
    Ok(())
}

fn find(ctx: &Context, name: &str) -> Result<Arc<dyn Driver>, Failure> {
    ctx.registry.find(name).ok_or_else(|| {
        let known = ctx.registry.names().join(", ");
        Failure::usage(format!("Driver {name:?} not found")).hint(format!("name one of these: {known}"))
    })
}

fn told(driver: &str) -> Result<SecretString, Failure> {
    let unread = |e: io::Error| Failure::because("the secret cannot be read", e);
    let secret = if io::stdin().is_terminal() {
        ask_secret(&format!("Access token for {driver}: ")).map_err(unread)?
    } else {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map_err(unread)?;
        SecretString::from(text)
    };
    match secret.expose_secret().trim() {
        "" => Err(Failure::usage("no secret was given")),
        trimmed => Ok(trimmed.into()),
    }
}

fn ls(ctx: &Context) -> Outcome {
    let mut text = "DRIVER\tACCOUNT\n".to_owned();
    for kept in ctx.store.accounts()? {
        text.push_str(&format!("{}\t{}\n", kept.driver, kept.account));
    }
    ctx.printer.raw(&table::align(&text));
    Ok(())
}

async fn rm(ctx: &Context, driver: &str, account: &str) -> Outcome {
    if ctx.machines().forget_credential(driver, account).await? {
        ctx.printer.line(&format!("Forgot the account {account} at {driver}"));
        return Ok(());
    }
    let message = format!("Nothing is kept of an account {account:?} at {driver}");
    Err(Failure::new(message).hint(format!("{} credentials ls", ctx.program)))
}
