//! `snapshot`: its verbs, and the earlier form with flags, against a provider.

use insta::assert_snapshot;

use super::digitalocean::Scene;
use super::harness::Sandbox;

/// A machine at the provider. Its host does not answer, which no snapshot needs.
fn scene() -> Scene {
    let scene = Scene::new();
    assert_eq!(scene.run(&Scene::create()).code, Some(1));
    scene
}

fn names(scene: &Scene, words: &str) -> Vec<String> {
    let listed = scene.run(words);
    assert_eq!(listed.code, Some(0), "{listed}");
    listed.stdout.lines().skip(1).filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn snapshots_are_created_listed_and_removed() {
    let scene = scene();
    for (create, ls, rm) in [
        ("snapshot create web1 s1", "snapshot ls web1", "snapshot rm web1 s1"),
        ("snapshot web1 s1", "snapshot --ls web1", "snapshot --rm web1 s1"),
    ] {
        let created = scene.run(create);
        assert!(created.code == Some(0) && created.stdout.contains("s1\t"), "{create}: {created}");
        assert_eq!(names(&scene, ls), ["s1"], "{ls}");
        let removed = scene.run(rm);
        assert!(removed.code == Some(0) && removed.stdout.ends_with("Removed s1\n"), "{rm}: {removed}");
        assert_eq!(names(&scene, ls), Vec::<String>::new(), "{ls}");
    }
}

#[test]
fn restore_names_a_snapshot_that_is_missing() {
    let scene = scene();
    let verb = scene.run("snapshot restore web1 s1");
    assert!(verb.code == Some(1) && verb.stderr.contains("s1"), "{verb}");
    assert_eq!(scene.run("snapshot --restore web1 s1"), verb);
}

#[test]
fn snapshot_reports_a_wrong_verb_or_machine() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("snapshot ls nosuch"), @r#"
    exit 1
    --- stderr
    Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
    assert_snapshot!(lab.run("snapshot list web1"), @r#"
    exit 1
    --- stderr
    Docker machine "list" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    Hint: see `rmachine snapshot --help`
    "#);
    assert_snapshot!(lab.run("snapshot restore web1"), @r"
    exit 2
    --- stderr
    the following required arguments were not provided:
      <SNAPSHOT>
    Hint: see `rmachine snapshot restore --help`
    ");
}
