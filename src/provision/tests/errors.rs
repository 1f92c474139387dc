use std::fmt::Write;

use insta::assert_snapshot;

use crate::provision::ProvisionError;
use crate::provision::progress::Failure;
use crate::provision::tests::*;

/// Each code that a script may end with, as a user sees it.
#[test]
fn what_scripts_say_becomes_a_sentence_and_a_way_on() {
    let machine = MachineName::parse("node1").unwrap();
    let mut told = String::new();
    for (code, detail) in [
        ("stale", "x"),
        ("busy", "600"),
        ("packages-busy", "unattended-upgr (process 7)"),
        ("cloud-init", "600"),
        ("disk-full", "/var"),
        ("network", "https://get.docker.com/x: curl: (6) Could not resolve host"),
        ("download", "https://get.docker.com: the answer is empty"),
        ("installer", "https://get.docker.com"),
        ("packages", "docker.io ca-certificates"),
        ("no-engine", "there is no dockerd afterwards"),
        ("version", "26.1.5+dfsg1-9"),
        ("rejected", ""),
        ("rolled-back", ""),
        ("engine-down", ""),
        ("not-up", ""),
        ("upgrade", "the new engine does not come up here; the one before is back and runs"),
        ("", ""),
        ("failed", "hostname x: no"),
    ] {
        let failure = Failure {
            code: code.into(),
            detail: detail.into(),
            log: vec!["the engine's words".into()],
            said: vec!["the last words".into()],
        };
        let error = ProvisionError::from_script(failure, None);
        writeln!(told, "{code}: {error}\n  {:?}\n  {}", error.log(), error.left_behind()).unwrap();
        error.advice(&machine).iter().for_each(|hint| writeln!(told, "  > {hint}").unwrap());
    }
    assert_snapshot!(told);
}

#[test]
fn a_template_error_names_its_reason() {
    let reason = minijinja::Error::new(minijinja::ErrorKind::UndefinedError, "\"daemon\" is undefined");
    let text = ProvisionError::from(reason).to_string();
    assert!(text.contains("\"daemon\" is undefined"), "{text}");
}
