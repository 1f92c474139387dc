//! `swarm rm SWARM`: the whole swarm goes with its machines, after a question; and the earlier form, which named nodes.

use insta::assert_snapshot;

use super::harness::Sandbox;

/// The swarm `lab` of a manager and two workers, whose machines have no host.
fn swarm() -> Sandbox {
    let lab = Sandbox::new();
    for (name, role) in [("m", "manager"), ("w1", "worker"), ("w2", "worker")] {
        lab.create_none(name);
        enter(&lab, name, role);
    }
    lab.create_none("other");
    lab
}

/// Records the machine as a node of the swarm `lab`.
fn enter(lab: &Sandbox, name: &str, role: &str) {
    let path = format!("S/machines/{name}/rmachine.json");
    let mut own: serde_json::Value = serde_json::from_str(&lab.read(&path)).unwrap();
    own["Swarm"] = serde_json::json!({"Cluster": "lab", "Role": role});
    lab.write(&path, &own.to_string());
}

#[test]
fn swarm_rm_names_the_machines_and_asks_first() {
    let lab = swarm();
    assert_snapshot!(lab.call("swarm rm lab").stdin("n\n").run(), @r"
    exit 0
    --- stdout
    About to remove the swarm lab, with everything on it: m, w1, w2
    Are you sure? (y/n): ⏎
    \ no newline at the end
    ");
    assert_eq!(lab.machines(), ["m", "other", "w1", "w2"]);
    assert_snapshot!(lab.run("swarm rm lab"), @r"
    exit 1
    --- stdout
    About to remove the swarm lab, with everything on it: m, w1, w2
    Are you sure? (y/n): ⏎
    \ no newline at the end
    --- stderr
    EOF
    Hint: to skip the question, add -y
    ");
    assert_eq!(lab.machines(), ["m", "other", "w1", "w2"]);
    assert_snapshot!(lab.call("swarm rm lab").stdin("y\n").run(), @r"
    exit 0
    --- stdout
    About to remove the swarm lab, with everything on it: m, w1, w2
    Are you sure? (y/n): Removed 3 machines: m w1 w2
    ");
    assert_eq!(lab.machines(), ["other"]);
}

#[test]
fn swarm_rm_with_yes_asks_nothing() {
    for words in ["swarm rm -y lab", "swarm rm lab --yes", "swarm destroy -y lab"] {
        let lab = swarm();
        let removed = lab.ok(words);
        assert!(removed.ends_with("Removed 3 machines: m w1 w2\n"), "{words}: {removed}");
        assert_eq!(lab.machines(), ["other"], "{words}");
    }
}

/// The swarm stays usable for the worker that is left, and the second run continues.
#[test]
fn swarm_rm_keeps_the_managers_while_a_worker_cannot_be_removed() {
    let lab = swarm();
    let config = "S/machines/w2/config.json";
    let good = lab.read(config);
    lab.write(config, &good.replace("\"DriverName\": \"none\"", "\"DriverName\": \"vmwarefusion\""));
    let failed = lab.run("swarm rm -y lab");
    assert!(failed.code == Some(1) && failed.stderr.starts_with("w2: "), "{failed}");
    assert_eq!(lab.machines(), ["m", "other", "w2"]);
    lab.write(config, &good);
    lab.ok("swarm rm -y lab");
    assert_eq!(lab.machines(), ["other"]);
}

#[test]
fn swarm_rm_takes_only_the_name_of_a_swarm() {
    let lab = swarm();
    assert_snapshot!(lab.run("swarm rm -y nosuch"), @r#"
    exit 1
    --- stderr
    There is no cluster "nosuch" in this store
    Hint: there are: lab
    "#);
    // A machine's name stands for no swarm here, unlike in `swarm status`.
    assert_snapshot!(lab.run("swarm rm -y w1"), @r#"
    exit 1
    --- stderr
    There is no cluster "w1" in this store
    Hint: there are: lab
    "#);
    assert_snapshot!(lab.run("swarm rm -f lab"), @r"
    exit 2
    --- stderr
    --force is for nodes, and lab is a swarm
    Hint: to remove the node lab: rmachine swarm rm-node --force lab
    Hint: to remove the whole swarm: rmachine cluster down --force lab
    ");
    assert_eq!(lab.machines(), ["m", "other", "w1", "w2"]);
}

/// `swarm init` names a swarm after its first manager.
#[test]
fn swarm_rm_points_to_rm_node_if_a_node_has_the_name_of_the_swarm() {
    let lab = swarm();
    lab.create_none("lab");
    enter(&lab, "lab", "manager");
    assert_snapshot!(lab.call("swarm rm lab").stdin("n\n").run(), @r"
    exit 0
    --- stdout
    To remove only the node lab, run: rmachine swarm rm-node lab
    About to remove the swarm lab, with everything on it: lab, m, w1, w2
    Are you sure? (y/n): ⏎
    \ no newline at the end
    ");
}

/// No manager answers here, so both forms come as far as asking one.
#[test]
fn nodes_of_a_swarm_are_removed_by_rm_node_and_by_the_earlier_form() {
    let lab = swarm();
    let removed = lab.run("swarm rm-node --cluster lab w1");
    assert_eq!(removed.code, Some(1), "{removed}");
    assert!(removed.stderr.contains("lab"), "{removed}");
    for words in ["swarm rm --cluster lab w1", "swarm rm w1", "swarm rm w1 --cluster=lab"] {
        assert_eq!(lab.run(words), removed, "{words}");
    }
    assert_eq!(lab.machines(), ["m", "other", "w1", "w2"]);
}
