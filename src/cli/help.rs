//! The help screens: the first one lists our commands in groups; under docker-machine's name all have the layout of its
//! help, which shell completions and wrappers read line by line.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

/// Headings, each with the names of its commands. The last heading also gets the commands that no group names.
pub(crate) type Groups = &'static [(&'static str, &'static [&'static str])];

/// clap adds the command `help` itself, with a text about subcommands.
const HELP: &str = "Print the help of a command";

/// Gives every command its screen. Under our own name only the first differs from clap's.
pub(crate) fn screens(root: Command, program: &str, groups: Groups) -> Command {
    if program == "docker-machine" {
        let text = application(&root, program);
        return commands_as_docker_machine(root, program, "").override_help(text);
    }
    let template = format!(
        "{{about}}\n\nUsage: {program} [OPTIONS] COMMAND [ARG]...\n\n{}\nOptions:\n{{options}}{{after-help}}\n",
        grouped(&root, groups)
    );
    root.help_template(template)
}

fn grouped(root: &Command, groups: Groups) -> String {
    let mut groups: Vec<(&str, Vec<(String, String)>)> =
        groups.iter().map(|(heading, names)| (*heading, rows(root, names))).collect();
    let listed: Vec<String> =
        groups.iter().flat_map(|(_, rows)| rows).map(|(name, _)| name.clone()).collect();
    if let Some((_, last)) = groups.last_mut() {
        last.extend(shown(root).filter(|(name, _)| !listed.contains(name)));
    }
    groups.retain(|(_, rows)| !rows.is_empty());
    let width = groups.iter().flat_map(|(_, rows)| rows).map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (heading, rows) in groups {
        let _ = writeln!(text, "{heading}:");
        for (name, about) in rows {
            let _ = writeln!(text, "  {name:width$}  {about}");
        }
    }
    text
}

/// The commands with these names, in this order.
fn rows(root: &Command, names: &[&str]) -> Vec<(String, String)> {
    let find = |name: &&str| shown(root).find(|(shown, _)| shown == name);
    names.iter().filter_map(find).collect()
}

/// Each command that is not hidden, with its purpose.
fn shown(command: &Command) -> impl Iterator<Item = (String, String)> {
    let own = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    let own = own.map(|c| (c.get_name().to_owned(), about(c)));
    own.chain([("help".to_owned(), HELP.to_owned())])
}

fn commands_as_docker_machine(mut command: Command, program: &str, above: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        let path = format!("{above}{name}");
        command = command.mut_subcommand(&name, |sub| {
            let text = one(&sub, program, &path);
            commands_as_docker_machine(sub, program, &format!("{path} ")).override_help(text)
        });
    }
    command
}

fn application(root: &Command, program: &str) -> String {
    let mut text = format!("Usage: {program} [OPTIONS] COMMAND [arg...]\n\n{}\n\nOptions:\n", about(root));
    text += &tabbed(flags(root, true), "  ");
    text += "\nCommands:\n";
    text += &tabbed(commands(root), "  ");
    let _ = writeln!(text, "\nRun '{program} COMMAND --help' for more information on a command.");
    text
}

/// Option lines begin with exactly three blanks and a dash, the long name first; a line of three blanks stands before them.
fn one(command: &Command, program: &str, path: &str) -> String {
    // docker-machine had no groups of commands, so what a group hides is not its own.
    let flags = flags(command, !command.has_subcommands());
    let options = if flags.is_empty() { "" } else { " [OPTIONS]" };
    let mut text = format!("Usage: {program} {path}{options} [arg...]\n\n{}\n", about(command));
    let named = command.get_arguments().filter(|a| a.is_positional() && !a.is_hide_set());
    let description: Vec<String> = named.filter_map(|a| a.get_help().map(ToString::to_string)).collect();
    if !description.is_empty() {
        let _ = write!(text, "\nDescription:\n   {}\n", description.join("\n   "));
    }
    if !flags.is_empty() {
        text += "\nOptions:\n   \n";
        text += &tabbed(flags, "   ");
    }
    if command.has_subcommands() {
        text += "\nCommands:\n";
        text += &tabbed(commands(command), "   ");
    }
    text
}

fn commands(above: &Command) -> Vec<(String, String)> {
    let mut commands: Vec<_> = shown(above).collect();
    commands.sort();
    commands
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// Each flag with its default, and what it does with its variable. Wrappers look for docker-machine's flags, even for
/// those that do nothing any more.
fn flags(command: &Command, with_hidden: bool) -> Vec<(String, String)> {
    let own = command.get_arguments().filter(|a| !a.is_positional() && (with_hidden || !a.is_hide_set()));
    own.map(|a| {
        let (help, notes) = told_apart(&a.get_help().map(ToString::to_string).unwrap_or_default());
        let default = a.get_default_values().first().map(|d| d.to_string_lossy().into_owned());
        let env = notes.env.map(|e| format!(" [${e}]")).unwrap_or_default();
        (flag(a, default.or(notes.default)), format!("{help}{env}"))
    })
    .collect()
}

fn flag(arg: &Arg, default: Option<String>) -> String {
    let long = arg.get_long().map(|l| format!("--{l}"));
    let names: Vec<String> = long.into_iter().chain(arg.get_short().map(|s| format!("-{s}"))).collect();
    let names = names.join(", ");
    match (arg.get_action(), default) {
        (ArgAction::Append, _) => {
            let first = names.split(',').next().unwrap_or_default();
            format!("{names} [{first} option {first} option]")
        }
        (ArgAction::Set, Some(default)) => format!("{names} \"{default}\""),
        _ => names,
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Notes {
    default: Option<String>,
    env: Option<String>,
}

/// Takes `[default: ...]` and `[env: ...]` out of a help text.
fn told_apart(help: &str) -> (String, Notes) {
    let mut text = help.to_owned();
    let mut take = |begin: &str| {
        let at = text.find(begin)?;
        let end = at + text[at..].find(']')?;
        let value = text[at + begin.len()..end].to_owned();
        text.replace_range(at..=end, "");
        Some(value)
    };
    let notes = Notes { default: take("[default: "), env: take("[env: ") };
    (text.trim().replace("  ", " "), notes)
}

/// Two columns, the first filled up with tabs to the next multiple of eight, as Go's tabwriter does it.
fn tabbed(rows: Vec<(String, String)>, indent: &str) -> String {
    let widest = rows.iter().map(|(left, _)| indent.len() + left.chars().count()).max().unwrap_or(0);
    let column = (widest + 1).next_multiple_of(8);
    rows.into_iter().fold(String::new(), |mut text, (left, right)| {
        let tabs = (column - indent.len() - left.chars().count()).div_ceil(8);
        let _ = writeln!(text, "{indent}{left}{}{right}", "\t".repeat(tabs));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_taken_out_of_the_text() {
        let (text, notes) = told_apart("SSH port [default: 22] [env: GENERIC_SSH_PORT]");
        assert_eq!(text, "SSH port");
        assert_eq!(notes, Notes { default: Some("22".to_owned()), env: Some("GENERIC_SSH_PORT".to_owned()) });
    }

    #[test]
    fn columns_are_filled_with_tabs() {
        let rows = [("--a", "x"), ("--long-flag", "y")].map(|(l, r)| (l.to_owned(), r.to_owned()));
        assert_eq!(tabbed(rows.into(), "   "), "   --a\t\tx\n   --long-flag\ty\n");
    }
}
