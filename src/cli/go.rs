//! What Go's flag package takes and clap does not: `-flag` for `--flag`, `--switch=false`, a value that looks like a flag,
//! numbers in any base.

use std::ffi::OsString;

use clap::{ArgAction, Command};

/// The words as clap wants them. What follows `--`, or the machine's name in `ssh`, is not ours to read.
pub(crate) fn normalize(argv: &[OsString], root: &Command) -> Vec<OsString> {
    let mut out: Vec<OsString> = argv.iter().take(1).cloned().collect();
    let mut command = root;
    let mut words = argv.get(1..).unwrap_or_default().iter();
    while let Some(given) = words.next() {
        if given == "--" {
            out.push(given.clone());
            break;
        }
        // No command and no flag has a name that is not UTF-8: it is a path.
        let Some(word) = given.to_str() else {
            out.push(given.clone());
            continue;
        };
        if !word.starts_with('-') || word == "-" {
            let is_help = word == "h" && std::ptr::eq(command, root);
            out.push(if is_help { "help".into() } else { given.clone() });
            if command.get_name() == "ssh" {
                break;
            }
            command = command.find_subcommand(word).unwrap_or(command);
            // rsync's words, and not a user's.
            if command.get_name() == "__rsh" {
                break;
            }
            continue;
        }
        let Some(flag) = rewrite(word, command) else { continue };
        match words.as_slice() {
            // One word of two, or clap would take a value that begins with a dash for a flag.
            [value, ..] if takes_next(&flag, command) => {
                let mut joined = OsString::from(format!("{flag}="));
                joined.push(value);
                out.push(joined);
                words.next();
            }
            _ => out.push(flag.into()),
        }
    }
    out.extend(words.cloned());
    out
}

/// One flag word as clap wants it; nothing for a switch that is turned off.
fn rewrite(word: &str, command: &Command) -> Option<String> {
    let bare = word.trim_start_matches('-');
    let (name, value) = bare.split_once('=').map_or((bare, None), |(n, v)| (n, Some(v)));
    let Some(arg) = find(command, name) else { return Some(unknown(word, command)) };
    let dashes = if name.chars().count() > 1 { "--" } else { "-" };
    let switch = matches!(arg.get_action(), ArgAction::SetTrue);
    match value {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") if switch => Some(format!("{dashes}{name}")),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") if switch => None,
        Some(value) => Some(format!("{dashes}{name}={value}")),
        None => Some(format!("{dashes}{name}")),
    }
}

/// Told as a whole, where clap would complain of a letter in its middle. Short flags may stand together (`-fy`), which Go
/// does not know, when each of them is one.
fn unknown(word: &str, command: &Command) -> String {
    let letters = word.trim_start_matches('-');
    let several = word.starts_with("--") || letters.chars().count() < 2;
    if several || letters.chars().all(|c| find(command, c.encode_utf8(&mut [0; 4])).is_some()) {
        return word.to_owned();
    }
    format!("-{word}")
}

pub(super) fn find<'a>(command: &'a Command, name: &str) -> Option<&'a clap::Arg> {
    let short = name.chars().next().filter(|_| name.chars().count() == 1);
    command.get_arguments().find(|a| {
        let long = a.get_long() == Some(name) || a.get_all_aliases().is_some_and(|l| l.contains(&name));
        let letter = |letter| {
            a.get_short() == Some(letter) || a.get_all_short_aliases().is_some_and(|l| l.contains(&letter))
        };
        long || short.is_some_and(letter)
    })
}

/// Whether the next word is this flag's value, and so not to be read as a flag.
fn takes_next(flag: &str, command: &Command) -> bool {
    let name = flag.trim_start_matches('-');
    let arg = find(command, name);
    !name.contains('=') && arg.is_some_and(|a| matches!(a.get_action(), ArgAction::Set | ArgAction::Append))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::root::command;
    use crate::environment::Environment;
    use crate::registry::Registry;

    fn words(line: &str) -> Vec<String> {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut command = command("rm", &argv, &Environment::default(), &Registry::default());
        command.build();
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        normalize(&argv, &command).into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn go_flags_become_claps() {
        for (given, expected) in [
            ("rm -debug ls -quiet", "rm --debug ls --quiet"),
            ("rm create -driver none -url=tcp://x:1 n", "rm create --driver=none --url=tcp://x:1 n"),
            ("rm create -d none --swarm=false --swarm-master=true n", "rm create -d=none --swarm-master n"),
            ("rm inspect x -f {{.Name}}", "rm inspect x -f={{.Name}}"),
            ("rm inspect x -format={{.Name}}", "rm inspect x --format={{.Name}}"),
            ("rm create -d none --engine-label -x=y n", "rm create -d=none --engine-label=-x=y n"),
            ("rm ls -f -x --filter -- -q", "rm ls -f=-x --filter=-- -q"),
            ("rm ls -t", "rm ls -t"),
            ("rm ssh n -debug ls -format", "rm ssh n -debug ls -format"),
            ("rm -D ssh n -- -x", "rm -D ssh n -- -x"),
            ("rm rm a -f", "rm rm a -f"),
            ("rm rm -fy a -yf -fx -badflag -x", "rm rm -fy a -yf --fx --badflag -x"),
            ("rm ip -- -debug", "rm ip -- -debug"),
            ("rm -D __rsh -l root n -x", "rm -D __rsh -l root n -x"),
            ("rm h ls", "rm help ls"),
            ("rm ip h", "rm ip h"),
        ] {
            assert_eq!(words(given).join(" "), expected, "{given}");
        }
    }
}
