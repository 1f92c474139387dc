//! Tests of the store as a whole, on real files; what is pure is tested beside its code.
#![expect(clippy::disallowed_methods, reason = "tests make files by hand, and run themselves as processes")]

mod broken;
mod changes;
mod locks;
mod migrations;
mod ours;
mod processes;
mod reading;
mod texts;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rmachine_driver::{DriverState, MachineName};
use tempfile::TempDir;

use crate::store::*;

const NOW: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

/// A store in a folder of its own.
struct Scene {
    dir: TempDir,
    store: Store,
}

fn scene() -> Scene {
    let dir = TempDir::new().unwrap();
    Scene { store: Store::at(dir.path().join("S")), dir }
}

fn name(text: &str) -> MachineName {
    MachineName::existing(text).unwrap()
}

fn machine(store: &Store, text: &str) -> StoredMachine {
    let name = name(text);
    let mut state = DriverState::base(&name, store.root());
    state.set("URL", "tcp://127.0.0.1:2376");
    let config = HostConfig::new(&name, "none", state, store.root());
    StoredMachine { config, own: OwnState::new("2026-01-02T03:04:05Z".parse().unwrap()) }
}

fn lock(store: &Store, text: &str, wait: Duration) -> Result<MachineLock, StoreError> {
    runtime().block_on(store.lock(&name(text), wait))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Reserves a machine and lets go of its lock.
fn put(store: &Store, text: &str) -> StoredMachine {
    let machine = machine(store, text);
    store.reserve(&lock(store, text, LONG).unwrap(), &machine, &[]).unwrap();
    machine
}

fn fixture(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store").join(file);
    fs::read_to_string(path).unwrap()
}

/// A machine as docker-machine would have left it.
fn plant(store: &Store, text: &str, config: &str) -> PathBuf {
    let dir = store.machine_dir(&name(text));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(CONFIG), config).unwrap();
    dir
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The names in a folder, hidden ones too, sorted.
fn ls(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
