//! The help of every command, as one text to review.

use std::fmt::Write as _;

use super::harness::Sandbox;

/// `create` without a driver looks for an engine on this computer, and shows the flags of the driver that it finds.
const NO_ENGINE: &str = "unix:///nowhere/docker.sock";

fn help_of(lab: &Sandbox, words: &str) -> String {
    let outcome = lab.call(words).env("DOCKER_HOST", NO_ENGINE).run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{words}");
    outcome.stdout
}

/// The commands that a help lists, its own `help` aside.
fn listed(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let named = lines.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    named.filter_map(|l| l.split_whitespace().next()).filter(|n| *n != "help").collect()
}

/// The help of a command and of all below it.
fn grow(lab: &Sandbox, words: &str, tree: &mut String) {
    let help = help_of(lab, &format!("{words} --help"));
    let command =
        if words.is_empty() { "rmachine --help".to_owned() } else { format!("rmachine {words} --help") };
    writeln!(tree, "$ {command}\n{help}").unwrap();
    for below in listed(&help) {
        grow(lab, format!("{words} {below}").trim_start(), tree);
    }
}

#[test]
fn the_whole_tree() {
    let lab = Sandbox::new();
    let mut tree = String::new();
    grow(&lab, "", &mut tree);
    for driver in rmachine::registry::Registry::default().names() {
        let help = help_of(&lab, &format!("create -d {driver} --help"));
        let own = help.find(&format!("Driver {driver}:")).map(|at| help[at..].split("\n\n").next().unwrap());
        writeln!(tree, "$ rmachine create -d {driver} --help\n...\n{}\n", own.unwrap()).unwrap();
    }
    insta::assert_snapshot!("tree", tree);
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
