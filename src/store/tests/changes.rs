//! Reserving, saving, removing, and every folder that a kill in their midst can leave.

use std::os::unix::fs::{MetadataExt, symlink};

use rmachine_driver::{Import, Phase};

use crate::store::tests::*;

fn import(from: &Path, name: &str, optional: bool) -> Import {
    Import { from: from.to_owned(), name: name.to_owned(), optional }
}

#[test]
fn a_reserved_machine_is_whole_and_private() {
    let Scene { store, dir } = scene();
    let key = dir.path().join("key");
    fs::write(&key, "secret").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let machine = machine(&store, "x");
    let lock = lock(&store, "x", NOW).unwrap();
    let imports = [import(&key, "id", false), import(&dir.path().join("key.pub"), "id.pub", true)];
    let notes = store.reserve(&lock, &machine, &imports).unwrap();
    drop(lock);
    let missing = dir.path().join("key.pub");
    assert_eq!(notes, [format!("{} is not copied: no such file or directory", missing.display())]);
    let at = store.machine_dir(&name("x"));
    assert_eq!(ls(&store.machines_dir()), ["x"]);
    assert_eq!(ls(&at), [CONFIG, "id", OWN]);
    assert_eq!(fs::read_to_string(at.join("id")).unwrap(), "secret");
    assert_eq!(store.load(&name("x")).unwrap(), machine);
    for folder in [store.root(), &store.machines_dir(), &at] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for file in [CONFIG, OWN, "id"] {
        assert_eq!(mode(&at.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_reservation_that_fails_leaves_nothing() {
    let Scene { store, dir } = scene();
    let lock = lock(&store, "x", NOW).unwrap();
    let gone = dir.path().join("gone");
    for (import, says) in [
        (import(&gone, "id", false), format!("open {}: no such file or directory", gone.display())),
        (import(dir.path(), "id", true), format!("open {}: is a directory", dir.path().display())),
    ] {
        let error = store.reserve(&lock, &machine(&store, "x"), &[import]).unwrap_err();
        assert_eq!(error.to_string(), says);
    }
    for bad in ["", ".", "..", "a/b", "a/", "/etc/x", CONFIG, BACKUP, OWN] {
        let error = store.reserve(&lock, &machine(&store, "x"), &[import(&gone, bad, true)]).unwrap_err();
        assert!(matches!(error, StoreError::ImportName(_)), "{bad:?}: {error}");
    }
    assert_eq!(ls(&store.machines_dir()), [".x.lock"]);
}

#[test]
fn a_name_that_is_taken_stays_as_it_is() {
    let Scene { store, dir } = scene();
    let lock = lock(&store, "x", NOW).unwrap();
    let at = store.machine_dir(&name("x"));
    fs::create_dir(&at).unwrap();
    let reserve = || store.reserve(&lock, &machine(&store, "x"), &[]).unwrap_err();
    assert!(matches!(reserve(), StoreError::AlreadyExists(_)), "an empty folder");
    fs::remove_dir(&at).unwrap();
    symlink(dir.path(), &at).unwrap();
    assert!(matches!(reserve(), StoreError::AlreadyExists(_)), "a link to a folder");
    fs::remove_file(&at).unwrap();
    symlink("nowhere", &at).unwrap();
    assert!(matches!(reserve(), StoreError::InTheWay(_)), "a link to nothing");
    fs::remove_file(&at).unwrap();
    fs::write(&at, "mine").unwrap();
    assert!(matches!(reserve(), StoreError::InTheWay(_)));
    assert_eq!(fs::read_to_string(&at).unwrap(), "mine");
}

#[test]
fn only_what_changed_is_written() {
    let Scene { store, dir: _dir } = scene();
    let mut machine = put(&store, "x");
    let lock = lock(&store, "x", NOW).unwrap();
    let at = store.machine_dir(&name("x"));
    let inode = |file: &str| fs::metadata(at.join(file)).unwrap().ino();
    let (config, own) = (inode(CONFIG), inode(OWN));
    store.save(&lock, &machine).unwrap();
    assert_eq!((inode(CONFIG), inode(OWN)), (config, own));
    machine.own.phase = Phase::Created;
    store.save(&lock, &machine).unwrap();
    assert_eq!(inode(CONFIG), config);
    assert_ne!(inode(OWN), own);
    let own = inode(OWN);
    machine.config.driver.set("IPAddress", "10.0.0.1");
    store.save(&lock, &machine).unwrap();
    assert_ne!(inode(CONFIG), config);
    assert_eq!(inode(OWN), own);
    assert_eq!(ls(&at), [CONFIG, OWN], "no temporary stays");
}

#[test]
fn a_save_does_not_bring_a_removed_machine_back() {
    let Scene { store, dir: _dir } = scene();
    let machine = put(&store, "x");
    let lock = lock(&store, "x", NOW).unwrap();
    fs::remove_dir_all(store.machine_dir(&name("x"))).unwrap();
    assert!(matches!(store.save(&lock, &machine), Err(StoreError::Missing(_))));
    assert_eq!(store.names().unwrap(), []);
}

#[test]
fn removing_never_follows_a_link() {
    let Scene { store, dir } = scene();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "").unwrap();
    put(&store, "x");
    symlink(&outside, store.machine_dir(&name("x")).join("link")).unwrap();
    symlink(&outside, store.machine_dir(&name("y"))).unwrap();
    symlink(&outside, store.machines_dir().join(".x.gone")).unwrap();
    symlink(&outside, store.machines_dir().join(".y.new")).unwrap();
    put(&store, "z");
    symlink("nowhere", store.machines_dir().join(".z.gone")).unwrap();
    for text in ["x", "y", "z"] {
        store.remove(lock(&store, text, NOW).unwrap()).unwrap();
    }
    assert!(ls(&store.machines_dir()).is_empty());
    assert_eq!(ls(&outside), ["precious"]);
}

#[test]
fn killed_while_reserving() {
    let Scene { store, dir: _dir } = scene();
    let half = store.machines_dir().join(".x.new");
    fs::create_dir_all(half.join("old")).unwrap();
    fs::write(half.join(".config.json.abc"), "{").unwrap();
    assert_eq!(store.names().unwrap(), []);
    assert!(matches!(store.load(&name("x")), Err(StoreError::Missing(_))));
    let lock = lock(&store, "x", NOW).unwrap();
    assert_eq!(ls(&store.machines_dir()), [".x.lock"], "whoever locks the name cleans up");
    fs::create_dir_all(half.join("old")).unwrap();
    store.reserve(&lock, &machine(&store, "x"), &[]).unwrap();
    assert_eq!(ls(&store.machine_dir(&name("x"))), [CONFIG, OWN]);
}

#[test]
fn killed_while_saving() {
    let Scene { store, dir: _dir } = scene();
    let mut machine = put(&store, "x");
    let at = store.machine_dir(&name("x"));
    fs::write(at.join(".config.json.abc"), "{\"half").unwrap();
    assert_eq!(store.load(&name("x")).unwrap(), machine);
    machine.own.phase = Phase::Ready;
    store.save(&lock(&store, "x", NOW).unwrap(), &machine).unwrap();
    assert_eq!(store.load(&name("x")).unwrap(), machine);
}

#[test]
fn killed_while_removing() {
    let Scene { store, dir: _dir } = scene();
    put(&store, "x");
    put(&store, "y");
    let leave = |text: &str| {
        let gone = store.machines_dir().join(format!(".{text}.gone"));
        fs::create_dir_all(gone.join("disks")).unwrap();
        fs::write(gone.join(OWN), "{").unwrap();
    };
    leave("x");
    leave("z");
    assert_eq!(store.names().unwrap(), [name("x"), name("y")]);
    drop(lock(&store, "x", NOW).unwrap());
    assert_eq!(ls(&store.machines_dir()), [".z.gone", "x", "y"], "whoever locks the name cleans up");
    store.remove(lock(&store, "y", NOW).unwrap()).unwrap();
    assert_eq!(ls(&store.machines_dir()), ["x"], "so does any removal");
}

#[test]
fn a_file_is_written_whole_with_its_mode() {
    let Scene { store, dir } = scene();
    let file = dir.path().join("ca.pem");
    for (text, bits) in [("one", 0o644), ("two", 0o600), ("three", 0o644)] {
        store.write_file(&file, text.as_bytes(), bits).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(mode(&file), bits);
    }
    assert_eq!(ls(dir.path()), ["ca.pem"]);
    let lost = dir.path().join("no/where");
    let error = store.write_file(&lost, b"", 0o600).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("cannot write {}: no such file or directory; nothing was changed", lost.display())
    );
    let taken = dir.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let error = store.write_file(&taken, b"", 0o600).unwrap_err().to_string();
    assert_eq!(error, format!("cannot write {}: is a directory; nothing was changed", taken.display()));
    assert_eq!(ls(dir.path()), ["ca.pem", "taken"]);
}
