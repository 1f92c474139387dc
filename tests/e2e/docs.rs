//! Runs the pages that people follow command by command, on machines that are containers, and compares what is printed.
//!
//! `RMACHINE_BLESS=1` writes the actual output into the pages instead; the diff is what gets reviewed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::e2e::docker_user::{Owner, docker};
use crate::e2e::stacks::archive;
use crate::transcript::{Page, Step, matches, updated};

/// No command of a page takes longer; building a node image takes two minutes.
const LIMIT: Duration = Duration::from_secs(400);
const END: &str = "-- end of command --";
/// What the pages call the user's home.
const HOME: &str = "/home/you";

#[test]
fn readme_prints_what_it_says() {
    follow("../README.md", "rm-docs-readme");
}

#[test]
fn getting_started_page_prints_what_it_says() {
    follow("getting-started.md", "rm-docs-start");
}

#[test]
fn swarm_of_three_page_prints_what_it_says() {
    follow("course/swarm-of-three.md", "rm-docs-three");
}

#[test]
fn orchestration_workshop_page_prints_what_it_says() {
    follow("course/orchestration-workshop.md", "rm-docs-workshop");
}

fn follow(page: &str, network: &str) {
    let page = Page::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page));
    let owner = Owner::new(network);
    let mut reader = Reader::new(&owner);
    let mut outputs = Vec::new();
    for step in page.steps() {
        match step {
            Step::File { name, text } => write(&owner.user.home().join(name), &text),
            Step::Prepare(words) => reader.prepare(&words),
            Step::Command { text, output } => {
                let actual = reader.run(&text);
                outputs.push((text, output, actual));
            }
        }
    }
    let differs = |output, actual: &[String]| !matches(page.output(output), actual);
    let wrong: Vec<_> = outputs.iter().filter(|(_, output, actual)| differs(output, actual)).collect();
    if std::env::var_os("RMACHINE_BLESS").is_some() {
        let new: Vec<_> = wrong.iter().map(|(_, o, a)| (o.clone(), updated(page.output(o), a))).collect();
        std::fs::write(&page.path, page.with_outputs(&new)).expect("the page is written");
        return;
    }
    let wrong: Vec<_> = wrong
        .iter()
        .map(|(text, output, actual)| {
            let line = output.start;
            format!(
                "line {line}: $ {text}\nexpected:\n{}\nprinted:\n{}\n",
                page.output(output).join("\n"),
                actual.join("\n")
            )
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} does not print what it says; RMACHINE_BLESS=1 rewrites it.\n{}",
        page.path.display(),
        wrong.join("\n")
    );
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
    std::fs::write(path, text).expect("the file is written");
}

/// Somebody with a shell who types what the page says.
struct Reader<'a> {
    owner: &'a Owner,
    shell: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl<'a> Reader<'a> {
    fn new(owner: &'a Owner) -> Self {
        // What a run that was killed left would be in the way.
        remove_containers(&owner.network);
        let bin = owner.user.home().join(".bin");
        std::fs::create_dir(&bin).expect("the folder is made");
        symlink(env!("CARGO_BIN_EXE_rmachine"), bin.join("rmachine")).expect("a link");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let mut bash = owner.user.command("bash");
        bash.env("PATH", path).env("LANG", "C.UTF-8").env("RMACHINE_DOCKER_NETWORK", &owner.network);
        let mut shell = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash starts");
        let input = shell.stdin.take().expect("a pipe");
        let output = BufReader::new(shell.stdout.take().expect("a pipe"));
        let (send, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { owner, shell, input, lines }
    }

    /// Runs a command, which has to succeed, and returns what it prints.
    fn run(&mut self, command: &str) -> Vec<String> {
        let quoted = shlex::try_quote(command).expect("a command without NUL");
        writeln!(self.input, "eval {quoted} 2>&1 </dev/null; printf '\\n%s %s\\n' '{END}' $?")
            .expect("bash reads");
        let mut output = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(LIMIT) else {
                panic!("$ {command}\ndoes not end; it printed:\n{}", output.join("\n"));
            };
            if let Some(code) = line.strip_prefix(END) {
                assert_eq!(code.trim(), "0", "$ {command}\n{}", output.join("\n"));
                break;
            }
            output.push(line.replace(&*self.owner.user.home().to_string_lossy(), HOME).trim_end().to_owned());
        }
        // The end's own line break, or the one that the last line lacked.
        if output.last().is_some_and(String::is_empty) {
            output.pop();
        }
        output
    }

    fn prepare(&mut self, words: &str) {
        match words {
            "load images" => self.load_images(),
            _ => panic!("the page has the tests prepare {words:?}, which they cannot"),
        }
    }

    /// There may be no registry: every node gets stand-ins under the names that the page and the stacks use.
    fn load_images(&mut self) {
        let tags: Vec<_> =
            images().iter().map(|(name, image)| format!("docker tag {name} {image}")).collect();
        let nodes = self.owner.user.rmachine(&["ls", "-q"]).ok().out;
        let loads: Vec<_> = nodes
            .lines()
            .map(|node| {
                let mut load = self.owner.user.command(env!("CARGO_BIN_EXE_rmachine"));
                load.args(["ssh", node, &format!("docker load -q && {}", tags.join(" && "))]);
                load.stdin(File::open(archive()).expect("the archive")).stdout(Stdio::null());
                load.spawn().expect("rmachine starts")
            })
            .collect();
        for mut load in loads {
            assert!(load.wait().expect("it ends").success(), "the images were not loaded");
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        // Those of other stores too, which pages use.
        remove_containers(&self.owner.network);
    }
}

fn remove_containers(network: &str) {
    for id in docker(&["ps", "-aq", "--filter", &format!("network={network}")]).out.lines() {
        docker(&["rm", "-fv", id]);
    }
}

/// The images of `tests/lab/stacks`, and what those are called that they stand in for.
fn images() -> BTreeMap<String, String> {
    let stacks = ["monitoring", "logging-syslog"];
    let mut images: BTreeMap<_, _> = stacks.iter().flat_map(|stack| images_of(stack)).collect();
    images.insert("nginx".to_owned(), "nginx:stable".to_owned());
    // It has no stand-in, and the pages do not deploy it.
    images.remove("grafana");
    images.into_iter().map(|(name, image)| (format!("rmachine-stacks/{name}:trixie"), image)).collect()
}

fn images_of(stack: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/stacks").join(stack).join("stack.toml");
    let text = std::fs::read_to_string(path).expect("stack.toml");
    let stack: toml::Table = toml::from_str(&text).expect("stack.toml is TOML");
    let images = stack["images"].as_table().expect("images");
    images.iter().map(|(name, image)| (name.clone(), image.as_str().expect("a name").to_owned())).collect()
}
