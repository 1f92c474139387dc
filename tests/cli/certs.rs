//! `certs` and `regenerate-certs` without hosts, and what a kill between two files leaves.

use std::fs;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use rmachine::pki::{self, Pair};
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use super::harness::Sandbox;
use super::unreachable_hosts;

/// Runs words and kills them, as `kill -9` does, when they are about to put the N-th file into its place. False when
/// they ended before that.
pub(super) fn killed_at(lab: &Sandbox, moment: usize, words: &str) -> bool {
    killed_in(lab, moment, words, &[])
}

/// The same with these variables beside the usual ones.
pub(super) fn killed_in(lab: &Sandbox, moment: usize, words: &str, env: &[(&str, &str)]) -> bool {
    let inject = format!("inject=rename,renameat,renameat2:signal=SIGKILL:when={moment}");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=rename,renameat,renameat2", "-e", &inject]);
    command.arg(env!("CARGO_BIN_EXE_rmachine")).args(shlex::split(words).unwrap());
    let status = command
        .env("HOME", lab.path("H"))
        .env("MACHINE_STORAGE_PATH", lab.store())
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace runs");
    !status.success() && (status.code().is_none() || status.code() == Some(137))
}

fn pair(lab: &Sandbox, cert: &str, key: &str) -> Pair {
    let text = |name: &str| fs::read_to_string(lab.path("S/certs").join(name)).unwrap();
    Pair { cert: text(cert), key: SecretString::from(text(key)) }
}

fn put(lab: &Sandbox, pair: &Pair, cert: &str, key: &str) {
    fs::write(lab.path("S/certs").join(cert), &pair.cert).unwrap();
    fs::write(lab.path("S/certs").join(key), pair.key.expose_secret()).unwrap();
}

/// A CA that ends within 30 days, and the client that it signed.
fn old_ca(lab: &Sandbox) -> Pair {
    let then = Timestamp::now() - pki::VALID + SignedDuration::from_hours(10 * 24);
    let ca = pki::new_ca("tester", then).unwrap();
    put(lab, &ca, "ca.pem", "ca-key.pem");
    put(lab, &pki::client(&ca, "tester.<bootstrap>", then).unwrap(), "cert.pem", "key.pem");
    ca
}

#[test]
fn certs_lists_certificates_with_their_expiry() {
    let lab = Sandbox::new();
    lab.create_none("n");
    let table = lab.ok("certs");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("CERTIFICATE   MACHINE"), "{table}");
    assert!(lines[1].starts_with("ca            n ") && lines[1].ends_with("/S/certs/ca.pem"), "{table}");
    assert!(lines[2].starts_with("client        n "), "{table}");
    let list: serde_json::Value = serde_json::from_str(&lab.ok("certs --output json")).unwrap();
    assert_eq!(list[0]["Kind"], "ca");
    assert!((1078..=1080).contains(&list[0]["DaysLeft"].as_i64().unwrap()), "{list}");
    lab.write("S/certs/cert.pem", "rubbish");
    assert!(lab.ok("certs").contains("unknown: the certificate cannot be read"));
    assert_eq!(lab.run("certs nosuch").code, Some(1));
}

#[test]
fn inspect_and_ls_warn_of_certificates_that_expire_soon() {
    let lab = Sandbox::new();
    lab.create_none("n");
    let before = lab.ok("inspect n");
    assert!(!before.contains("CertificatesDue"), "{before}");
    let file = fs::read_to_string(lab.machine("n").join("config.json")).unwrap();
    old_ca(&lab);
    let after: serde_json::Value = serde_json::from_str(&lab.ok("inspect n")).unwrap();
    assert_eq!(after["CertificatesDue"][0]["Kind"], "ca");
    assert_eq!(fs::read_to_string(lab.machine("n").join("config.json")).unwrap(), file, "it is not kept");
    let piped = lab.run("ls -t 1");
    assert_eq!(piped.stderr, "");
    let command = format!("{} -s {} ls -t 1", env!("CARGO_BIN_EXE_rmachine"), lab.store().display());
    let shown = Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("ends in 9 days") && shown.contains("regenerate-certs -f --client-certs n"),
        "{shown}"
    );
}

#[test]
fn regenerate_certs_asks_for_confirmation() {
    let lab = Sandbox::new();
    lab.create_none("n");
    assert_snapshot!(lab.run("regenerate-certs n"), @r"
    exit 1
    --- stdout
    Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): ⏎
    \ no newline at the end
    --- stderr
    EOF
    Hint: to skip the question, add -f
    ");
    assert_eq!(lab.call("regenerate-certs n").stdin("n\n").run().code, Some(0));
    assert_snapshot!(lab.run("regenerate-certs -f n"), @r#"
    exit 1
    --- stdout
    Regenerating TLS certificates
    --- stderr
    Docker machine "n" has no host to put a certificate on: the driver "none" only keeps a URL
    "#);
    assert_snapshot!(lab.run("regenerate-certs -f nosuch"), @r#"
    exit 1
    --- stderr
    Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
}

#[test]
fn regenerate_client_certs_keeps_the_ca_unless_it_expires_soon() {
    let lab = Sandbox::new();
    lab.create_none("n");
    let (ca, client) = (pair(&lab, "ca.pem", "ca-key.pem"), pair(&lab, "cert.pem", "key.pem"));
    lab.run("regenerate-certs -f --client-certs n");
    assert_eq!(pair(&lab, "ca.pem", "ca-key.pem").cert, ca.cert);
    assert_ne!(pair(&lab, "cert.pem", "key.pem").cert, client.cert);
    let old = old_ca(&lab);
    lab.run("regenerate-certs -f --client-certs n");
    let new = pair(&lab, "ca.pem", "ca-key.pem");
    assert_ne!(new.cert, old.cert);
    assert_eq!(pki::fits(&pair(&lab, "cert.pem", "key.pem"), &new.cert, &[], Timestamp::now()), Ok(()));
}

/// Whichever file was about to take its place: the same command again, or any that needs a client, finds pairs that fit.
#[test]
fn next_command_completes_a_killed_renewal() {
    let lab = unreachable_hosts::lab();
    lab.create_none("n");
    let mut ended = 0;
    for moment in 1..40 {
        old_ca(&lab);
        if !killed_at(&lab, moment, "regenerate-certs -f --client-certs n") {
            ended = moment;
            break;
        }
        // A create needs a client, and finishes what was begun.
        lab.ok("create -d none --url tcp://127.0.0.1:1 other");
        lab.ok("rm -y other");
        let (ca, client) = (pair(&lab, "ca.pem", "ca-key.pem"), pair(&lab, "cert.pem", "key.pem"));
        let now = Timestamp::now();
        assert_eq!(pki::ca_usable(&ca, now), Ok(()), "killed at {moment}");
        assert_eq!(pki::fits(&client, &ca.cert, &[], now), Ok(()), "killed at {moment}");
        assert!(!lab.path("S/certs/.rmachine-renewal").exists(), "killed at {moment}");
    }
    assert!(ended > 4, "it was never killed: {ended}");
}
