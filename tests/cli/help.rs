//! The help of every command: its words as snapshots to review, and the rules that all of them keep.
//!
//! This command rewrites the snapshots: INSTA_UPDATE=always cargo nextest run --workspace --features system-tests cli::help

use std::fmt::Write as _;

use clap::{Arg, Command};
use insta::assert_snapshot;
use rmachine::environment::Environment;
use rmachine::registry::Registry;

use super::fake_engine::ping_socket;
use super::harness::Sandbox;

/// `create` without a driver looks for an engine on this computer, and shows the flags of the driver that it finds.
const NO_ENGINE: &str = "unix:///nowhere/docker.sock";
/// Help is never wider than this, however wide the terminal is.
const WIDEST: usize = 110;

/// What a value name may be: the kind of the value, never a word like VALUE.
const KINDS: &str = "ACCOUNT ADDRESS ADDRESS:PORT CHECKSUM CIDR CLUSTER COMMAND DIR DRIVER DURATION FILE FINGERPRINT \
                     FOLDER:NAME FORMAT GROUP|NODE HOST ID IMAGE KEY=VALUE MACHINE MACHINE|COMMAND MB METHOD MODE NAME \
                     NAME=VALUE NETWORK NODE NODE|KEY=VALUE|KEY- NUMBER OLD=NEW PACKAGE PAGE PATH PORT REGEX REGION \
                     REGISTRY ROLE RULE SECONDS SERVICE SHELL SIZE SNAPSHOT SOURCE:PATH STACK STATE SWARM TAG,... \
                     TEMPLATE TOKEN TYPE URL USER VERSION";

fn help_of(lab: &Sandbox, words: &str) -> String {
    help_at(lab, words, 100)
}

fn help_at(lab: &Sandbox, words: &str, columns: usize) -> String {
    let call = lab.call(words).env("DOCKER_HOST", NO_ENGINE).env("COLUMNS", &columns.to_string());
    let outcome = call.run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{words}");
    outcome.stdout
}

/// The whole command line, with the flags of this driver.
fn root(driver: &str) -> Command {
    let words = ["rmachine", "create", "-d", driver].map(str::to_owned);
    let registry = Registry::default();
    let mut root = rmachine::commands::root::command("rmachine", &words, &Environment::default(), &registry);
    root.build();
    root
}

/// The command and all below it that help shows, each with the words that call it.
fn shown(command: &Command, path: &str) -> Vec<(String, Command)> {
    let below = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    let below = below.flat_map(|c| shown(c, format!("{path} {}", c.get_name()).trim_start()));
    std::iter::once((path.to_owned(), command.clone())).chain(below).collect()
}

/// Every argument that help shows, for every driver, with the words of its command.
fn arguments() -> Vec<(String, Arg)> {
    let roots = Registry::default().names().into_iter().map(|driver| root(&driver));
    let commands = roots.flat_map(|root| shown(&root, ""));
    commands
        .flat_map(|(path, command)| {
            let shown = command.get_arguments().filter(|a| !a.is_hide_set()).cloned();
            shown.map(|arg| (path.clone(), arg)).collect::<Vec<_>>()
        })
        .collect()
}

/// The help of every command, and of `create` the flags of every driver.
fn all_help(lab: &Sandbox, columns: usize) -> String {
    let mut all = String::new();
    for (path, _) in shown(&root("virtualbox"), "") {
        let words = format!("{path} --help");
        let words = words.trim_start();
        writeln!(all, "$ rmachine {words}\n{}", help_at(lab, words, columns)).unwrap();
    }
    for driver in Registry::default().names() {
        let words = format!("create -d {driver} --help");
        let help = help_at(lab, &words, columns);
        let own = help.find(&format!("Options of the driver {driver}:")).map(|at| &help[at..]);
        let own = own.unwrap().split("\n\n").next().unwrap();
        writeln!(all, "$ rmachine {words}\n...\n{own}\n").unwrap();
    }
    all
}

#[test]
fn help_of_every_command_matches_the_snapshots() {
    let lab = Sandbox::new();
    assert_snapshot!("80_columns", all_help(&lab, 80));
    assert_snapshot!("100_columns", all_help(&lab, 100));
}

/// Prose stands at the left edge, and all else is indented: a line of prose ends only where the next word does not fit.
#[test]
fn help_fills_its_lines_at_every_width() {
    let lab = Sandbox::new();
    for columns in [80, 100, 120] {
        let width = columns.min(WIDEST);
        let help = all_help(&lab, columns);
        let lines: Vec<&str> = help.lines().collect();
        for pair in lines.windows(2) {
            let [line, next] = pair else { unreachable!() };
            assert!(line.starts_with("$ ") || line.chars().count() <= width, "wider than {width}: {line}");
            let is_prose = !line.is_empty() && !line.starts_with("$ ") && *line != "...";
            if !is_prose || next.is_empty() || next.starts_with(' ') {
                continue;
            }
            assert!(!line.starts_with(' ') || next.ends_with(':'), "wrapped at {width}:\n{line}\n{next}");
            let word = next.split(' ').next().unwrap();
            let fits = line.chars().count() + 1 + word.chars().count() <= width;
            assert!(line.starts_with(' ') || !fits, "ragged at {width}:\n{line}\n{next}");
        }
    }
}

#[test]
fn every_argument_has_a_help_line() {
    let arguments = arguments();
    assert!(arguments.iter().filter(|(_, arg)| arg.is_positional()).count() > 40);
    for (path, arg) in arguments {
        assert!(arg.get_help().is_some_and(|h| !h.to_string().is_empty()), "{path}: {}", arg.get_id());
    }
}

#[test]
fn every_value_name_is_a_kind_of_value() {
    let kinds: Vec<&str> = KINDS.split(' ').collect();
    for (path, arg) in arguments().into_iter().filter(|(_, arg)| arg.get_action().takes_values()) {
        let names = arg.get_value_names().unwrap_or_default();
        assert!(!names.is_empty(), "{path}: {} names no kind", arg.get_id());
        for name in names {
            assert!(kinds.contains(&name.as_str()), "{path}: {} takes <{name}>", arg.get_id());
        }
    }
}

#[test]
fn short_flag_o_chooses_the_output_format_everywhere() {
    let with_o: Vec<_> = arguments().into_iter().filter(|(_, arg)| arg.get_short() == Some('o')).collect();
    assert!(with_o.len() > 5, "{}", with_o.len());
    for (path, arg) in with_o {
        assert_eq!(arg.get_long(), Some("output"), "{path}");
        assert_eq!(arg.get_value_names().unwrap_or_default(), ["FORMAT"], "{path}");
    }
}

#[test]
fn flags_that_do_nothing_are_accepted_and_hidden() {
    let lab = Sandbox::new();
    let help = help_of(&lab, "create -d none --help") + &help_of(&lab, "swarm create -d none --help");
    for flag in ["--swarm-image", "--swarm-strategy", "--swarm-opt", "--swarm-join-opt", "--swarm-host"] {
        assert!(!help.contains(flag), "{flag}");
        lab.ok(&format!("create -d none --url tcp://127.0.0.1:1 --dry-run {flag} x node1"));
    }
    assert!(!help.contains("Ignored"), "{help}");
}

#[test]
fn help_flag_and_help_command_print_the_same() {
    let lab = Sandbox::new();
    let root = help_of(&lab, "--help");
    for words in ["", "help", "-h", "-help"] {
        assert_eq!(help_of(&lab, words), root, "{words:?}");
    }
    let ls = help_of(&lab, "ls --help");
    for words in ["ls -h", "help ls", "ls -help"] {
        assert_eq!(help_of(&lab, words), ls, "{words:?}");
    }
}

#[test]
fn create_help_shows_flags_of_the_chosen_driver() {
    let lab = Sandbox::new();
    let generic = help_of(&lab, "create --driver generic --help");
    for words in ["create --help -d generic", "create -d=generic --help", "create -d generic-ssh --help"] {
        assert_eq!(help_of(&lab, words), generic, "{words}");
    }
    let by_env = lab.call("create --help").env("MACHINE_DRIVER", "generic").run();
    assert_eq!(by_env.stdout, generic);
    assert!(generic.contains("--generic-ip-address"), "{generic}");
}

#[test]
fn create_help_shows_flags_of_the_default_driver() {
    let lab = Sandbox::new();
    let engine = ping_socket(&lab);
    for words in ["create --help", "help create", "swarm create --help", "swarm help create"] {
        let help = lab.call(words).env("DOCKER_HOST", &engine).run().stdout;
        assert!(help.contains("Options of the driver docker:"), "{words}:\n{help}");
        assert!(help_of(&lab, words).contains("Options of the driver virtualbox:"), "{words}");
    }
}

#[test]
fn first_screen_has_one_command_a_line_within_80_columns() {
    let lab = Sandbox::new();
    let help = help_at(&lab, "--help", 80);
    assert!(help.lines().all(|l| l.chars().count() <= 80), "{help}");
    let root = root("none");
    for command in root.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        let (name, about) = (command.get_name(), command.get_about().unwrap().to_string());
        let line = |l: &&str| l.split_whitespace().next() == Some(name) && l.ends_with(&format!("  {about}"));
        assert_eq!(help.lines().filter(line).count(), 1, "{name} in:\n{help}");
    }
    let examples = help.split_once("Examples:\n").unwrap().1;
    assert!(examples.starts_with("  rmachine create node1\n"), "{examples}");
}

/// docker-machine's shell completions and wrappers read these lines.
#[test]
fn help_as_docker_machine_has_its_layout() {
    let lab = Sandbox::new();
    let help = lab.run_as_docker_machine("rm --help");
    assert_snapshot!(help, @r"
    exit 0
    --- stdout
    Usage: docker-machine rm [OPTIONS] [arg...]

    Remove machines

    Description:
       Machines to remove

    Options:
       ⏎
       --force, -f	Remove the machine from the store even if its provider is unreachable; implies -y
       --yes, -y	Do not ask for confirmation
    ");
    assert_eq!(lab.run_as_docker_machine("help rm"), help);
    assert_eq!(lab.run_as_docker_machine("h rm"), help);
    let create = lab.run_as_docker_machine("create -d generic --help").stdout;
    for line in [
        "   --generic-ssh-port \"22\"\t*SSH port [$GENERIC_SSH_PORT]",
        "   --engine-label [--engine-label option --engine-label option]\t*Label of the engine: env=prod",
        "   --swarm\t*Join the swarm that --swarm-discovery names (docker-machine's flag)",
        "   --swarm-opt [--swarm-opt option --swarm-opt option]\t*Ignored; accepted for docker-machine compatibility",
    ] {
        let (flag, rest) = line.split_once("\t*").unwrap();
        let found = create.lines().find(|l| l.split('\t').next() == Some(flag));
        let found = found.unwrap_or_else(|| panic!("{flag} is not in:\n{create}"));
        assert_eq!(found.rsplit('\t').next(), Some(rest));
    }
    for words in ["", "help", "--help", "-h", "h"] {
        let all = lab.run_as_docker_machine(words).stdout;
        assert!(all.starts_with("Usage: docker-machine [OPTIONS] COMMAND [arg...]\n"), "{words}: {all}");
        assert!(
            all.ends_with("\nRun 'docker-machine COMMAND --help' for more information on a command.\n"),
            "{all}"
        );
    }
}
