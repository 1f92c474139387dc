//! The help of every command, as one text to review.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::harness::Sandbox;

/// `create` without a driver looks for an engine on this computer, and shows the flags of the driver that it finds.
const NO_ENGINE: &str = "unix:///nowhere/docker.sock";

fn help_of(lab: &Sandbox, words: &str) -> String {
    let outcome = lab.call(words).env("DOCKER_HOST", NO_ENGINE).run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{words}");
    outcome.stdout
}

/// The commands, in the list that docker-machine's layout has.
fn commands(lab: &Sandbox) -> Vec<String> {
    let help = lab.run_as_docker_machine("--help").stdout;
    listed(&help).into_iter().map(str::to_owned).collect()
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
    let below =
        if words.is_empty() { commands(lab) } else { listed(&help).into_iter().map(str::to_owned).collect() };
    for below in below {
        grow(lab, format!("{words} {below}").trim_start(), tree);
    }
}

#[test]
fn help_of_every_command_matches_the_snapshot() {
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
fn root_help_fits_one_screen_and_names_every_command() {
    let lab = Sandbox::new();
    let help = help_of(&lab, "--help");
    assert!(help.lines().count() <= 40, "{help}");
    assert!(help.lines().all(|l| l.chars().count() <= 100), "{help}");
    let named: Vec<&str> = help.split(|c: char| c.is_whitespace() || c == ',').collect();
    for command in commands(&lab) {
        assert!(named.contains(&command.as_str()), "{command} is not in:\n{help}");
    }
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
       Machines to remove, one after the other

    Options:
       ⏎
       --force, -f	Forget the machine even when its provider cannot be asked; implies -y
       --yes, -y	Do not ask
    ");
    assert_eq!(lab.run_as_docker_machine("help rm"), help);
    assert_eq!(lab.run_as_docker_machine("h rm"), help);
    let create = lab.run_as_docker_machine("create -d generic --help").stdout;
    for line in [
        "   --generic-ssh-port \"22\"\t*SSH port [$GENERIC_SSH_PORT]",
        "   --engine-label [--engine-label option --engine-label option]\t*Label of the engine: env=prod",
        "   --swarm\t*Classic swarm: join the swarm of --swarm-discovery",
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
