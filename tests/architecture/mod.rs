//! The rules of ARCHITECTURE.md that can be read from the source: which room may use which, what a driver depends on, and
//! which templates know a package or service manager.

mod drivers;
mod hosts;
mod paths;
mod source;
mod staircase;

use std::fs;

use tempfile::TempDir;

use paths::references;
use source::Source;
use staircase::{Fault, Staircase};

const DOCUMENT: &str = "
# Architecture

```staircase
main -> lib -> commands
  -> swarm, archive -> machines
  -> store, ssh -> drivers/shared/contract
ui: lib, commands
registry: machines, commands
environment: registry, lib
drivers: registry
```
";

/// A checkout with these files; every room that the document names is there.
fn checkout(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let rooms = [
        "main",
        "lib",
        "commands",
        "swarm",
        "archive",
        "machines",
        "store",
        "ssh",
        "ui",
        "registry",
        "environment",
    ];
    for (path, text) in rooms
        .iter()
        .map(|room| (format!("src/{room}.rs"), ""))
        .chain(files.iter().map(|(p, t)| ((*p).to_owned(), *t)))
    {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn faults(files: &[(&str, &str)]) -> Vec<String> {
    Source::read(checkout(files).path()).faults(&Staircase::parse(DOCUMENT).unwrap())
}

fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    Source::read(checkout(files).path()).circles()
}

#[test]
fn arrows_down_are_allowed() {
    let files = [
        ("src/main.rs", "use rmachine::{Exit, commands};\nfn main() { crate::help(); }"),
        ("src/commands.rs", "use crate::{machines::Machines, ui, store};\nuse rmachine_driver::Driver;"),
        (
            "src/machines/power.rs",
            "use super::Machines;\nuse super::super::store::Store;\nuse crate::registry;",
        ),
        ("src/registry.rs", "use crate::environment::Environment;\nuse rmachine_driver_docker::Docker;"),
    ];
    assert_eq!(faults(&files), [""; 0]);
}

#[test]
fn an_arrow_up_is_reported_with_file_line_and_arrow() {
    let files = [(
        "src/store/own.rs",
        "//! One.\n\nuse std::{fmt,\n  io};\nuse crate::{\n    ssh_keys,\n    machines::{self, Machine},\n};",
    )];
    assert_eq!(
        faults(&files),
        ["src/store/own.rs:6: up: store -> lib", "src/store/own.rs:7: up: store -> machines"]
    );
}

#[test]
fn an_arrow_sideways_is_reported() {
    let files = [("src/store.rs", "fn f() -> crate::ssh::Session { crate::ssh::open() }")];
    assert_eq!(faults(&files), ["src/store.rs:1: sideways: store -> ssh"]);
    let files = [("src/swarm/join.rs", "use super::super::archive::Archive;")];
    assert_eq!(faults(&files), ["src/swarm/join.rs:1: sideways: swarm -> archive"]);
}

#[test]
fn a_circle_is_reported_with_its_rooms() {
    let files = [
        ("src/swarm.rs", "use crate::machines::Machines;"),
        ("src/machines.rs", "\nuse crate::store::Store;"),
        ("src/store.rs", "\n\nuse crate::swarm::Swarm;"),
    ];
    assert_eq!(
        faults(&files),
        ["src/store.rs:3: up: store -> swarm, a circle: store -> swarm -> machines -> store"]
    );
}

#[test]
fn a_side_room_is_for_its_users_alone() {
    let files = [
        ("src/machines.rs", "use crate::ui::Table;"),
        ("src/store.rs", "use crate::environment::Environment;"),
        ("src/commands.rs", "use crate::environment::Environment;\nuse rmachine_driver_none::None;"),
        ("src/registry.rs", "use crate::machines::Machines;"),
    ];
    assert_eq!(
        faults(&files),
        [
            "src/commands.rs:1: reserved for others: commands -> environment",
            "src/commands.rs:2: reserved for others: commands -> drivers",
            "src/machines.rs:1: up: machines -> ui",
            "src/registry.rs:1: up: registry -> machines",
            "src/store.rs:1: up: store -> environment",
        ]
    );
}

#[test]
fn tests_may_use_any_room() {
    let files = [
        ("src/store/tests/locks.rs", "use crate::machines::Machines;"),
        ("src/ssh/key_tests.rs", "use crate::store::Store;"),
        ("src/store.rs", "mod tests { use crate::ssh::Session; }"),
    ];
    assert_eq!(faults(&files), [""; 0]);
}

#[test]
fn staircase_and_source_name_the_same_rooms() {
    let dir = checkout(&[("src/attic/mod.rs", ""), ("src/build.rs", "")]);
    fs::remove_file(dir.path().join("src/archive.rs")).unwrap();
    let found = Source::read(dir.path()).faults(&Staircase::parse(DOCUMENT).unwrap());
    assert_eq!(
        found,
        ["ARCHITECTURE.md: there is no room archive", "src: the room attic is not on the staircase"]
    );
}

#[test]
fn a_staircase_that_contradicts_itself_is_refused() {
    let parse = |block: &str| Staircase::parse(&format!("```staircase\n{block}\n```")).unwrap_err();
    assert_eq!(Staircase::parse("# Architecture").unwrap_err(), "there is no block ```staircase");
    assert_eq!(parse("main -> lib -> main"), "main is on the staircase twice");
    assert_eq!(
        parse("main -> lib\nui: app\napp: ui"),
        "side rooms whose users are unknown or use each other: app, ui"
    );
}

#[test]
fn a_room_that_nobody_placed_is_judged_unknown() {
    let staircase = Staircase::parse(DOCUMENT).unwrap();
    assert_eq!(staircase.judge("attic", "store"), Err(Fault::Unknown("attic".to_owned())));
}

#[test]
fn paths_are_found_in_trees_code_and_macros_but_not_in_text() {
    let source = r###"
use crate::a::{b as c, d::*, self};
pub use super::{
    e, // crate::no
    f::g,
};
/* crate::no /* crate::no */ crate::no */
fn text<'a>(x: &'a str) -> crate::h::I<'a> {
    let q = ['"', '\'', '{'];
    let r = (r#"crate::no" "#, "crate::no \" crate::no", b"crate::no");
    <self::J as super::super::k::L>::m(x); n::o!($crate::p)
}
mod q { mod r { use super::s; } use super::t; }
fn u() -> impl Sized + use<> { crate::v() }
"###;
    let found: Vec<String> = references(source)
        .iter()
        .map(|r| {
            format!(
                "{} {}{}",
                r.line,
                r.inside.iter().map(|m| format!("[{m}]")).collect::<String>(),
                r.segments.join("::")
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "2 crate::a::b",
            "2 crate::a::d",
            "2 crate::a",
            "4 super::e",
            "5 super::f::g",
            "8 crate::h::I",
            "11 self::J",
            "11 super::super::k::L",
            "11 n::o",
            "11 crate::p",
            "13 [q][r]super::s",
            "13 [q]super::t",
            "14 crate::v",
        ]
    );
}

#[test]
fn files_that_name_each_other_are_a_circle() {
    let files = [
        ("src/swarm/mod.rs", "mod join;\nmod leave;\npub use join::Join;\nuse leave::Leave;"),
        ("src/swarm/join.rs", "use super::leave::Leave;"),
        ("src/swarm/leave.rs", "use crate::swarm::Join;"),
    ];
    assert_eq!(circles(&files), [["src/swarm/join.rs", "src/swarm/leave.rs"]]);
}

#[test]
fn a_child_that_uses_its_parent_is_no_circle() {
    let files = [
        ("src/swarm/mod.rs", "mod join;\npub use join::Join;\npub struct Swarm;"),
        ("src/swarm/join.rs", "use super::Swarm;"),
    ];
    assert_eq!(circles(&files), [[""; 0]; 0]);
}

#[test]
fn a_driver_depends_on_shared_crates_alone() {
    let dir = checkout(&[
        (
            "Cargo.toml",
            "[workspace.dependencies]\ncontract.path = \"drivers/shared/contract\"\nnone.path = \"drivers/none\"\nserde = \"1\"",
        ),
        ("drivers/shared/contract/Cargo.toml", "[dependencies]\nrmachine.path = \"../../..\""),
        (
            "drivers/none/Cargo.toml",
            "[dependencies]\ncontract.workspace = true\nserde = \"1\"\n[dev-dependencies]\nx.path = \"../x\"",
        ),
        (
            "drivers/docker/Cargo.toml",
            "[dependencies]\nserde.workspace = true\n[target.'cfg(unix)'.dependencies]\nnone.workspace = true",
        ),
    ]);
    assert_eq!(
        drivers::faults(dir.path()),
        [
            "drivers/docker/Cargo.toml: depends on drivers/none",
            "drivers/shared/contract/Cargo.toml: depends on "
        ]
    );
}

#[test]
fn a_template_for_all_hosts_names_no_manager() {
    let dir = checkout(&[
        ("templates/provision/install.sh", "{% include \"packages/apt/install.sh\" %}\nsystemctl start x\n"),
        ("templates/provision/service/detect.sh", "apt-get update"),
        ("templates/provision/packages/apt/install.sh", "apt-get install x"),
        ("templates/provision/service/systemd/engine.sh", "systemctl start docker.service"),
        ("templates/host/first-boot.sh", "systemctl daemon-reload"),
        ("templates/node/setup.sh", "dpkg --configure -a"),
    ]);
    assert_eq!(
        hosts::faults(dir.path()),
        [
            "templates/provision/install.sh: names systemctl",
            "templates/provision/service/detect.sh: names apt-get"
        ]
    );
}

/// The checkout itself.
fn root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn src_follows_the_staircase_of_the_architecture() {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let staircase = Staircase::parse(&document).unwrap();
    assert_eq!(Source::read(root()).faults(&staircase), [""; 0]);
}

#[test]
fn driver_crates_depend_on_shared_crates_alone() {
    assert_eq!(drivers::faults(root()), [""; 0]);
}

#[test]
fn templates_name_package_and_service_managers_in_their_folders_alone() {
    assert_eq!(hosts::faults(root()), [""; 0]);
}

#[test]
fn files_of_driver_crates_use_each_other_in_one_direction() {
    for folder in drivers::crates(root()) {
        let circles = Source::read(&root().join(&folder)).circles();
        assert_eq!(circles, [[""; 0]; 0], "{}", folder.display());
    }
}
