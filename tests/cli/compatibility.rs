//! Every command and flag of docker-machine: the program takes it, and COMPATIBILITY.md says how it compares.

use std::collections::BTreeMap;

use super::harness::Sandbox;

/// Taken from docker-machine's help and the flag tables of its drivers.
const FLAGS: &str = include_str!("../fixtures/docker-machine/flags.tsv");
const TABLE: &str = include_str!("../../COMPATIBILITY.md");

/// docker-machine's drivers without those whose flags are listed one by one.
const OTHER_DRIVERS: [&str; 11] = [
    "amazonec2",
    "azure",
    "exoscale",
    "google",
    "hyperv",
    "openstack",
    "rackspace",
    "softlayer",
    "vmwarefusion",
    "vmwarevcloudair",
    "vmwarevsphere",
];

struct Flag {
    name: &'static str,
    short: Option<&'static str>,
    kind: &'static str,
}

/// By command; a driver's are those of `create DRIVER`.
fn flags() -> BTreeMap<&'static str, Vec<Flag>> {
    let mut all: BTreeMap<_, Vec<Flag>> = BTreeMap::new();
    for line in FLAGS.lines().filter(|l| !l.starts_with('#')) {
        let words: Vec<&str> = line.split('\t').collect();
        let flags = all.entry(words[0]).or_default();
        if let [_, name, short, kind] = words[..] {
            flags.push(Flag { name, short: (short != "-").then_some(short), kind });
        }
    }
    assert!(all.len() > 25 && all.values().flatten().count() > 80, "the list is cut short");
    all
}

/// The flag with a value, if it wants one, in one of its forms.
fn given(name: &str, kind: &str, single_dash: bool) -> String {
    let name = if single_dash { name.replacen("--", "-", 1) } else { name.to_owned() };
    match kind {
        "int" => format!("{name} 1"),
        "text" => format!("{name} x"),
        "list" => format!("{name} a=b {name}=c=d"),
        _ => name,
    }
}

/// The words in front of the flags.
fn call(command: &str) -> Vec<String> {
    match command.split_once(' ') {
        _ if command == "global" => vec![],
        Some((_, driver)) => vec!["create".to_owned(), "-d".to_owned(), driver.to_owned()],
        None => vec![command.to_owned()],
    }
}

#[test]
fn every_docker_machine_flag_is_accepted_in_each_form() {
    let lab = Sandbox::new();
    let registry = rmachine::registry::Registry::default();
    let help = lab.run_as_docker_machine("--help").stdout;
    for (command, flags) in flags() {
        if let Some((_, driver)) = command.split_once(' ') {
            let is_there = registry.find(driver).is_some();
            let told = !section(&format!("create -d {driver}")).contains("not there");
            assert_eq!(is_there, told, "COMPATIBILITY.md is wrong about the driver {driver}");
            if !is_there {
                continue;
            }
        } else {
            assert!(command == "global" || is_listed(&help, command), "{command} is missing");
        }
        for single_dash in [false, true] {
            let mut words = call(command);
            let plain = flags.iter().filter(|f| f.kind != "help" && f.kind != "driver");
            for flag in plain {
                words.push(given(flag.name, flag.kind, single_dash));
                words.extend(flag.short.map(|short| given(short, flag.kind, false)));
            }
            // The command `help` is its own.
            if command != "help" {
                words.push(if single_dash { "-help" } else { "-h" }.to_owned());
            }
            let outcome = lab.run_as_docker_machine(&words.join(" "));
            assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{words:?}");
            assert!(outcome.stdout.starts_with("Usage: docker-machine "), "{words:?}: {outcome}");
        }
    }
}

fn is_listed(help: &str, command: &str) -> bool {
    help.contains(&format!("\n  {command}\t"))
}

/// What COMPATIBILITY.md has between the heading of a command and the next.
fn section(heading: &str) -> &'static str {
    let begin = format!("\n### {heading}\n");
    let at = TABLE.find(&begin).unwrap_or_else(|| panic!("COMPATIBILITY.md has no section {heading:?}"));
    TABLE[at + begin.len()..].split("\n#").next().unwrap()
}

#[test]
fn compatibility_table_names_every_command_and_flag() {
    for (command, flags) in flags() {
        let heading = match command.split_once(' ') {
            Some((_, driver)) => format!("create -d {driver}"),
            None if command == "global" => "global flags".to_owned(),
            None => command.to_owned(),
        };
        let rows: Vec<Vec<&str>> = section(&heading)
            .lines()
            .filter(|l| l.starts_with("| `"))
            .map(|l| l.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect();
        assert!(!rows.is_empty(), "{heading} has no rows");
        for row in &rows {
            let verdict = row.get(1).copied().unwrap_or_default();
            assert!(
                ["same", "better", "different", "not there", "new"].contains(&verdict),
                "{heading}: {row:?}"
            );
            assert!(
                ["same", "new", "not there"].contains(&verdict)
                    || row.get(2).is_some_and(|why| !why.is_empty()),
                "{heading}: {row:?} does not say how"
            );
        }
        for flag in flags {
            for name in [Some(flag.name), flag.short].into_iter().flatten() {
                let quoted = format!("`{name}`");
                assert!(rows.iter().any(|row| row[0].contains(&quoted)), "{heading}: {name} is in no row");
            }
        }
    }
    let others = section("other drivers");
    for driver in OTHER_DRIVERS {
        assert!(others.contains(&format!("`{driver}`")), "{driver} is not named");
    }
}

/// What is told to be new really is: it takes no name away that docker-machine had.
#[test]
fn everything_the_compatibility_table_calls_new_exists() {
    let lab = Sandbox::new();
    let help = lab.run_as_docker_machine("--help").stdout;
    let new = TABLE.lines().filter(|l| l.starts_with("| `") && l.contains("| new |"));
    let commands: Vec<&str> =
        new.filter_map(|l| l.split('`').nth(1)).filter(|w| !w.starts_with('-')).collect();
    assert!(commands.len() > 3, "{commands:?}");
    for command in commands {
        assert!(is_listed(&help, command), "{command} is told to be new, and is not there:\n{help}");
    }
}
