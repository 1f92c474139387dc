//! What a driver depends on: crates of others, and of this workspace only those in drivers/shared/.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// One line for each dependency of a crate below drivers/ on a crate of this workspace that is not for sharing. What only
/// its tests use is not looked at.
pub(super) fn faults(root: &Path) -> Vec<String> {
    let workspace = table(&root.join("Cargo.toml"));
    let shared_versions = &workspace["workspace"]["dependencies"];
    let mut faults = Vec::new();
    for folder in crates(root) {
        let manifest = table(&root.join(&folder).join("Cargo.toml"));
        for (name, wanted) in dependencies(&manifest) {
            let (from, wanted) = match wanted.get("workspace") {
                Some(_) => (Path::new(""), &shared_versions[name]),
                None => (folder.as_path(), wanted),
            };
            let Some(path) = wanted.get("path").and_then(Value::as_str) else { continue };
            let path = normal(&from.join(path));
            if !path.starts_with("drivers/shared") {
                faults.push(format!("{}/Cargo.toml: depends on {}", folder.display(), path.display()));
            }
        }
    }
    faults.sort();
    faults
}

fn table(path: &Path) -> Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

pub(super) fn crates(root: &Path) -> Vec<PathBuf> {
    let folders = ["drivers", "drivers/shared"];
    let entries = folders.iter().filter_map(|folder| Some((folder, fs::read_dir(root.join(folder)).ok()?)));
    let inside = entries.flat_map(|(folder, entries)| {
        entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()))
    });
    inside.filter(|folder| root.join(folder).join("Cargo.toml").exists()).collect()
}

/// The dependencies of the crate and of its build script, also those of single platforms.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = platforms.filter_map(|(_, table)| table.as_table()).chain([manifest]);
    let kinds = tables.flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)));
    let entries = kinds.flatten().filter_map(Value::as_table).flatten();
    entries.map(|(name, wanted)| (name.as_str(), wanted)).collect()
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path {
        if part == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}
