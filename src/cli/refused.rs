//! What is said of words that make no sense: docker-machine's sentences, and what was probably meant.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{command, go, subcommands};
use crate::commands::create;
use crate::context::Environment;
use crate::error::CommandError;
use crate::registry::Registry;
use crate::ui::Printer;

/// Help and versions are answers; the rest are words that make no sense.
pub fn refused(
    program: &str,
    argv: &[String],
    error: &clap::Error,
    env: &Environment,
    registry: &Registry,
) -> Result<(), CommandError> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Printer.raw(&error.render().to_string());
            return Ok(());
        }
        ErrorKind::InvalidSubcommand => return Err(no_command(program, argv, error)),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Err(CommandError::usage(error.render().to_string().trim_end().to_owned()));
        }
        _ => {}
    }
    let path = subcommands(program, argv, env, registry);
    // Its flags are unknown because the driver is.
    if error.kind() == ErrorKind::UnknownArgument && path.first().is_some_and(|name| name == "create") {
        create::known_driver(argv, env, registry)?;
    }
    let mut root = command(program, argv, env, registry);
    root.build();
    let command = path.iter().fold(&root, |at, name| at.find_subcommand(name).unwrap_or(at));
    if program == "docker-machine" {
        Printer.raw(&format!("Incorrect Usage.\n\n{}\n", command.clone().render_help()));
    }
    let mut failure = CommandError::usage(sentence(error, argv, command));
    failure.hints.extend(suggestion(error));
    failure.hints.extend(
        owner(error, registry)
            .map(|owner| format!("that flag belongs to the driver {owner:?}: add -d {owner}")),
    );
    let called: String = path.iter().map(|name| format!("{name} ")).collect();
    Err(failure.hint(format!("see `{program} {called}--help`")))
}

fn no_command(program: &str, argv: &[String], error: &clap::Error) -> CommandError {
    let word = text(error, ContextKind::InvalidSubcommand);
    let called = argv.first().map_or(program, String::as_str);
    let message = format!("{program}: '{word}' is not a {program} command. See '{called} --help'.");
    let mut failure = CommandError::failed(message);
    failure.hints.extend(meant(error, ContextKind::SuggestedSubcommand, &format!("{program} ")));
    failure
}

/// As Go's flag package puts it.
fn sentence(error: &clap::Error, argv: &[String], command: &clap::Command) -> String {
    let argument = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    // Clap's own form is `--flag <VALUE>`.
    let bare = argument.split([' ', '=']).next().unwrap_or_default();
    let flag = format!("-{}", typed(bare.trim_start_matches('-'), argv, command));
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("flag provided but not defined: {flag}")
        }
        ErrorKind::UnknownArgument => format!("Invalid command line. Found extra arguments [{argument}]"),
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("invalid value {value:?} for flag {flag}: parse error")
        }
        ErrorKind::TooManyValues => format!("invalid boolean value {value:?} for {flag}: parse error"),
        _ => {
            let told = error.render().to_string();
            let told = told.split("\n\n").next().unwrap_or_default();
            told.trim().trim_start_matches("error: ").to_owned()
        }
    }
}

/// The name of a flag as the user wrote it: long or short.
fn typed(long: &str, argv: &[String], command: &clap::Command) -> String {
    let short = go::find(command, long).and_then(clap::Arg::get_short).map(String::from);
    let bare = |word: &String| word.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned();
    let flags: Vec<String> = argv.iter().skip(1).filter(|w| w.starts_with('-')).map(bare).collect();
    let ends_with = |short: &String| flags.iter().any(|f| f.ends_with(short));
    match short {
        Some(short) if !flags.iter().any(|f| f == long) && ends_with(&short) => short,
        _ => long.to_owned(),
    }
}

fn suggestion(error: &clap::Error) -> Option<String> {
    let possible = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => Some(values.join(", ")),
        _ => None,
    };
    possible
        .map(|values| format!("it takes one of: {values}"))
        .or_else(|| meant(error, ContextKind::SuggestedArg, ""))
}

fn meant(error: &clap::Error, kind: ContextKind, before: &str) -> Option<String> {
    let nearest = match error.get(kind)? {
        ContextValue::String(one) => Some(one),
        // Clap puts the nearest last.
        ContextValue::Strings(several) => several.last(),
        _ => None,
    }?;
    Some(format!("did you mean `{before}{}`?", nearest.split(' ').next().unwrap_or(nearest)))
}

/// The driver whose flag it is, if it is anybody's.
fn owner(error: &clap::Error, registry: &Registry) -> Option<String> {
    let argument = text(error, ContextKind::InvalidArg);
    let name = argument.split(['=', ' ']).next().unwrap_or_default().trim_start_matches('-');
    registry.owner_of(name).filter(|_| error.kind() == ErrorKind::UnknownArgument)
}

fn text(error: &clap::Error, kind: ContextKind) -> &str {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text,
        _ => "",
    }
}
