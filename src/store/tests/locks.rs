//! One at a time, by machine; many at once, by name.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::store::tests::*;

#[test]
fn a_held_lock_names_its_holder() {
    let Scene { store, dir: _dir } = scene();
    let held = lock(&store, "x", NOW).unwrap();
    let error = lock(&store, "x", Duration::from_millis(20)).unwrap_err();
    let pid = std::process::id();
    assert_eq!(error.to_string(), format!("Docker machine \"x\" is in use by another process (pid {pid})"));
    assert_eq!(error.path(), Some(store.machines_dir().join(".x.lock").as_path()));
    lock(&store, "y", NOW).expect("another machine is free");
    drop(held);
    lock(&store, "x", NOW).unwrap();
    assert!(ls(&store.machines_dir()).is_empty(), "no lock stays behind");
}

#[test]
fn whoever_looks_sees_the_holder_and_keeps_nobody_waiting() {
    let Scene { store, dir: _dir } = scene();
    assert_eq!(store.busy(&name("x")), None);
    let held = lock(&store, "x", NOW).unwrap();
    assert_eq!((store.busy(&name("x")), store.busy(&name("y"))), (Some(std::process::id()), None));
    drop(held);
    assert_eq!(store.busy(&name("x")), None);
    assert!(ls(&store.machines_dir()).is_empty(), "looking leaves nothing");
}

#[test]
fn a_lock_file_of_a_killed_process_is_no_lock() {
    let Scene { store, dir: _dir } = scene();
    fs::create_dir_all(store.machines_dir()).unwrap();
    fs::write(store.machines_dir().join(".x.lock"), "99999999").unwrap();
    assert_eq!(store.busy(&name("x")), None);
    lock(&store, "x", NOW).unwrap();
    assert!(ls(&store.machines_dir()).is_empty());
}

#[test]
fn a_lock_whose_file_was_replaced_leaves_the_new_one_alone() {
    let Scene { store, dir: _dir } = scene();
    let held = lock(&store, "x", NOW).unwrap();
    let file = store.machines_dir().join(".x.lock");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "").unwrap();
    drop(held);
    assert!(file.exists());
}

/// Runs the same work in 20 threads, each with its number, all at once.
fn twenty<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(20);
    thread::scope(|scope| {
        let run = |n| {
            barrier.wait();
            work(n)
        };
        let threads: Vec<_> = (0..20).map(|n| scope.spawn(move || run(n))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

#[test]
fn one_holder_at_a_time_though_the_file_comes_and_goes() {
    let Scene { store, dir: _dir } = scene();
    let inside = AtomicUsize::new(0);
    twenty(|_| {
        for _ in 0..20 {
            let lock = lock(&store, "x", LONG).unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold one lock");
            thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(lock);
        }
    });
    assert!(ls(&store.machines_dir()).is_empty());
}

#[test]
fn twenty_names_on_an_empty_store() {
    let Scene { store, dir: _dir } = scene();
    twenty(|n| put(&store, &format!("node{n:02}")));
    assert_eq!(store.names().unwrap().len(), 20);
    assert_eq!(ls(&store.machines_dir()).len(), 20, "and nothing else");
    for name in store.names().unwrap() {
        store.load(&name).unwrap();
    }
}

#[test]
fn of_twenty_that_want_one_name_one_gets_it() {
    let Scene { store, dir: _dir } = scene();
    let results = twenty(|_| {
        let machine = machine(&store, "x");
        store.reserve(&lock(&store, "x", LONG).unwrap(), &machine, &[]).map(|_| machine)
    });
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 19));
    for error in lost {
        assert_eq!(error.unwrap_err().to_string(), "Docker machine \"x\" already exists");
    }
    assert_eq!(store.load(&name("x")).unwrap(), *won[0].as_ref().unwrap());
}

#[test]
fn removals_of_many_machines_do_not_trip_over_each_other() {
    let Scene { store, dir: _dir } = scene();
    for n in 0..20 {
        put(&store, &format!("node{n}"));
    }
    twenty(|n| store.remove(lock(&store, &format!("node{n}"), LONG).unwrap()).unwrap());
    assert!(ls(&store.machines_dir()).is_empty());
}

#[test]
fn the_ca_is_made_once() {
    let Scene { store, dir: _dir } = scene();
    let made = AtomicUsize::new(0);
    let ca = store.certs_dir().join("ca.pem");
    twenty(|_| {
        let held = runtime().block_on(store.certs_lock(LONG)).unwrap();
        if !ca.exists() {
            made.fetch_add(1, Ordering::SeqCst);
            store.write_file(&ca, b"pem", 0o644).unwrap();
        }
        drop(held);
    });
    assert_eq!(made.load(Ordering::SeqCst), 1);
    assert_eq!(ls(&store.certs_dir()), ["ca.pem"]);
    assert_eq!(ls(store.root()), ["certs"]);
    let held = runtime().block_on(store.certs_lock(NOW)).unwrap();
    let error = runtime().block_on(store.certs_lock(NOW)).unwrap_err().to_string();
    assert!(error.starts_with("The folder of certificates in "), "{error}");
    assert!(held.path().ends_with(".certs.lock"));
}
