//! What only real processes show: locks between them, kills, the umask, and users who may not write.
//!
//! Each test runs this test binary again, at itself. The store in the environment tells it that it is such a child.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::store::tests::*;

const STORE: &str = "RMACHINE_TEST_STORE";
const NOBODY: u32 = 65534;

/// This binary as a child of the given test; by way of a shell, which sets the umask.
fn child(test: &str, store: &Store, umask: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "umask \"$0\"; exec \"$1\" --exact \"$2\""])
        .arg(umask)
        .arg(std::env::current_exe().unwrap())
        .arg(format!("store::tests::processes::{test}"))
        .env(STORE, store.root())
        .stdout(Stdio::piped());
    command
}

/// The store that the parent hands to a child; none in the parent.
fn store_of_parent() -> Option<Store> {
    std::env::var_os(STORE).map(Store::at)
}

fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn reserve_machine(store: &Store) {
    let text = format!("node{}", std::process::id());
    put(store, &text);
    let certs = runtime().block_on(store.certs_lock(LONG)).unwrap();
    if !store.certs_dir().join("ca.pem").exists() {
        store.write_file(&store.certs_dir().join("ca.pem"), b"pem", 0o644).unwrap();
    }
    drop(certs);
}

#[test]
fn twenty_processes_on_an_empty_store() {
    if let Some(store) = store_of_parent() {
        return reserve_machine(&store);
    }
    let Scene { store, dir: _dir } = scene();
    let children: Vec<Child> = (0..20)
        .map(|_| child("twenty_processes_on_an_empty_store", &store, "022").spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(store.names().unwrap().len(), 20);
    assert_eq!(ls(store.root()), ["certs", "machines"]);
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    if let Some(store) = store_of_parent() {
        return reserve_machine(&store);
    }
    for umask in ["000", "077", "0277"] {
        let Scene { store, dir: _dir } = scene();
        succeeds(child("modes_do_not_depend_on_the_umask", &store, umask));
        let machine = store.machine_dir(&store.names().unwrap()[0]);
        for folder in [store.root(), &store.machines_dir(), &store.certs_dir(), &machine] {
            assert_eq!(mode(folder), 0o700, "umask {umask}: {}", folder.display());
        }
        assert_eq!(mode(&machine.join(CONFIG)), 0o600, "umask {umask}");
        assert_eq!(mode(&store.certs_dir().join("ca.pem")), 0o644, "umask {umask}");
    }
}

fn save_until_killed(store: &Store) {
    let lock = lock(store, "x", LONG).unwrap();
    let mut machine = store.load(&name("x")).unwrap();
    for n in machine.config.driver.int("Round") + 1.. {
        machine.config.driver.set("Round", n);
        machine.own.failure = Some(format!("round {n}"));
        store.save(&lock, &machine).unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_leaves_a_machine_and_no_lock() {
    if let Some(store) = store_of_parent() {
        return save_until_killed(&store);
    }
    let Scene { store, dir: _dir } = scene();
    put(&store, "x");
    let mut rounds = 0;
    for n in 0..15 {
        let mut child =
            child("a_kill_at_any_moment_leaves_a_machine_and_no_lock", &store, "022").spawn().unwrap();
        while store.load(&name("x")).unwrap().config.driver.int("Round") == rounds {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(300 * n));
        let busy = lock(&store, "x", NOW).unwrap_err();
        assert!(matches!(busy, StoreError::Busy { pid: Some(pid), .. } if pid == child.id()), "{busy}");
        child.kill().unwrap();
        child.wait().unwrap();
        let mut machine = store.load(&name("x")).unwrap();
        rounds = machine.config.driver.int("Round");
        let own = machine.own.failure.unwrap_or("round 0".to_owned());
        let own: i64 = own.trim_start_matches("round ").parse().unwrap();
        assert!(own == rounds || own == rounds - 1, "our file says {own}, config.json {rounds}");
        let freed = lock(&store, "x", NOW).expect("the kernel has freed the lock");
        // Both in step again, for the next round.
        machine.own.failure = Some(format!("round {rounds}"));
        store.save(&freed, &machine).unwrap();
    }
}

fn read_but_not_write(store: &Store) {
    assert_eq!(store.names().unwrap(), [name("x")]);
    let machine = store.load(&name("x")).unwrap();
    let machines = store.machines_dir();
    let refused =
        |path: &Path| format!("cannot write {}: permission denied; nothing was changed", path.display());
    let error = lock(store, "x", NOW).unwrap_err();
    assert_eq!(error.to_string(), refused(&machines.join(".x.lock")));
    let elsewhere = Store::at(store.root().join("deeper"));
    assert_eq!(lock(&elsewhere, "x", NOW).unwrap_err().to_string(), refused(elsewhere.root()));
    let file = machines.join("x").join(CONFIG);
    assert_eq!(store.write_file(&file, b"", 0o600).unwrap_err().to_string(), refused(&file));
    assert_eq!(store.load(&name("x")).unwrap(), machine);
}

#[test]
fn a_store_that_may_not_be_written_is_read() {
    if let Some(store) = store_of_parent() {
        return read_but_not_write(&store);
    }
    let Scene { store, dir } = scene();
    put(&store, "x");
    let machine = store.machine_dir(&name("x"));
    let root = fs::metadata(store.root()).unwrap().uid() == 0;
    let mut paths =
        vec![dir.path().to_owned(), store.root().to_owned(), store.machines_dir(), machine.clone()];
    paths.extend([CONFIG, OWN].map(|file| machine.join(file)));
    for path in &paths {
        // Root may write anything, so root becomes somebody else.
        if root {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o500)).unwrap();
    }
    let mut command = child_as_nobody("a_store_that_may_not_be_written_is_read", &store);
    if root {
        command.uid(NOBODY).gid(NOBODY);
    }
    succeeds(command);
    for path in &paths {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

/// By a name that leads to this binary wherever it lies, also for a user who may not enter its folder.
fn child_as_nobody(test: &str, store: &Store) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--exact", &format!("store::tests::processes::{test}")])
        .env(STORE, store.root())
        .stdout(Stdio::piped());
    command
}
