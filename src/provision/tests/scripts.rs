use std::io::Write;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use minijinja::context;
use proptest::prelude::*;
use rmachine_driver::secrecy::ExposeSecret;

use crate::provision::packages::Packages;
use crate::provision::plan::{Install, plan};
use crate::provision::service::Service;
use crate::provision::tests::*;
use crate::provision::{EngineVersion, HostScript, host_script, script};

fn configure() -> String {
    let changes = plan(&facts_of(TRIXIE), &wanted()).unwrap();
    script::configure(&changes.configure.unwrap()).unwrap().expose_secret().to_owned()
}

fn install(method: InstallMethod, version: Option<&str>) -> String {
    let version = version.map(|version| EngineVersion::parse(version).unwrap());
    let (packages, service) = (Packages::Apt, Service::Systemd);
    script::install(&Install { method, version, packages, service }).unwrap()
}

fn upgrade(url: &str, version: Option<&str>) -> String {
    let version = version.map(|version| EngineVersion::parse(version).unwrap());
    script::upgrade(Packages::Apt, Service::Systemd, url, version.as_ref()).unwrap()
}

const HOST_SCRIPTS: [HostScript; 4] =
    [HostScript::Reboot, HostScript::UseHostKey, HostScript::SwarmBackup, HostScript::SwarmRestore];

fn by_script() -> String {
    install(InstallMethod::Script { url: "https://get.docker.com/?a=b&c='d'".into() }, None)
}

#[test]
fn the_text_that_configures() {
    assert_snapshot!(configure());
}

#[test]
fn the_text_that_waits_for_an_engine() {
    let mut changes = plan(&facts_of(TRIXIE), &wanted()).unwrap();
    let work = changes.configure.as_mut().unwrap();
    work.files.clear();
    work.reload = false;
    work.hostname = None;
    work.starting = true;
    let text = script::configure(work).unwrap().expose_secret().to_owned();
    let (_, main) = text.split_once("main() {").unwrap();
    let (main, _) = main.split_once("\n}\n").unwrap();
    assert_snapshot!(main);
}

#[test]
fn the_text_that_starts_an_engine_again() {
    let stopped = with(TRIXIE, "| ActiveState=active", "| ActiveState=inactive");
    let mut changes = plan(&facts_of(&stopped), &wanted()).unwrap();
    let work = changes.configure.as_mut().unwrap();
    work.files.clear();
    work.reload = false;
    work.hostname = None;
    let text = script::configure(work).unwrap().expose_secret().to_owned();
    assert_snapshot!(main_of(&text));
}

#[test]
fn the_text_that_installs() {
    assert_snapshot!(install(InstallMethod::Distro, Some("26.1")));
    assert_snapshot!(main_of(&by_script()));
}

fn main_of(script: &str) -> &str {
    let from = script.find("main() {").unwrap();
    &script[from..from + script[from..].find("\n}\n").unwrap()]
}

#[cfg(feature = "system-tests")]
#[test]
fn shellcheck_has_no_complaint() {
    let host = HOST_SCRIPTS.map(|script| host_script(script).unwrap());
    let engine = [
        script::facts().unwrap(),
        configure(),
        by_script(),
        install(InstallMethod::Distro, None),
        upgrade("https://get.docker.com", None),
    ];
    for text in engine.iter().chain(&host) {
        let mut run = Command::new("shellcheck")
            .args(["--shell=sh", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        run.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let said = run.wait_with_output().unwrap().stdout;
        assert_eq!(String::from_utf8_lossy(&said), "");
    }
}

/// What a shell makes of values that a template holds.
fn through_a_shell(values: &[String]) -> Vec<String> {
    let template = "{% for value in values %}printf '%s\\0' {{ value }}\n{% endfor %}";
    let text = script::render_text(template, &context! { values => values.to_vec() }).unwrap();
    let mut run = Command::new("sh").arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = String::from_utf8(run.wait_with_output().unwrap().stdout).unwrap();
    said.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn values_arrive_as_they_are() {
    let values = [
        "x=$(id -u)",
        "`id`",
        "a'b\"c",
        "two\nlines\n",
        "back\\slash\\",
        "",
        " ",
        "-n",
        "ünï ☃",
        "$HOME",
        "!",
        "*",
    ];
    let values = values.map(str::to_owned);
    assert_eq!(through_a_shell(&values), values);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_values_do(values in proptest::collection::vec("[^\0]*", 1..20)) {
        prop_assert_eq!(through_a_shell(&values), values);
    }
}

#[test]
fn a_template_cannot_get_round_it() {
    for (template, text) in [("{{ x|safe }}", "'$(id)'"), ("{{ x|e }}", "'$(id)'"), ("{{ n }}", "7")] {
        assert_eq!(script::render_text(template, &context! { x => "$(id)", n => 7 }).unwrap(), text);
    }
    for template in ["{{ missing }}", "{{ list }}", "{{ none }}", "{{ nul }}"] {
        let values = context! { list => ["a"], none => (), nul => "a\0b" };
        assert!(script::render_text(template, &values).is_err(), "{template} was taken");
    }
}

#[test]
fn the_text_that_upgrades() {
    let script = upgrade("https://get.example.com", None);
    assert_snapshot!(main_of(&script));
    assert!(script.contains("\nversion=''\n") && script.contains("by_script https://get.example.com; fi"));
    assert!(upgrade("u", Some("26.1")).contains("\nversion=26.1\n"));
}

/// The snapshots are the texts as they run on hosts of today's package manager and service manager.
#[test]
fn the_texts_that_need_no_facts() {
    assert_snapshot!("facts", script::facts().unwrap());
    for script in HOST_SCRIPTS {
        assert_snapshot!(format!("{script:?}"), host_script(script).unwrap());
    }
}
