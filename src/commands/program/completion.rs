//! `completion`, and `__complete`, which shells call with each press of the key: it reads names of the store, and asks
//! nobody.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, complete};
use rmachine_driver::Catalogs;

use crate::app::Context;
use crate::commands::machine::create::{chosen_driver, leaves_driver_open};
use crate::commands::shared::Outcome;
use crate::environment::Environment;
use crate::machines::known_values;
use crate::registry::Registry;
use crate::stacks::definition::built_in_names;
use crate::store::Store;
use crate::ui::Printer;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The script completes commands, options, the options of the chosen or default driver, and the names of machines, swarms, \
drivers and stacks.

Examples:
  source <(rmachine completion bash)            # for the current shell
  rmachine completion bash > /etc/bash_completion.d/rmachine
  rmachine completion zsh > \"${fpath[1]}/_rmachine\"
  rmachine completion fish > ~/.config/fish/completions/rmachine.fish
  rmachine completion powershell | Out-String | Invoke-Expression")]
pub(crate) struct Args {
    /// Shell to complete in: bash, zsh, fish or powershell
    #[arg(value_enum, value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Outcome {
    let script = match args.shell {
        Shell::Bash => include_str!("../../../templates/completion/bash.sh"),
        Shell::Zsh => include_str!("../../../templates/completion/zsh"),
        Shell::Fish => include_str!("../../../templates/completion/fish"),
        Shell::Powershell => include_str!("../../../templates/completion/powershell"),
    };
    ctx.printer.raw(&script.replace("PROGRAM", &ctx.program));
    Ok(())
}

/// Hidden subcommand that shell completion scripts call.
pub(crate) const CALL: &str = "__complete";

/// Whether an option of the default driver may be completed. `call` is what follows `__complete`.
pub(crate) fn wants_default_flags(call: &[String], env: &Environment) -> bool {
    let begins_flag = call.last().is_some_and(|word| word.starts_with('-'));
    begins_flag && leaves_driver_open(call.get(3..).unwrap_or_default(), env)
}

/// `__complete SHELL INDEX WORD...`: what may stand in the place of the word at that index, a line each, with a tab and a
/// few words about it for shells that show them.
pub(crate) fn answer(words: &[String], env: &Environment, registry: &Registry) {
    let [shell, index, words @ ..] = words else { return };
    let Ok(index) = index.parse() else { return };
    let typed = Typed::new(words, index, shell == "bash");
    for candidate in typed.candidates(env, registry) {
        let Some(value) = candidate.get_value().to_str().and_then(|v| v.strip_prefix(typed.kept.as_str()))
        else {
            continue;
        };
        let help = candidate.get_help().map(|h| h.to_string().lines().next().unwrap_or_default().to_owned());
        match help.filter(|h| shell != "bash" && !h.is_empty()) {
            Some(help) => Printer.line(&format!("{value}\t{help}")),
            None => Printer.line(value),
        }
    }
}

/// A command line under way.
struct Typed {
    words: Vec<String>,
    index: usize,
    /// What the shell keeps of the word, since it takes it for words of its own.
    kept: String,
}

impl Typed {
    fn new(words: &[String], index: usize, bash: bool) -> Self {
        let mut words: Vec<String> = words.iter().take(index + 1).cloned().collect();
        words.resize(index + 1, String::new());
        let mut kept = String::new();
        if bash {
            words = joined(&words);
            let current = words.last().map(String::as_str).unwrap_or_default();
            kept = current.rfind(['=', ':']).map(|at| current[..=at].to_owned()).unwrap_or_default();
        }
        Self { index: words.len().saturating_sub(1), words, kept }
    }

    fn candidates(&self, env: &Environment, registry: &Registry) -> Vec<CompletionCandidate> {
        let command = crate::commands::root::command("rmachine", &self.words, env, registry);
        let Some(at) = self.words.iter().skip(1).position(|w| command.find_subcommand(w).is_some()) else {
            return self.ask(command);
        };
        let name = self.words[at + 1].clone();
        // All words after a machine's name are the machine's.
        if name == "ssh" && self.index > at + 2 && !self.words[at + 2].starts_with('-') {
            return Vec::new();
        }
        let offers = Offers::of(&self.words, env, registry);
        let command = command.mut_subcommand(&name, |sub| offers.with_values(sub, &name));
        self.ask(command)
    }

    fn ask(&self, mut command: clap::Command) -> Vec<CompletionCandidate> {
        let words: Vec<OsString> = self.words.iter().map(OsString::from).collect();
        let found = complete(&mut command, words, self.index, None).unwrap_or_default();
        // Flags are for those who begin one.
        let flags = self.words.last().is_some_and(|w| w.starts_with('-'));
        let wanted = |c: &CompletionCandidate| flags || !c.get_value().to_string_lossy().starts_with('-');
        found.into_iter().filter(|c| !c.is_hide_set() && wanted(c)).collect()
    }
}

/// bash parts words at `=` and `:`, and gives each its own place.
fn joined(words: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut glue = false;
    for word in words {
        let breaks = matches!(word.as_str(), "=" | ":" | "::");
        match out.last_mut().filter(|_| breaks || glue) {
            Some(last) if !last.is_empty() => last.push_str(word),
            _ => out.push(word.clone()),
        }
        glue = breaks;
    }
    out
}

/// What words may name: machines, drivers, swarms, stacks, files on machines, and what a provider offered when it was last
/// asked.
struct Offers {
    machines: Vec<String>,
    clusters: Vec<String>,
    drivers: Vec<String>,
    stacks: Vec<String>,
    /// Of the driver that is named: a flag, and its values.
    flags: Vec<(String, Vec<String>)>,
}

impl Offers {
    fn of(words: &[String], env: &Environment, registry: &Registry) -> Self {
        let store = store(words, env);
        let machines = store.names().unwrap_or_default();
        let clusters =
            machines.iter().filter_map(|name| Some(store.load_own(name).ok()?.swarm?.cluster.to_string()));
        let clusters: BTreeSet<String> = clusters.collect();
        let driver = chosen_driver(words, env).and_then(|driver| registry.find(&driver));
        let flags = driver.iter().flat_map(|driver| {
            let specs = driver.catalogs().map(Catalogs::catalog_specs).unwrap_or_default();
            let flags = specs.into_iter().flat_map(|spec| spec.options).map(Cow::into_owned);
            flags.map(|flag| (flag.clone(), known_values(&store, driver.as_ref(), &flag))).collect::<Vec<_>>()
        });
        Self {
            flags: flags.collect(),
            clusters: clusters.into_iter().collect(),
            machines: machines.iter().map(ToString::to_string).collect(),
            drivers: registry.names(),
            stacks: built_in_names().map(str::to_owned).collect(),
        }
    }

    /// `path` is the command, with the ones above it.
    fn with_values(&self, command: clap::Command, path: &str) -> clap::Command {
        let below: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
        let command = command.mut_args(|arg| match self.values(path, arg.get_id().as_str()) {
            Some(values) => arg
                .add(ArgValueCandidates::new(move || values.iter().map(CompletionCandidate::new).collect())),
            None => arg,
        });
        below.into_iter().fold(command, |command, name| {
            let path = format!("{path} {name}");
            command.mut_subcommand(name, |sub| self.with_values(sub, &path))
        })
    }

    fn values(&self, path: &str, arg: &str) -> Option<Vec<String>> {
        /// They take names that are not there yet.
        const MAKES: [&str; 4] = ["create", "adopt", "import", "swarm create"];
        if path == "swarm rm" && arg == "names" {
            return Some(self.clusters.clone());
        }
        let copies = ["scp", "mount"].contains(&path);
        let of_swarm = path.starts_with("swarm ");
        let values = match arg {
            "driver" => &self.drivers,
            "cluster" | "swarm-cluster" => &self.clusters,
            "stack" => &self.stacks,
            _ if MAKES.contains(&path) => return self.flag(arg),
            "names" | "name" | "node" | "nodes" | "machine" => &self.machines,
            "words" if path == "ssh" || of_swarm || copies => &self.machines,
            "paths" if copies => return Some(self.machines.iter().map(|n| format!("{n}:")).collect()),
            _ => return None,
        };
        Some(values.clone())
    }

    fn flag(&self, arg: &str) -> Option<Vec<String>> {
        self.flags.iter().find(|(flag, _)| *flag == arg).map(|(_, values)| values.clone())
    }
}

fn store(words: &[String], env: &Environment) -> Store {
    let named = words.windows(2).find(|w| ["-s", "--storage-path", "-storage-path"].contains(&w[0].as_str()));
    let root = named.map(|w| w[1].clone().into());
    Store::at(crate::app::store_root(env, root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Typed::new(&words, words.len() - 1, true)
    }

    fn values(line: &str) -> Vec<String> {
        let found = typed(line).candidates(&Environment::default(), &Registry::default());
        found.iter().map(|c| c.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn bash_s_pieces_are_one_word() {
        let of = |line: &str| {
            let typed = typed(line);
            (typed.words.join(" "), typed.kept)
        };
        assert_eq!(of("rmachine scp n1 : /etc"), ("rmachine scp n1:/etc".into(), "n1:".into()));
        assert_eq!(
            of("rmachine create --driver = gen"),
            ("rmachine create --driver=gen".into(), "--driver=".into())
        );
        assert_eq!(of("rmachine ls "), ("rmachine ls ".into(), String::new()));
    }

    #[test]
    fn commands_flags_and_drivers() {
        assert_eq!(values("rmachine regen"), ["regenerate-certs"]);
        assert!(values("rmachine ").iter().all(|v| !v.starts_with("__")));
        assert_eq!(values("rmachine create -d gen"), ["generic"]);
        assert!(
            values("rmachine create -d generic --generic-ip").contains(&"--generic-ip-address".to_owned())
        );
        assert!(values("rmachine create -d none --generic-ip").is_empty());
        assert!(values("rmachine ssh node1 --").is_empty());
    }
}
