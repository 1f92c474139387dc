//! Joins that fail on real engines, each for another reason: named, undone, and well at the next try.

use crate::e2e::docker_user::{Owner, docker};
use crate::e2e::lab::until;

/// Where a manager keeps what the swarm knows.
const STATE: &str = "/var/lib/docker/swarm";

/// A file system of its own for the state, so large.
fn small(machine: &str, size: &str) {
    let command = format!("mkdir -p {STATE} && mount -t tmpfs -o size={size} tmpfs {STATE}");
    docker(&["exec", machine, "sh", "-c", &command]).ok();
}

#[test]
fn a_full_disk_keeps_a_node_out_until_there_is_room() {
    let owner = Owner::new("rm-swarm-full");
    let user = &owner.user;
    user.rmachine(&["create", "-d", "docker", "--docker-network", &owner.network, "swf-m", "swf-w"]).ok();
    let on = |machine: &str, command: &str| docker(&["exec", machine, "sh", "-c", command]);
    let local = |name| user.docker(name, &["info", "-f", "{{.Swarm.LocalNodeState}}"]).ok().out;
    let listed = || user.docker("swf-m", &["node", "ls", "-q"]).ok().out.lines().count();
    let out = || {
        assert_eq!(local("swf-w"), "inactive\n", "nothing half joined");
        assert_eq!(listed(), 1, "nothing half joined");
        let members = user.rmachine(&["swarm", "ls", "-o", "json"]).ok().out;
        assert!(!members.contains("swf-w"), "{members}");
    };
    small("swf-m", "200m");
    user.rmachine(&["swarm", "init", "swf-m", "--cluster", "full"]).ok();
    let join =
        |more: &[&str]| user.rmachine(&[&["swarm", "join", "swf-w", "--cluster", "full"], more].concat());

    // It ends when nothing more gets in.
    on("swf-m", &format!("cat /dev/zero >{STATE}/filler"));
    let message = format!("swf-m has 0 MB left in {STATE}, and it takes 16");
    join(&[]).failed(1, &["swf-w cannot join: there is no room; nothing was changed", &message, "make room"]);
    out();
    on("swf-m", &format!("rm {STATE}/filler")).ok();
    join(&[]).ok();
    until("it is in", || listed() == 2);
    user.rmachine(&["swarm", "leave", "swf-w"]).ok();

    // The one that joins; a manager needs more.
    small("swf-w", "20m");
    join(&["--manager"]).failed(1, &[&format!("swf-w has 20 MB left in {STATE}, and it takes 80")]);
    on("swf-w", &format!("head -c 10M /dev/zero >{STATE}/filler")).ok();
    join(&[]).failed(1, &[&format!("swf-w has 10 MB left in {STATE}, and it takes 16")]);
    out();

    // There is room, and still it cannot be written: its engine itself fails in the middle.
    on("swf-w", &format!("rm {STATE}/filler && mount -o remount,ro {STATE}")).ok();
    join(&[]).failed(1, &["swf-w cannot join: ", "read-only file system", "nothing of it was left behind"]);
    out();
    on("swf-w", &format!("umount {STATE}")).ok();
    join(&[]).ok();
    until("it is in", || listed() == 2);
}
