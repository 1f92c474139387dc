//! Certificates and engines made anew on hosts that are at work.

use std::fs;

use crate::e2e::engine_install::{Server, gateway};
use crate::e2e::lab::{Host, User};

fn serial(host: &Host) -> String {
    host.run("openssl x509 -in /etc/docker/server.pem -noout -serial")
}

#[test]
fn certificates_are_made_anew_and_only_those_engines_restart() {
    let (a, b) = (Host::up("verbs-certs-a", &["--engine"]), Host::up("verbs-certs-b", &["--engine"]));
    let user = User::new();
    user.create(&a, "a", &[]).ok();
    user.create(&b, "b", &[]).ok();
    let (serial_a, serial_b, start_a, start_b) = (serial(&a), serial(&b), a.engine_start(), b.engine_start());
    user.rmachine_with(&["regenerate-certs", "a"], b"n\n").ok();
    assert_eq!((serial(&a), a.engine_start()), (serial_a.clone(), start_a.clone()), "a no is a no");
    let done = user.rmachine_with(&["regenerate-certs", "a"], b"y\n").ok();
    let words = "Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): Regenerating TLS certificates\n";
    assert!(done.out.starts_with(words), "{}", done.out);
    assert_ne!(serial(&a), serial_a);
    assert_ne!(a.engine_start(), start_a);
    assert_eq!((serial(&b), b.engine_start()), (serial_b.clone(), start_b.clone()), "b was not named");
    user.docker("a", &["version"]).ok();

    // A new client of the same CA: b's engine takes it as it is.
    let client = fs::read(user.store().join("certs/cert.pem")).unwrap();
    user.rmachine(&["regenerate-certs", "-f", "--client-certs", "a"]).ok();
    assert_ne!(fs::read(user.store().join("certs/cert.pem")).unwrap(), client);
    assert_eq!(b.engine_start(), start_b);
    for name in ["a", "b"] {
        user.docker(name, &["version"]).ok();
        let copy = fs::read(user.machine_file(name, "cert.pem")).unwrap();
        assert_eq!(copy, fs::read(user.store().join("certs/cert.pem")).unwrap(), "{name}");
    }

    // Another CA, as when the old one ends: whoever hung on it is reissued, named or not, whatever was killed on the way.
    for file in ["ca.pem", "ca-key.pem"] {
        fs::remove_file(user.store().join("certs").join(file)).unwrap();
    }
    let running = user.start_until(&["regenerate-certs", "-f", "--client-certs", "a"], "Waiting for SSH");
    running.kill_9();
    let done = user.rmachine(&["regenerate-certs", "-f", "--client-certs", "a"]).ok();
    assert!(done.out.ends_with("Regenerated the certificates of 2 of 2 machines\n"), "{}", done.out);
    for name in ["a", "b"] {
        user.docker(name, &["version"]).ok();
    }
    assert_ne!(serial(&b), serial_b);
    let certs = user.rmachine(&["certs"]).ok().out;
    assert_eq!(certs.lines().filter(|l| l.starts_with("server ")).count(), 2, "{certs}");
}

/// From the engine of the release before to this one's, and back to nothing that is to do.
#[test]
fn a_package_is_upgraded_and_what_ran_is_told() {
    let host = Host::up("verbs-upgrade", &[]);
    host.run(
        "sed 's/trixie/bookworm/g' /etc/apt/sources.list > /etc/apt/sources.list.d/old.list; apt-get update -qq; \
         apt-get install -qq -y --no-install-recommends docker.io=20.10.24* >/dev/null 2>&1",
    );
    let user = User::new();
    user.create(&host, "a", &[]).ok();
    host.run("tar -C / -c bin lib lib64 usr/bin/sleep usr/lib usr/lib64 | docker import - box >/dev/null");
    host.run("docker run -d --name stays --restart always box /usr/bin/sleep 1000000");
    host.run("docker run -d --name stops box /usr/bin/sleep 1000000");
    let missing = user.rmachine(&["upgrade", "--engine-version", "99", "a"]);
    missing.failed(1, &["engine version 99 is not to be had", "26.1", "--engine-version"]);
    let done = user.rmachine(&["upgrade", "a"]).ok();
    for word in [
        "Upgrading docker...",
        "docker.io 20.10.24",
        "Docker was 20.10.24, and is 26.1",
        "2 of 2 before",
        "container stops ran before",
    ] {
        assert!(done.out.contains(word), "{word:?} is not in:\n{}", done.out);
    }
    assert!(!done.out.contains("container stays"), "{}", done.out);
    let version = user.docker("a", &["version", "-f", "{{.Server.Version}}"]).ok().out;
    assert!(version.starts_with("26.1"), "{version}");
    let before = host.engine_start();
    let again = user.rmachine(&["upgrade", "a"]).ok();
    assert!(again.out.contains("the newest that is offered: nothing is changed"), "{}", again.out);
    assert_eq!(host.engine_start(), before, "an engine that is as it should be was restarted");
    user.rmachine(&["upgrade", "--engine-version", "20.10", "a"])
        .failed(1, &["does not go back to an older version"]);
    assert!(host.engine_is_up());
}

/// No package owns it: the script that brought it brings the next, and one that does not come up is taken back.
#[test]
fn what_a_script_brought_a_script_upgrades() {
    let host = Host::up("verbs-upgrade-script", &["--engine", "--suite", "bookworm"]);
    // The same engine as files of nobody's.
    host.run(
        "systemctl stop docker.socket docker; cp /usr/sbin/dockerd /usr/local/sbin/dockerd; \
         sed 's|/usr/sbin/dockerd|/usr/local/sbin/dockerd|' $(systemctl show -p FragmentPath --value docker.service) \
         > /etc/systemd/system/docker.service; systemctl daemon-reload; systemctl start docker",
    );
    let user = User::new();
    let server = Server::start(gateway(&host));
    let url = |path: &str| format!("--engine-install-url=http://{}/{path}", server.address);
    user.create(&host, "a", &[&url("same")]).ok();
    let before = host.engine_start();
    let same = user.rmachine(&["upgrade", "a"]).ok();
    assert!(same.out.contains("the same engine again: nothing is changed"), "{}", same.out);
    assert_eq!(host.engine_start(), before);
    user.rmachine(&["provision", &url("broken"), "a"]).ok();
    user.rmachine(&["upgrade", "a"])
        .failed(1, &["the new engine does not come up here; the one before is back and runs"]);
    user.docker("a", &["version"]).ok();
    user.rmachine(&["provision", &url("fails"), "a"]).ok();
    user.rmachine(&["upgrade", "a"]).failed(1, &["this is why it failed"]);
    assert!(host.engine_is_up());
}
