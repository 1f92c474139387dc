//! The help screens: our own commands by what they are for, on one screen; and under docker-machine's name the layout of
//! its help, which shell completions and wrappers read line by line.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

/// A command and what it does, in the fewest words.
pub(crate) type Entry = (&'static str, &'static str);

/// Headings, each with the lines below it; the commands of a line belong together.
pub(crate) type Groups = &'static [(&'static str, &'static [&'static [Entry]])];

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

fn grouped(root: &Command, places: Groups) -> String {
    let is_there =
        |name: &str| name == "help" || root.find_subcommand(name).is_some_and(|c| !c.is_hide_set());
    let mut groups: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    for (heading, lines) in places {
        let lines =
            lines.iter().map(|line| line.iter().filter(|(name, _)| is_there(name)).copied().collect());
        groups.push((heading, lines.filter(|l: &Vec<Entry>| !l.is_empty()).map(|l| joined(&l)).collect()));
    }
    if let Some((_, last)) = groups.last_mut() {
        last.extend(ungrouped(root, places));
    }
    groups.retain(|(_, lines)| !lines.is_empty());
    let width = groups.iter().flat_map(|(_, lines)| lines).map(|(names, _)| names.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (heading, lines) in groups {
        let _ = writeln!(text, "{heading}:");
        for (names, does) in lines {
            let _ = writeln!(text, "  {names:width$}  {does}");
        }
    }
    text
}

fn joined(line: &[Entry]) -> (String, String) {
    let (names, does): (Vec<_>, Vec<_>) = line.iter().copied().unzip();
    (names.join(", "), does.join("; "))
}

/// The lists of providers, and nothing is left out because nobody has found a place for it yet.
pub(crate) fn ungrouped(root: &Command, places: Groups) -> Vec<(String, String)> {
    let has_place =
        |name: &str| places.iter().flat_map(|(_, g)| *g).any(|l| l.iter().any(|(n, _)| *n == name));
    let left = root.get_subcommands().filter(|c| !has_place(c.get_name()) && !c.is_hide_set());
    left.map(|c| (c.get_name().to_owned(), about(c))).collect()
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
    text += &tabbed(flags(root), "  ");
    text += "\nCommands:\n";
    text += &tabbed(commands(root), "  ");
    let _ = writeln!(text, "\nRun '{program} COMMAND --help' for more information on a command.");
    text
}

/// Option lines begin with exactly three blanks and a dash, the long name first; a line of three blanks stands before them.
fn one(command: &Command, program: &str, path: &str) -> String {
    let flags = flags(command);
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
    let shown = above.get_subcommands().filter(|c| !c.is_hide_set());
    let mut commands: Vec<_> = shown.map(|c| (c.get_name().to_owned(), about(c))).collect();
    commands.sort();
    commands.push(("help".to_owned(), "List the commands, or tell of one".to_owned()));
    commands
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// Each flag with its default, and what it does with its variable.
fn flags(command: &Command) -> Vec<(String, String)> {
    let own = command.get_arguments().filter(|a| !a.is_positional());
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
