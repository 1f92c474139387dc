//! What is said of words that make no sense: docker-machine's sentences, and what was probably meant.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::go;
use crate::model::Failure;
use crate::ui::Printer;

/// A command line that clap refused.
pub(crate) struct Refused<'a> {
    pub(crate) program: &'a str,
    pub(crate) argv: &'a [String],
    pub(crate) error: &'a clap::Error,
    /// The whole built command, and the names of the subcommands that were meant.
    pub(crate) root: &'a clap::Command,
    pub(crate) path: &'a [String],
    /// Words of other programs, each with the command that does the same here.
    pub(crate) synonyms: &'a [(&'a str, &'a str)],
    /// The driver that owns an unknown flag.
    pub(crate) flag_owner: Option<&'a str>,
}

/// Prints help and versions, which clap reports as errors too; false for a real error.
pub(crate) fn print_answer(error: &clap::Error) -> bool {
    let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_answer {
        Printer.raw(&error.render().to_string());
    }
    is_answer
}

/// Words the error as docker-machine does, with a hint at what was probably meant.
pub(crate) fn failure(refused: &Refused<'_>) -> Failure {
    let Refused { program, argv, error, root, path, flag_owner, .. } = *refused;
    let command = path.iter().fold(root, |at, name| at.find_subcommand(name).unwrap_or(at));
    let group = std::iter::once(program).chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    match error.kind() {
        ErrorKind::InvalidSubcommand => return no_command(refused, &group),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Failure::usage(error.render().to_string().trim_end().to_owned());
        }
        _ => {}
    }
    if program == "docker-machine" {
        Printer.raw(&format!("Incorrect Usage.\n\n{}\n", command.clone().render_help()));
    }
    let mut failure = Failure::usage(sentence(error, argv, command));
    failure.hints.extend(suggestion(error));
    failure
        .hints
        .extend(flag_owner.map(|owner| format!("that flag belongs to the driver {owner:?}: add -d {owner}")));
    failure.hint(format!("see `{group} --help`"))
}

/// The name of the flag that clap does not know, without its dashes.
pub(crate) fn unknown_flag(error: &clap::Error) -> Option<String> {
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    is_unknown.then(|| text(error, ContextKind::InvalidArg).trim_start_matches('-').to_owned())
}

fn no_command(refused: &Refused<'_>, group: &str) -> Failure {
    let Refused { program, argv, error, path, .. } = *refused;
    let word = text(error, ContextKind::InvalidSubcommand);
    let called = argv.first().map_or(group, String::as_str);
    let help = std::iter::once(called).chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let message = format!("{group}: '{word}' is not a {group} command. See '{help} --help'.");
    let mut failure = Failure::new(message);
    let elsewhere =
        equivalent(refused, word).map_or_else(|| namesakes(refused, word), |command| vec![command]);
    let elsewhere: Vec<String> = elsewhere.iter().map(|command| format!("`{program} {command}`")).collect();
    failure.hints.extend(match &elsewhere[..] {
        [] => meant(error, ContextKind::SuggestedSubcommand, &format!("{group} ")),
        _ => Some(format!("did you mean {}?", elsewhere.join(" or "))),
    });
    failure
}

/// The command that does what this word does in other programs: in the same group, if the group has it.
fn equivalent(refused: &Refused<'_>, word: &str) -> Option<String> {
    let Refused { root, path, synonyms, .. } = *refused;
    let group = path.join(" ");
    let whole = format!("{group} {word}");
    if let Some((_, command)) = synonyms.iter().find(|(known, _)| *known == whole) {
        return Some((*command).to_owned());
    }
    let (_, command) = synonyms.iter().find(|(known, _)| *known == word)?;
    let at = path.iter().fold(root, |at, name| at.find_subcommand(name).unwrap_or(at));
    let in_group = !path.is_empty() && at.find_subcommand(command).is_some();
    Some(if in_group { format!("{group} {command}") } else { (*command).to_owned() })
}

/// The commands of this name in other places.
fn namesakes(refused: &Refused<'_>, word: &str) -> Vec<String> {
    let root = refused.root;
    if !refused.path.is_empty() && root.find_subcommand(word).is_some_and(|c| !c.is_hide_set()) {
        return vec![word.to_owned()];
    }
    let groups = root.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    let has_it = groups.filter(|group| group.find_subcommand(word).is_some_and(|c| c.get_name() == word));
    has_it.map(|group| format!("{} {word}", group.get_name())).collect()
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

fn text(error: &clap::Error, kind: ContextKind) -> &str {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text,
        _ => "",
    }
}
