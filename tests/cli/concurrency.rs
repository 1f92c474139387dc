//! Many at once: one CA, one winner, and never a broken machine to be seen.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;

use jiff::Timestamp;
use rmachine::pki::{Pair, fits};

use super::harness::{Outcome, Sandbox};

const MANY: usize = 20;

/// Runs as many at once and gives back what each said.
fn at_once(lab: &Sandbox, words: impl Fn(usize) -> String + Sync) -> Vec<Outcome> {
    let outcomes = Mutex::new(Vec::new());
    scope(|scope| {
        for n in 0..MANY {
            let (outcomes, words) = (&outcomes, &words);
            scope.spawn(move || {
                let outcome = lab.run(&words(n));
                outcomes.lock().unwrap().push(outcome);
            });
        }
    });
    outcomes.into_inner().unwrap()
}

#[test]
fn concurrent_creates_on_an_empty_store_share_one_ca() {
    let lab = Sandbox::new();
    let outcomes = at_once(&lab, |n| format!("create -d none --url tcp://127.0.0.1:1 m{n}"));
    for outcome in &outcomes {
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome}");
    }
    let made = outcomes.iter().filter(|o| o.stdout.contains("Creating CA: ")).count();
    let clients = outcomes.iter().filter(|o| o.stdout.contains("Creating client certificate: ")).count();
    assert_eq!((made, clients), (1, 1));
    assert_eq!(lab.ok("ls -q").lines().count(), MANY);
    assert_eq!(lab.tree().iter().filter(|p| p.ends_with("ca.pem")).count(), 1);
    let read = |file: &str| std::fs::read_to_string(Path::new(&lab.path("S/certs")).join(file)).unwrap();
    let client = Pair { cert: read("cert.pem"), key: read("key.pem").into() };
    assert_eq!(fits(&client, &read("ca.pem"), &[], Timestamp::now()), Ok(()));
    no_litter(&lab);
}

#[test]
fn one_of_twenty_concurrent_creates_of_a_name_succeeds() {
    let lab = Sandbox::new();
    let outcomes = at_once(&lab, |n| format!("create -d none --url tcp://127.0.0.1:{} x", n + 1));
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.iter().partition(|o| o.code == Some(0));
    assert_eq!(won.len(), 1);
    for outcome in lost {
        let said = (outcome.code, outcome.stderr.as_str());
        assert_eq!(said, (Some(1), "Docker machine \"x\" already exists\n"), "{outcome}");
    }
    no_litter(&lab);
}

#[test]
fn one_of_twenty_concurrent_removals_of_a_machine_succeeds() {
    let lab = Sandbox::new();
    lab.create_none("x");
    let outcomes = at_once(&lab, |_| "rm -y x".to_owned());
    assert_eq!(outcomes.iter().filter(|o| o.code == Some(0)).count(), 1);
    for outcome in outcomes.iter().filter(|o| o.code != Some(0)) {
        assert!(outcome.stderr.contains("Docker machine \"x\" does not exist."), "{outcome}");
    }
    assert!(lab.machines().is_empty(), "{:?}", lab.machines());
}

#[test]
fn ls_never_shows_a_partly_created_or_removed_machine() {
    let lab = Sandbox::new();
    lab.create_none("first");
    let done = AtomicBool::new(false);
    scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) || looks == 0 {
                let listed = lab.run("ls -t 5 -f '{{.Name}} {{.DriverName}} {{.State}}'");
                for row in listed.stdout.lines() {
                    assert!(row.ends_with(" none Running"), "{listed}");
                }
                assert_eq!(listed.code, Some(0), "{listed}");
                looks += 1;
            }
        });
        at_once(&lab, |n| format!("create -d none --url tcp://127.0.0.1:1 m{n}"));
        at_once(&lab, |n| format!("rm -y m{n}"));
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
    });
    assert_eq!(lab.machines(), ["first"]);
}

/// Neither locks nor temporary files outlive their process.
fn no_litter(lab: &Sandbox) {
    let hidden: Vec<_> =
        lab.tree().into_iter().filter(|p| p.split('/').any(|part| part.starts_with('.'))).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}
