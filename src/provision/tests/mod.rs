//! Facts from captured answers, plans from facts, and the exact text of what would run on a host.
#![allow(clippy::disallowed_methods, reason = "the tests start sh and shellcheck")]

mod errors;
mod facts;
mod plan;
mod scripts;

use rmachine_driver::MachineName;

use crate::engine::options::{EngineFlags, EngineSettings};
use crate::provision::facts::Facts;
use crate::provision::plan::{Changes, FileName};
use crate::provision::service::Service;
use crate::provision::{InstallMethod, Tls, Wanted};

const TRIXIE: &str = include_str!("../../../tests/fixtures/provision/trixie-engine.facts");
const BOOKWORM: &str = include_str!("../../../tests/fixtures/provision/bookworm-engine.facts");
const BARE: &str = include_str!("../../../tests/fixtures/provision/trixie-bare.facts");
const PASSWORD: &str = include_str!("../../../tests/fixtures/provision/trixie-password.facts");

const START_OPTIONS: FileName = FileName::StartOptions(Service::Systemd);

fn facts_of(answer: &str) -> Facts {
    Facts::parse(answer).unwrap()
}

/// An answer with one of its lines replaced; the line must be there.
fn with(answer: &str, line: &str, other: &str) -> String {
    assert!(answer.contains(&format!("\n{line}\n")), "{line:?} is not in the answer");
    answer.replace(&format!("\n{line}\n"), &format!("\n{other}\n"))
}

/// An answer with another text, before its end.
fn and(answer: &str, key: &str, text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("| {line}\n")).collect();
    answer.replace("@rmachine end", &format!(": {key}\n{lines}\n@rmachine end"))
}

fn wanted() -> Wanted {
    wanted_with(&["metrics-addr=0.0.0.0:9323", "log-opt=max-size=10m"], &["env=prod", "x=$(id -u)"])
}

fn wanted_with(opts: &[&str], labels: &[&str]) -> Wanted {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (opts, labels, env) = (owned(opts), owned(labels), owned(&["A=b \"c\"", "P=50%"]));
    let flags = EngineFlags {
        opts: &opts,
        labels: &labels,
        env: &env,
        provider: "generic",
        ..EngineFlags::default()
    };
    Wanted {
        machine: MachineName::parse("node1").unwrap(),
        engine: EngineSettings::parse(&flags).unwrap(),
        told: Vec::new(),
        engine_port: 2376,
        install: InstallMethod::Distro,
        engine_version: None,
        set_hostname: true,
        tls: Tls { ca: "the ca\n".into(), cert: "the cert\n".into(), key: "the key\n".to_owned().into() },
    }
}

fn content(changes: &Changes, name: FileName) -> String {
    use rmachine_driver::secrecy::ExposeSecret;
    let files = &changes.configure.as_ref().unwrap().files;
    files.iter().find(|file| file.name == name).unwrap().content.expose_secret().to_owned()
}
