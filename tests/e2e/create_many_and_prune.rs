//! Several machines at once, machines with a time to live, and what is left when a store is lost.

use crate::e2e::docker_user::docker;
use crate::e2e::lab::{User, until};

/// Containers, also stopped ones, whose names begin like this.
fn containers(prefix: &str) -> Vec<String> {
    let names = docker(&["ps", "-a", "--format", "{{.Names}}"]).out;
    let mut names: Vec<_> = names.lines().filter(|n| n.starts_with(prefix)).map(str::to_owned).collect();
    names.sort();
    names
}

/// Removes a container that is no machine when the test ends.
struct Foreign(&'static str);

impl Foreign {
    fn make(name: &'static str) -> Self {
        docker(&["create", "--name", name, "rmachine-lab:trixie", "true"]);
        Self(name)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        docker(&["rm", "-f", self.0]);
    }
}

#[test]
fn one_that_fails_does_not_keep_the_others() {
    let user = User::new();
    let foreign = Foreign::make("e2e-many-2");
    let done = user.rmachine(&["create", "-d", "docker", "e2e-many-{1..3}"]);
    let done = done.failed(1, &["e2e-many-2: ", "e2e-many-2"]);
    assert!(done.out.contains("Created 2 of 3 machines: e2e-many-1 e2e-many-3\n"), "{}", done.out);
    assert!(
        done.out.contains("(e2e-many-3) Docker is up and running!\n"),
        "each line says whose it is: {}",
        done.out
    );
    assert_eq!(user.rmachine(&["ls", "-q"]).ok().out, "e2e-many-1\ne2e-many-3\n");
    user.docker("e2e-many-3", &["version"]).ok();
    user.rmachine(&["rm", "-y", "e2e-many-1", "e2e-many-3"]).ok();
    assert_eq!(containers("e2e-many-"), ["e2e-many-2"], "a container that is not ours is left alone");
    drop(foreign);
}

#[test]
fn ten_at_once() {
    let user = User::new();
    let done = user.rmachine(&["create", "-d", "docker", "e2e-ten-{1..10}"]).ok();
    assert!(done.out.contains("Created 10 of 10 machines: "), "{}", done.out);
    let running = user.rmachine(&["ls", "--filter", "state=Running", "-f", "{{.Name}} {{.URL}}"]).ok().out;
    let urls: std::collections::BTreeSet<_> =
        running.lines().filter_map(|l| l.split_once(' ')).map(|l| l.1).collect();
    assert_eq!(urls.len(), 10, "{running}");
    let names = user.rmachine(&["ls", "-q"]).ok().out;
    let mut rm = vec!["rm", "-y"];
    rm.extend(names.lines());
    user.rmachine(&rm).ok();
    assert!(containers("e2e-ten-").is_empty());
}

#[test]
fn machines_whose_time_is_over_are_pruned() {
    let user = User::new();
    user.rmachine(&["create", "-d", "docker", "--ttl", "1d", "e2e-ttl-long"]).ok();
    user.rmachine(&["create", "-d", "docker", "--ttl", "1s", "e2e-ttl-short"]).ok();
    let shown = || user.rmachine(&["prune"]).ok().out;
    until("a second is over", || shown().contains("machine e2e-ttl-short expired at "));
    assert!(!shown().contains("e2e-ttl-long"));
    assert_eq!(containers("e2e-ttl-").len(), 2, "showing removes nothing");
    let pruned = user.rmachine(&["prune", "-y"]).ok().out;
    assert!(pruned.contains("Successfully removed e2e-ttl-short\n"), "{pruned}");
    assert_eq!(containers("e2e-ttl-"), ["e2e-ttl-long"]);
    user.rmachine(&["rm", "-y", "e2e-ttl-long"]).ok();
}

#[test]
fn a_moved_store_and_one_that_lost_our_file_still_own_their_machines() {
    let user = User::new();
    user.rmachine(&["create", "-d", "docker", "e2e-moved"]).ok();
    let (old, new) = (user.store(), user.home().join("moved"));
    std::fs::rename(&old, &new).expect("moved");
    let new_store = new.to_string_lossy().into_owned();
    let shown = user.rmachine(&["-s", &new_store, "prune"]).ok().out;
    assert!(!shown.contains("e2e-moved"), "its own store would prune it: {shown}");
    std::fs::rename(&new, &old).expect("moved back");
    std::fs::remove_file(user.machine_file("e2e-moved", "rmachine.json")).expect("removed");
    user.rmachine(&["rm", "-y", "e2e-moved"]).ok();
    assert!(containers("e2e-moved").is_empty(), "rm said that it did what it did not");
}

#[test]
fn what_a_lost_store_left_is_pruned_and_what_other_stores_know_is_not() {
    let (loser, keeper) = (User::new(), User::new());
    loser.rmachine(&["create", "-d", "docker", "e2e-lost"]).ok();
    keeper.rmachine(&["create", "-d", "docker", "e2e-kept-machine"]).ok();
    let volumes = docker(&["inspect", "-f", "{{range .Mounts}}{{.Name}} {{end}}", "e2e-lost"]).out;
    std::fs::remove_dir_all(loser.store()).expect("the store is lost");
    let shown = User::new().rmachine(&["prune"]).ok().out;
    assert!(shown.contains("made for machine e2e-lost of the store"), "{shown}");
    assert!(!shown.contains("e2e-kept-machine"), "{shown}");
    User::new().rmachine(&["prune", "-y"]).ok();
    assert!(containers("e2e-lost").is_empty());
    let left = docker(&["volume", "ls", "-q"]).out;
    assert!(!volumes.split_whitespace().any(|v| left.contains(v)), "volumes of the lost machine are left");
    keeper.docker("e2e-kept-machine", &["version"]).ok();
    keeper.rmachine(&["rm", "-y", "e2e-kept-machine"]).ok();
}

/// What is being made at this moment is in a store, though nothing but that says whose it is.
#[test]
fn a_create_under_way_is_not_pruned() {
    let (maker, looker) = (User::new(), User::new());
    std::thread::scope(|scope| {
        let create = scope.spawn(|| maker.rmachine(&["create", "-d", "docker", "e2e-growing-{1..2}"]));
        let mut looks = 0;
        while !create.is_finished() {
            let pruned = looker.rmachine(&["prune", "-d", "docker", "-y"]).ok().out;
            assert!(!pruned.contains("e2e-growing"), "{pruned}");
            looks += 1;
        }
        assert!(looks > 5, "it was made before anybody looked");
        create.join().expect("no panic").ok();
    });
    maker.docker("e2e-growing-2", &["version"]).ok();
    maker.rmachine(&["rm", "-y", "e2e-growing-1", "e2e-growing-2"]).ok();
    assert!(containers("e2e-growing").is_empty());
}
