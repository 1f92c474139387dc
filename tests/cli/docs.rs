//! README.md and docs/ against the program: pages that are generated, commands that exist, links that lead somewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use rmachine::registry::Registry;
use rmachine_driver::{OptionKind, OptionSpec};

use super::harness::Sandbox;
use crate::transcript::Page;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const REWRITE: &str =
    "RMACHINE_BLESS=1 cargo nextest run --workspace --features system-tests -E 'test(cli::docs::)'";
/// The table of a driver's options stands between these lines; what is around it is written by hand.
const BEGIN: &str = "<!-- Generated from the driver's options: begin -->\n";
const END: &str = "<!-- Generated from the driver's options: end -->\n";

fn help_of(lab: &Sandbox, command: &str) -> String {
    // Without an engine, so that `create` shows the same driver's flags on every computer.
    let call = lab.call(&format!("{command} --help")).env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let outcome = call.env("COLUMNS", "100").run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{command}");
    outcome.stdout
}

/// The commands that a help lists below "Commands:", `help` aside.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let named = lines.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    let names = named.filter_map(|l| l.split_whitespace().next());
    names.filter(|n| *n != "help").map(str::to_owned).collect()
}

/// Compares a file with what it should be, or writes it when it is to be rewritten.
fn expect_page(path: &Path, wanted: &str) {
    if std::env::var_os("RMACHINE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, wanted).unwrap();
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{} is not what the program says; rewrite it with:\n{REWRITE}", path.display());
}

fn docs(inside: &str) -> PathBuf {
    Path::new(ROOT).join("docs").join(inside)
}

/// The help of a command and of all commands below it.
fn describe(lab: &Sandbox, command: &str, page: &mut String) {
    let help = help_of(lab, command);
    let level = "#".repeat(command.split(' ').count().min(2));
    writeln!(page, "{level} rmachine {command}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    for below in listed(&help) {
        describe(lab, &format!("{command} {below}"), page);
    }
}

#[test]
fn reference_has_a_page_for_every_command() {
    let lab = Sandbox::new();
    let mut index =
        "# Command reference\n\nGenerated from the program's own help.\n\n| command | |\n|---|---|\n"
            .to_owned();
    let mut pages = BTreeSet::from(["README.md".to_owned()]);
    // Under docker-machine's name, the root help is one list.
    for command in listed(&lab.run_as_docker_machine("--help").stdout) {
        let mut page = String::new();
        describe(&lab, &command, &mut page);
        expect_page(&docs("reference").join(format!("{command}.md")), &(page.trim_end().to_owned() + "\n"));
        let about = help_of(&lab, &command);
        let about = about.lines().next().unwrap().replace('|', "\\|");
        writeln!(index, "| [`rmachine {command}`]({command}.md) | {about} |").unwrap();
        pages.insert(format!("{command}.md"));
    }
    expect_page(&docs("reference/README.md"), &index);
    let found =
        fs::read_dir(docs("reference")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), pages, "pages of commands that do not exist");
}

fn options_table(options: &[OptionSpec]) -> String {
    let mut table = "| option | variable | default | |\n|---|---|---|---|\n".to_owned();
    for option in options {
        let default = match &option.kind {
            OptionKind::Int(n) => format!("`{n}`"),
            OptionKind::Text(text) if !text.is_empty() => format!("`{text}`"),
            OptionKind::List(_) => "repeatable".to_owned(),
            _ => String::new(),
        };
        let variable = option.env.as_ref().map(|v| format!("`{v}`")).unwrap_or_default();
        let help = option.help.replace('|', "\\|");
        writeln!(table, "| `--{}` | {variable} | {default} | {help} |", option.name).unwrap();
    }
    table
}

#[test]
fn driver_pages_have_every_option_of_their_driver() {
    for driver in Registry::default().all() {
        let path = docs("drivers").join(format!("{}.md", driver.name()));
        let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (before, rest) = page.split_once(BEGIN).expect("the page says where its table begins");
        let (_, after) = rest.split_once(END).expect("the page says where its table ends");
        let table = options_table(&driver.options());
        expect_page(&path, &format!("{before}{BEGIN}{table}{END}{after}"));
    }
}

/// All pages that are written for people.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "COMPATIBILITY.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
    ]
    .map(|name| Path::new(ROOT).join(name))
    .into();
    let mut folders = vec![docs("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|e| e == "md") {
                pages.push(entry);
            }
        }
    }
    pages.sort();
    pages
}

#[test]
fn links_between_pages_lead_somewhere() {
    static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)#\s]+)(?:#[^)]*)?\)").unwrap());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in LINK.captures_iter(&text).map(|c| c.get(1).unwrap().as_str()) {
            let is_elsewhere = link.contains("://") || link.starts_with("mailto:");
            let target = page.parent().unwrap().join(link);
            assert!(is_elsewhere || target.exists(), "{}: {link} is not there", page.display());
        }
    }
}

/// What a page sets in code: its blocks without comments and without output, and each piece between backticks as a line.
fn code(page: &str) -> String {
    static INLINE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`([^`]+)`").unwrap());
    let (mut code, mut block) = (String::new(), None);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(info), None) => block = Some(info),
            (Some(_), Some(_)) => block = None,
            (None, Some("console")) if !line.starts_with("$ ") && !line.starts_with("> ") => {}
            (None, Some(_)) if line.starts_with('#') => {}
            (None, Some(_)) => writeln!(code, "{}", line.split(" #").next().unwrap().trim_end()).unwrap(),
            (None, None) => INLINE.captures_iter(line).for_each(|c| writeln!(code, "{}", &c[1]).unwrap()),
        }
    }
    code
}

/// Each up to whatever ends a command in a shell.
fn commands_in(code: &str) -> Vec<String> {
    static COMMAND: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)(?:^|[ (])rmachine ((?:-s \S+ )?[a-z][^|&;<>()\n]*)").unwrap());
    let joined = code.replace("\\\n> ", "").replace("\\\n", "");
    COMMAND.captures_iter(&joined).map(|c| c[1].to_owned()).collect()
}

#[test]
fn commands_in_pages_are_known_to_the_program() {
    let lab = Sandbox::new();
    let mut count = 0;
    let generated = docs("reference");
    for page in pages().iter().filter(|p| !p.starts_with(&generated)) {
        for command in commands_in(&code(&fs::read_to_string(page).unwrap())) {
            let words = command.split(" -- ").next().unwrap();
            // All behind a machine's name is the machine's command.
            let is_remote = words.starts_with("ssh ") && !words.contains("--all");
            let words = if is_remote { "ssh" } else { words.trim_end_matches(['.', ',']) };
            let outcome = lab.run(&format!("{} --help", words.replace(['\'', '"'], "")));
            assert_eq!(outcome.code, Some(0), "{}: rmachine {command}\n{outcome}", page.display());
            count += 1;
        }
    }
    assert!(count > 100, "only {count} commands were found");
}

#[test]
fn readme_fits_its_first_reader() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let count = readme.lines().count();
    assert!(count <= 150, "{count} lines; move what a first reader does not need to docs/");
}

/// A shell block would be one that nothing runs.
#[test]
fn followed_pages_have_only_commands_that_tests_run() {
    for page in ["getting-started.md", "course/swarm-of-three.md", "course/orchestration-workshop.md"] {
        for fence in Page::read(&docs(page)).fences() {
            let is_run = fence == "console" || fence == "text" || fence.contains(' ');
            assert!(is_run, "{page}: a block {fence:?} is neither run nor a file");
        }
    }
}

/// Everything that is not code of the program itself: docker's CLI and the operating system say these.
const FOREIGN_MESSAGES: [&str; 2] = ["unable to resolve docker endpoint", "read-only file system"];

#[test]
fn troubleshooting_quotes_messages_that_the_program_has() {
    let mut sources = String::new();
    let mut folders = vec![Path::new(ROOT).join("src"), Path::new(ROOT).join("drivers")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|e| e == "rs") {
                sources += &fs::read_to_string(entry).unwrap();
            }
        }
    }
    let page = fs::read_to_string(docs("troubleshooting.md")).unwrap();
    let quoted = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    for message in quoted.filter(|m| !FOREIGN_MESSAGES.contains(m)) {
        assert!(sources.contains(message), "no message of the program contains {message:?}");
    }
}
