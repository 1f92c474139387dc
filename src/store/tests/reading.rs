//! Listing: which folders are machines, and how long that takes.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::Instant;

use crate::store::tests::*;

#[test]
fn an_empty_or_missing_store_has_no_machines() {
    let Scene { store, dir } = scene();
    assert_eq!(store.names().unwrap(), []);
    assert!(!store.exists(&name("x")));
    assert!(ls(dir.path()).is_empty(), "asking makes nothing");
    fs::create_dir_all(store.machines_dir()).unwrap();
    assert_eq!(store.names().unwrap(), []);
}

#[test]
fn folders_are_machines_and_nothing_else_is() {
    let Scene { store, dir } = scene();
    let machines = store.machines_dir();
    for folder in ["node10", "Node2", "a", "1b", "node9", "a_b", ".hidden", "back\\slash"] {
        fs::create_dir_all(machines.join(folder)).unwrap();
    }
    fs::create_dir(machines.join(std::ffi::OsStr::from_bytes(b"not-\xff-text"))).unwrap();
    fs::write(machines.join("file"), "").unwrap();
    symlink(dir.path(), machines.join("link")).unwrap();
    let names: Vec<_> = store.names().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["1b", "Node2", "a", "a_b", "node10", "node9"]);
}

#[test]
fn a_store_that_is_no_folder_is_an_error() {
    let Scene { store, dir } = scene();
    fs::write(dir.path().join("S"), "").unwrap();
    let error = store.names().unwrap_err().to_string();
    assert_eq!(error, format!("open {}: not a directory", store.machines_dir().display()));
    let error = lock(&store, "x", NOW).unwrap_err().to_string();
    let root = store.root().display();
    assert_eq!(error, format!("{root} is in the way: a folder belongs there; nothing was changed"));
}

#[test]
fn a_thousand_names_are_one_read_of_one_folder() {
    let Scene { store, dir: _dir } = scene();
    for n in 0..1000 {
        fs::create_dir_all(store.machines_dir().join(format!("node{n:04}"))).unwrap();
    }
    let times = (0..5).map(|_| {
        let start = Instant::now();
        assert_eq!(store.names().unwrap().len(), 1000);
        start.elapsed()
    });
    // A few ms, in a debug build, on two busy cores; the slack is for worse.
    assert!(times.min().unwrap() < Duration::from_millis(100));
}

#[test]
fn a_machine_of_docker_machine_is_ready_and_gets_a_uuid_with_its_first_save() {
    let Scene { store, dir: _dir } = scene();
    let dir = plant(&store, "x", &fixture("v3-none.json"));
    let machine = store.load(&name("x")).unwrap();
    assert_eq!(machine.own.phase, rmachine_driver::Phase::Ready);
    assert_eq!(machine.own.created, None);
    assert_ne!(store.load(&name("x")).unwrap().own.uuid, machine.own.uuid);
    assert_eq!(ls(&dir), [CONFIG]);
    store.save(&lock(&store, "x", NOW).unwrap(), &machine).unwrap();
    assert_eq!(store.load(&name("x")).unwrap().own.uuid, machine.own.uuid);
    assert_eq!(fs::read_to_string(dir.join(CONFIG)).unwrap(), fixture("v3-none.json"));
}
