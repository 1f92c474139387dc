//! The help of every command, as one text to review.

use std::fmt::Write as _;

use super::harness::Sandbox;

const COMMANDS: [&str; 19] = [
    "active",
    "config",
    "env",
    "inspect",
    "ip",
    "kill",
    "ls",
    "node-image",
    "provision",
    "prune",
    "restart",
    "rm",
    "ssh",
    "start",
    "status",
    "stop",
    "url",
    "version",
    "create",
];

fn help_of(lab: &Sandbox, words: &str) -> String {
    let outcome = lab.run(words);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{words}");
    outcome.stdout
}

#[test]
fn the_whole_tree() {
    let lab = Sandbox::new();
    let mut text = String::new();
    let all = COMMANDS.iter().map(|c| format!("{c} --help"));
    let creates = ["create -d generic --help", "create -d none --help"].map(str::to_owned);
    for words in ["--help".to_owned()].into_iter().chain(all).chain(creates) {
        writeln!(text, "$ rmachine {words}\n{}", help_of(&lab, &words)).unwrap();
    }
    insta::assert_snapshot!("tree", text);
}

#[test]
fn no_command_is_missing_from_the_tree() {
    let lab = Sandbox::new();
    let root = help_of(&lab, "--help");
    let listed = root.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let mut names: Vec<_> = listed.filter_map(|l| l.split_whitespace().next()).collect();
    names.retain(|n| *n != "help");
    let mut covered = COMMANDS.to_vec();
    covered.sort_unstable();
    assert_eq!(names, covered);
}

#[test]
fn every_way_to_ask_gives_the_same_help() {
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
fn a_driver_s_flags_are_shown_when_it_is_named() {
    let lab = Sandbox::new();
    let generic = help_of(&lab, "create --driver generic --help");
    for words in ["create --help -d generic", "create -d=generic --help", "create -d generic-ssh --help"] {
        assert_eq!(help_of(&lab, words), generic, "{words}");
    }
    let by_env = lab.call("create --help").env("MACHINE_DRIVER", "generic").run();
    assert_eq!(by_env.stdout, generic);
    assert!(generic.contains("--generic-ip-address"), "{generic}");
}

/// docker-machine's shell completions look for this form.
#[test]
fn help_speaks_of_the_program_by_the_name_it_was_called() {
    let lab = Sandbox::new();
    let outcome = lab.run_as_docker_machine("ls --help");
    assert!(outcome.stdout.contains("Usage: docker-machine ls [OPTIONS]"), "{outcome}");
}
