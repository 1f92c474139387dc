//! `rm`: what it asks, what it removes, and what it never touches.

use insta::assert_snapshot;

use super::harness::Sandbox;

fn lab(names: &[&str]) -> Sandbox {
    let lab = Sandbox::new();
    for name in names {
        lab.plant(name, "v3-none.json");
    }
    lab
}

#[test]
fn rm_asks_and_accepts_any_single_word_with_y() {
    let lab = lab(&["a", "b"]);
    assert_snapshot!(lab.call("rm a").stdin("y\n").run(), @r"
    exit 0
    --- stdout
    About to remove a
    WARNING: This action will delete both local reference and remote instance.
    Are you sure? (y/n): Successfully removed a
    ");
    assert_eq!(lab.call("rm b").stdin("Yes\n").run().code, Some(0));
    assert!(lab.machines().is_empty());
}

#[test]
fn rm_keeps_the_machine_on_any_other_answer() {
    let lab = lab(&["a"]);
    assert_snapshot!(lab.call("rm a").stdin("n\n").run(), @r#"
    exit 0
    --- stdout
    About to remove a
    WARNING: This action will delete both local reference and remote instance.
    Are you sure? (y/n): ⏎
    \ no newline at the end
    "#);
    for answer in ["\n", "no\n", "y y\n", "  \n", "maybe y\n"] {
        assert_eq!(lab.call("rm a").stdin(answer).run().code, Some(0), "{answer:?}");
        assert_eq!(lab.machines(), ["a"], "{answer:?}");
    }
}

#[test]
fn rm_without_an_answer_removes_nothing_and_reports_it() {
    let lab = lab(&["a"]);
    assert_snapshot!(lab.run("rm a"), @r#"
    exit 1
    --- stdout
    About to remove a
    WARNING: This action will delete both local reference and remote instance.
    Are you sure? (y/n): ⏎
    \ no newline at the end
    --- stderr
    EOF
    Hint: to skip the question, add -y
    "#);
    assert_eq!(lab.machines(), ["a"]);
}

#[test]
fn rm_with_y_or_force_does_not_ask() {
    let lab = lab(&["a", "b", "c", "d", "e"]);
    lab.ok("rm --yes d");
    lab.ok("rm -fy e");
    assert_snapshot!(lab.run("rm -y a"), @r"
    exit 0
    --- stdout
    About to remove a
    WARNING: This action will delete both local reference and remote instance.
    Successfully removed a
    ");
    assert_snapshot!(lab.run("rm b --force"), @r"
    exit 0
    --- stdout
    About to remove b
    WARNING: This action will delete both local reference and remote instance.
    Successfully removed b
    ");
    assert_snapshot!(lab.run("rm c -f"), @r"
    exit 0
    --- stdout
    About to remove c
    WARNING: This action will delete both local reference and remote instance.
    Successfully removed c
    ");
    assert!(lab.machines().is_empty(), "{:?}", lab.machines());
}

#[test]
fn rm_removes_the_others_when_one_machine_is_missing() {
    let lab = lab(&["a", "b"]);
    assert_snapshot!(lab.run("rm -y a nosuch b"), @r#"
    exit 1
    --- stdout
    About to remove a, nosuch, b
    WARNING: This action will delete both local reference and remote instance.
    Successfully removed a
    Successfully removed b
    --- stderr
    Error removing host "nosuch": Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
    assert!(lab.machines().is_empty());
}

#[test]
fn rm_force_reports_a_missing_machine_and_exits_0() {
    let lab = lab(&["a"]);
    assert_snapshot!(lab.run("rm -f nosuch a"), @r#"
    exit 0
    --- stdout
    About to remove nosuch, a
    WARNING: This action will delete both local reference and remote instance.
    Successfully removed a
    --- stderr
    Can't remove "nosuch"
    "#);
    assert!(lab.machines().is_empty());
}

/// `rm -f "$UNSET"` emptied docker-machine's store; `rm -f ..` deleted it with its CA.
#[test]
fn rm_refuses_names_that_are_paths() {
    let lab = lab(&["a", "b"]);
    lab.write("S/certs/ca-key.pem", "the key of all keys");
    lab.write("outside/config.json", "{}");
    lab.write("S/machines/.hidden/config.json", "{}");
    lab.write("S/machines/file", "not a machine");
    let before = lab.tree();
    for name in [
        "",
        ".",
        "..",
        "../x",
        "../certs",
        "../../outside",
        "/T/outside",
        "a/b",
        "a/",
        "a/.",
        "./a",
        "a/../b",
        ".hidden",
        "file",
        "*",
        "a\\b",
    ] {
        for force in ["-y", "-f"] {
            let name = name.replace("/T", &lab.path("").display().to_string());
            let words = ["rm".to_owned(), force.to_owned(), "--".to_owned(), name.clone()];
            let outcome = lab.call_words("rmachine", words).run();
            let code = if force == "-f" { 0 } else { 1 };
            assert_eq!(outcome.code, Some(code), "{force} {name:?}: {outcome}");
            assert_eq!(outcome.stderr.lines().count(), 1, "{force} {name:?}: {outcome}");
            assert_eq!(lab.tree(), before, "rm {force} {name:?} deleted something");
        }
    }
    assert_snapshot!(lab.run("rm -f ''"), @r#"
    exit 0
    --- stdout
    About to remove ⏎
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Can't remove ""
    "#);
    assert_snapshot!(lab.run("rm -y .."), @r#"
    exit 1
    --- stdout
    About to remove ..
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Error removing host "..": Docker machine ".." does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
}

#[test]
fn rm_removes_a_broken_machine_only_with_force() {
    let lab = lab(&[]);
    lab.write("S/machines/broken/config.json", "{\"ConfigVersion\": 3, nonsense");
    assert_snapshot!(lab.run("rm -y broken"), @r#"
    exit 1
    --- stdout
    About to remove broken
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Error removing host "broken": Error getting migrated host: key must be a string at line 1 column 22
    Hint: mend /S/machines/broken/config.json, or forget the machine with `rmachine rm -f broken`: what runs at its provider stays there
    "#);
    assert_eq!(lab.machines(), ["broken"]);
    assert_snapshot!(lab.run("rm -f broken"), @r"
    exit 0
    --- stdout
    About to remove broken
    WARNING: This action will delete both local reference and remote instance.
    (broken) Warning: it is only forgotten here: Error getting migrated host: key must be a string at line 1 column 22
    Successfully removed broken
    ");
    assert!(lab.machines().is_empty());
}

#[test]
fn rm_force_removes_a_folder_without_a_config() {
    let lab = lab(&[]);
    lab.write("S/machines/empty/disk.img", "");
    assert_snapshot!(lab.run("rm -y empty"), @r#"
    exit 1
    --- stdout
    About to remove empty
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Error removing host "empty": open /S/machines/empty/config.json: no such file or directory
    Hint: bring back /S/machines/empty/config.json, or forget the machine with `rmachine rm -f empty`: what runs at its provider stays there
    "#);
    assert_snapshot!(lab.run("rm -f empty"), @r"
    exit 0
    --- stdout
    About to remove empty
    WARNING: This action will delete both local reference and remote instance.
    (empty) Warning: it is only forgotten here: open /S/machines/empty/config.json: no such file or directory
    Successfully removed empty
    ");
    assert!(lab.machines().is_empty());
}

#[test]
fn rm_force_removes_a_machine_of_an_unknown_driver() {
    let lab = lab(&[]);
    lab.plant_stranger("default");
    assert_snapshot!(lab.run("rm -y default"), @r#"
    exit 1
    --- stdout
    About to remove default
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Error removing host "default": Driver "vmwarefusion" not found. Do you have the plugin binary accessible in your PATH?
    Hint: drivers that run as separate programs are not supported yet; docker-machine still reads this store
    "#);
    assert_eq!(lab.machines(), ["default"]);
    assert_snapshot!(lab.run("rm -f default"), @r#"
    exit 0
    --- stdout
    About to remove default
    WARNING: This action will delete both local reference and remote instance.
    (default) Warning: it is only forgotten here: Driver "vmwarefusion" not found. Do you have the plugin binary accessible in your PATH?
    Successfully removed default
    "#);
    assert!(lab.machines().is_empty());
}

#[test]
fn rm_removes_an_unfinished_machine() {
    let lab = lab(&["a"]);
    for phase in ["reserved", "created", "reachable", "provisioned", "removing"] {
        lab.plant("u", "v3-none.json");
        let own = format!("{{\"Version\": 1, \"Uuid\": \"{}\", \"Phase\": \"{phase}\"}}", uuid::Uuid::nil());
        lab.write("S/machines/u/rmachine.json", &own);
        lab.ok("rm -y u");
        assert_eq!(lab.machines(), ["a"], "{phase}");
    }
}

/// The folder goes whole, whatever docker-machine or a user left in it; links are removed, not followed.
#[test]
fn rm_follows_no_links_in_the_machine_folder() {
    let lab = lab(&["a"]);
    lab.write("outside/precious", "x");
    std::os::unix::fs::symlink(lab.path("outside"), lab.machine("a").join("link")).unwrap();
    lab.ok("rm -y a");
    assert!(lab.machines().is_empty());
    assert!(lab.path("outside/precious").exists());
}

#[test]
fn rm_reports_a_repeated_name_as_missing() {
    let lab = lab(&["a"]);
    assert_snapshot!(lab.run("rm -y a a"), @r#"
    exit 1
    --- stdout
    About to remove a, a
    WARNING: This action will delete both local reference and remote instance.
    Successfully removed a
    --- stderr
    Error removing host "a": Docker machine "a" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
}
