//! Stores with many machines: copies of one that was really created, each with a name and an address of its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::create::MACHINE;

/// A network of its own, see tests/bench/void, has these.
pub(crate) fn lost_address(n: usize) -> String {
    format!("198.18.{}.{}", n / 250, n % 250 + 1)
}

pub(crate) fn name(n: usize) -> String {
    format!("machine-{n:04}")
}

/// Copies the store `from`, which holds one machine, to one that holds `count` at addresses that lead nowhere.
pub(crate) fn of_many(from: &Path, to: PathBuf, count: usize) -> PathBuf {
    copies(from, to, count, |n, _| lost_address(n))
}

/// The same with the address that the one machine has: its engine answers for all of them.
pub(crate) fn of_one_host(from: &Path, to: PathBuf, count: usize) -> PathBuf {
    copies(from, to, count, |_, address| address.to_owned())
}

fn copies(from: &Path, to: PathBuf, count: usize, placed: impl Fn(usize, &str) -> String) -> PathBuf {
    copy_folder(&from.join("certs"), &to.join("certs"), str::to_owned);
    let machine = from.join("machines").join(MACHINE);
    let roots = (text(from), text(&to));
    let address = address_in(&fs::read_to_string(machine.join("config.json")).expect("a config.json"));
    for n in 0..count {
        let (name, lost) = (name(n), placed(n, &address));
        copy_folder(&machine, &to.join("machines").join(&name), |file| {
            file.replace(&roots.0, &roots.1).replace(MACHINE, &name).replace(&address, &lost)
        });
    }
    to
}

fn copy_folder(from: &Path, to: &Path, edited: impl Fn(&str) -> String) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target).expect("a copy");
        if target.extension().is_some_and(|e| e == "json") {
            let before = fs::read_to_string(&target).expect("text");
            fs::write(&target, edited(&before)).expect("a new text");
        }
    }
}

fn address_in(config: &str) -> String {
    let config: serde_json::Value = serde_json::from_str(config).expect("JSON");
    config["Driver"]["IPAddress"].as_str().expect("an address").to_owned()
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of text").to_owned()
}
