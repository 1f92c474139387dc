//! kill -9 and Ctrl-C at every phase: `ls` shows the machine, and `--resume`, `provision` or `rm` finish the job.

use crate::e2e::lab::{Host, User};

/// Lines of `create`, and the phase that is on disk when each of them is seen.
const MOMENTS: [(&str, &str); 5] = [
    ("Creating machine...", "reserved created"),
    ("Waiting for SSH", "created reachable"),
    ("Provisioning with", "reachable"),
    ("Setting Docker configuration", "reachable"),
    ("Checking connection", "provisioned ready"),
];

#[test]
fn killed_at_any_phase_a_create_is_resumed() {
    let host = Host::up("e2e-killed", &["--engine"]);
    for (moment, phases) in MOMENTS {
        let user = User::new();
        host.run("rm -rf /etc/docker/daemon.json /etc/systemd/system/docker.service.d");
        user.create_until(&host, "node1", &[], moment).kill_9();
        let phase = user.phase("node1");
        assert!(phases.split(' ').any(|p| p == phase), "killed at {moment:?} in phase {phase}");
        let row = user.ls_row("node1");
        assert!(phase == "ready" || row.contains(&format!("phase {phase}")), "{row}");
        if phase != "ready" {
            user.rmachine(&["create", "--resume", "node1"]).ok();
        }
        assert_eq!(user.phase("node1"), "ready", "killed at {moment:?}");
        user.docker("node1", &["version"]).ok();
        assert!(!host.try_run("test -e /etc/docker/.rmachine-pending").status.success());
    }
}

#[test]
fn killed_at_any_phase_a_create_is_removed() {
    let host = Host::up("e2e-killed-rm", &["--engine"]);
    for (moment, _) in MOMENTS {
        let user = User::new();
        user.create_until(&host, "node1", &[], moment).kill_9();
        assert_eq!(user.rmachine(&["ls", "-q"]).ok().out, "node1\n", "killed at {moment:?}");
        user.rmachine(&["rm", "-y", "node1"]).ok();
        let left: Vec<_> = std::fs::read_dir(user.store().join("machines")).expect("machines").collect();
        assert!(left.is_empty(), "killed at {moment:?}: {left:?}");
    }
    // Whatever was under way on the host, the engine is up once it has ended, and the next user gets it.
    let user = User::new();
    user.create(&host, "node1", &[]).ok();
    user.docker("node1", &["version"]).ok();
}

#[test]
fn ctrl_c_leaves_a_machine_that_provision_finishes() {
    let host = Host::up("e2e-ctrl-c", &["--engine"]);
    let user = User::new();
    let done = user.create_until(&host, "node1", &[], "Setting Docker configuration").signal("-INT");
    done.failed(130, &["create --resume node1", "rm node1"]);
    assert_eq!(user.phase("node1"), "reachable");
    user.rmachine(&["provision", "node1"]).ok();
    assert_eq!(user.phase("node1"), "ready");
    user.docker("node1", &["version"]).ok();
}
