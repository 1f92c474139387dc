//! How progress is shown, and that nobody is disturbed by it: nothing on stderr when all goes well, no panic when the reader
//! has gone.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::Value;

use super::fake_engine::Port;
use super::harness::Sandbox;
use super::unreachable_hosts;

const CREATE: &str = "create -d none --url tcp://127.0.0.1:2376 x";

#[test]
fn plain_progress_prints_docker_machine_lines() {
    let lab = Sandbox::new();
    lab.create_none("certs");
    let auto = lab.run(CREATE);
    lab.ok("rm -y x");
    let plain = lab.run(&format!("--progress plain {CREATE}"));
    assert_eq!(auto, plain);
    assert_snapshot!(plain, @r"
    exit 0
    --- stdout
    Running pre-create checks...
    Creating machine...
    To see how to connect your Docker Client to the Docker Engine running on this virtual machine, run: rmachine env x
    ");
}

#[test]
fn progress_none_prints_nothing() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run(&format!("{CREATE} --progress none")), @"exit 0");
}

#[test]
fn json_progress_prints_one_object_a_line() {
    let lab = Sandbox::new();
    let outcome = lab.run(&format!("{CREATE} --progress=json"));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome}");
    let mut shown = String::new();
    for line in outcome.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line:?} is no JSON: {e}"));
        assert!(event["ms"].is_u64(), "{line}");
        shown.push_str(&format!("{} {} {}\n", event["machine"], event["event"], event["text"]));
    }
    assert_snapshot!(shown, @r#"
    "x" "step" "Creating CA: /S/certs/ca.pem"
    "x" "step" "Creating client certificate: /S/certs/cert.pem"
    "x" "step" "Running pre-create checks..."
    "x" "step" "Creating machine..."
    "x" "done" ""
    "#);
}

#[test]
fn json_progress_reports_failures() {
    let lab = unreachable_hosts::lab();
    let port = Port::open().number();
    let outcome = lab.run(&format!("{} --progress json", unreachable_hosts::create("127.0.0.1", port)));
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let last: Value = serde_json::from_str(outcome.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((last["machine"].as_str(), last["event"].as_str()), (Some("x"), Some("failed")), "{outcome}");
    assert!(outcome.stderr.starts_with("Error creating machine: "), "{outcome}");
}

#[test]
fn successful_commands_print_nothing_on_stderr() {
    let lab = Sandbox::new();
    for words in [
        CREATE,
        "ls",
        "ls -q",
        "ip x",
        "url x",
        "status x",
        "inspect x",
        "env x",
        "env -u",
        "version",
        "--help",
        "rm -y x",
    ] {
        let outcome = lab.run(words);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{words}: {outcome}");
    }
}

/// `rmachine ls | head -1`: the rest is written to nobody.
#[test]
fn closed_stdout_causes_no_panic() {
    let lab = Sandbox::new();
    for n in 0..40 {
        lab.plant(&format!("m{n}"), "v3-virtualbox.json");
    }
    for words in ["ls", "ls -q", "inspect m1", "--help", "env m1", "rm -y m1"] {
        let mut child =
            lab.call(words).into_command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let code = child.wait().unwrap().code();
        assert!(!stderr.contains("panicked") && code.is_some_and(|c| c < 2), "{words}: {code:?} {stderr}");
    }
}

/// A list that is not there must not look like an empty one.
#[test]
fn full_stdout_is_an_error() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    for words in ["ls", "ls -q", "inspect x", "--help", "help ls", "version", "env x", "ip x", "rm -y x"] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let done = lab.call(words).into_command().stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        let said = "write /dev/stdout: No space left on device (os error 28)\n";
        assert_eq!((done.status.code(), stderr.as_str()), (Some(1), said), "{words}");
    }
    assert!(lab.machines().is_empty(), "the machine is gone all the same");
}

/// The machine is made, whoever looked on.
#[test]
fn create_completes_after_its_stdout_is_closed() {
    let lab = Sandbox::new();
    let mut child =
        lab.call(CREATE).into_command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8_lossy(&done.stderr).as_ref()), (Some(0), ""));
    assert_eq!(lab.ok("inspect -f {{.Name}} x"), "x\n");
}

#[test]
fn debug_output_goes_to_stderr_only() {
    let lab = Sandbox::new();
    lab.create_none("certs");
    let plain = lab.run(CREATE);
    for words in ["-D", "--debug", "-debug"] {
        lab.ok("rm -y x");
        let outcome = lab.run(&format!("{words} {CREATE}"));
        assert_eq!(outcome.stdout, plain.stdout, "{words}");
        assert!(outcome.stderr.contains("DEBUG"), "{words}: {outcome}");
    }
    lab.ok("rm -y x");
    let by_env = lab.call(CREATE).env("MACHINE_DEBUG", "1").run();
    assert_eq!(by_env.stdout, plain.stdout);
    assert!(by_env.stderr.contains("DEBUG"), "{by_env}");
}
