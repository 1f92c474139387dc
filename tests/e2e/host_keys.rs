//! Whose host it is: keys seen first are kept, given ones are demanded, changed ones refuse.

use crate::e2e::lab::{Host, User};

#[test]
fn a_changed_host_key_refuses_until_it_is_accepted() {
    let host = Host::up("e2e-hostkey", &["--engine"]);
    let user = User::new();
    let first = host.fingerprint();
    let made = user.create(&host, "node1", &["--ssh-host-key", &first]).ok();
    assert!(!made.out.contains("first time"), "it was given, not trusted: {}", made.out);
    user.rmachine(&["ssh", "node1", "true"]).ok();

    host.run("rm /etc/ssh/ssh_host_* && ssh-keygen -A && systemctl restart ssh");
    let second = host.fingerprint();
    let accept = format!("rmachine provision --ssh-host-key {second} node1");
    for command in [&["ssh", "node1", "touch", "/root/entered"][..], &["provision", "node1"][..]] {
        user.rmachine(command).failed(1, &[&first, &second, &accept]);
    }
    assert!(!host.try_run("test -e /root/entered").status.success());
    user.rmachine(&["provision", "--ssh-host-key", &first, "node1"]).failed(1, &[&second]);
    user.rmachine(&["provision", "--ssh-host-key", &second, "node1"]).ok();
    user.rmachine(&["ssh", "node1", "true"]).ok();
}

#[test]
fn a_host_with_another_key_than_the_one_given_is_never_logged_in_to() {
    let host = Host::up("e2e-otherkey", &["--engine"]);
    let user = User::new();
    let wrong = format!("SHA256:{}", "A".repeat(43));
    user.create(&host, "node1", &["--ssh-host-key", &wrong]).failed(1, &[&wrong, &host.fingerprint()]);
    let log = host.run("journalctl -u ssh -o cat --no-pager");
    assert!(!log.contains("Accepted publickey"), "{log}");
    assert_eq!(user.phase("node1"), "created");
    user.rmachine(&["create", "--resume", "--ssh-host-key", &host.fingerprint(), "node1"]).ok();
}
