//! What cannot be read is not the same as what is not there.

use std::fs;

use insta::assert_snapshot;

use super::harness::Sandbox;
use super::unreachable_hosts;

#[test]
fn unreadable_store_is_not_reported_as_a_missing_machine() {
    let lab = Sandbox::new();
    // Not a folder, so nothing in it can be looked for: what root cannot be refused otherwise.
    lab.write("S/machines", "");
    for words in ["rm -y x", "rm -f x"] {
        let outcome = lab.run(words);
        assert!(
            outcome.stderr.starts_with("Error removing host \"x\": open /S/machines/x: not a directory\n"),
            "{outcome}"
        );
        assert!(!outcome.stdout.contains("Successfully"), "{outcome}");
    }
    assert_snapshot!(lab.run("rm -y x"), @r#"
    exit 1
    --- stdout
    About to remove x
    WARNING: This action will delete both local reference and remote instance.
    --- stderr
    Error removing host "x": open /S/machines/x: not a directory
    Hint: whether the machine is there is not known: nothing was removed
    "#);
}

#[test]
fn create_checks_the_ssh_key_before_it_creates_anything() {
    let lab = unreachable_hosts::lab();
    lab.write("H/nokey", "this is a letter\n");
    let create = |key: &str| {
        format!(
            "create -d generic --generic-ip-address 127.0.0.1 --generic-ssh-port 1 --ssh-timeout 1 --generic-ssh-key {key} x"
        )
    };
    let outcome = lab.run(&create("/H/nokey"));
    assert_eq!(outcome.code, Some(3), "{outcome}");
    assert!(
        outcome.stderr.contains("Error with pre-create check: \"/H/nokey is not a usable SSH private key"),
        "{outcome}"
    );
    assert!(lab.machines().is_empty(), "{:?}", lab.machines());
    // Its mode is nobody's business yet, and one that is locked is a key.
    fs::set_permissions(lab.path("H/key"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(lab.run(&create("/H/key")).stderr.contains("refused the connection"));
}

/// A store with three members of the swarm lab, of which the record of one is damaged.
fn damaged_member() -> Sandbox {
    let lab = Sandbox::new();
    for (name, role) in [("m", "manager"), ("w1", "worker"), ("w2", "worker")] {
        lab.ok(&format!("create -d none --url tcp://127.0.0.1:1 {name}"));
        let path = format!("S/machines/{name}/rmachine.json");
        let mut own: serde_json::Value = serde_json::from_str(&lab.read(&path)).unwrap();
        own["Swarm"] = serde_json::json!({"Cluster": "lab", "Role": role});
        lab.write(&path, &own.to_string());
    }
    lab.write("S/machines/w2/rmachine.json", "{\"Version\":1,");
    lab
}

#[test]
fn removing_a_swarm_is_refused_while_a_record_cannot_be_read() {
    for words in ["cluster down lab -y", "swarm rm lab -y", "swarm rm lab"] {
        let lab = damaged_member();
        let outcome = lab.run(words);
        assert_eq!(outcome.code, Some(1), "{words}: {outcome}");
        assert!(
            outcome.stderr.starts_with("/S/machines/w2/rmachine.json is damaged: "),
            "{words}: {outcome}"
        );
        assert!(outcome.stderr.contains("`rmachine rm -f w2`"), "{words}: {outcome}");
        assert_eq!(lab.machines(), ["m", "w1", "w2"], "{words}");
    }
}

#[test]
fn cluster_down_removes_nothing_while_a_config_cannot_be_read() {
    let lab = damaged_member();
    let own = lab.read("S/machines/w1/rmachine.json");
    lab.write("S/machines/w2/rmachine.json", &own);
    lab.write("S/machines/w2/config.json", "{");
    let outcome = lab.run("cluster down lab -y");
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("Error getting migrated host: "), "{outcome}");
    assert_eq!(lab.machines(), ["m", "w1", "w2"]);
}

#[test]
fn swarm_ls_names_a_record_that_cannot_be_read() {
    let outcome = damaged_member().run("swarm ls");
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("/S/machines/w2/rmachine.json is damaged: "), "{outcome}");
}

#[test]
fn rm_force_removes_the_machine_whose_record_is_damaged() {
    let lab = damaged_member();
    lab.ok("rm -f w2");
    assert_eq!(lab.machines(), ["m", "w1"]);
}
