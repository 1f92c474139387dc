//! Whether there is room for the state of a node: an engine whose disk is full joins half, or takes others down with it.

use crate::model::Role;

/// For its certificates and what it is given to do.
const WORKER: u64 = 16;
/// Its log of what the swarm decides is 64 MB long from the first day on, and is copied while it is shortened.
const MANAGER: u64 = 80;

/// What is free in the folder of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) folder: String,
    pub(crate) megabytes: u64,
    /// Nothing from file systems that do not count them.
    pub(crate) inodes: Option<u64>,
}

/// Of a node that is to join as this; a manager that is there has its log already, and needs what a worker does. What is
/// not known is no complaint.
pub(crate) fn complaint(name: &str, role: Role, room: Option<&Room>) -> Option<String> {
    let room = room?;
    let (folder, free) = (&room.folder, room.megabytes);
    let wants = match role {
        Role::Worker => WORKER,
        Role::Manager => MANAGER,
    };
    if free < wants {
        return Some(format!("{name} has {free} MB left in {folder}, and it takes {wants}"));
    }
    room.inodes
        .filter(|i| *i < 100)
        .map(|inodes| format!("{name} has {inodes} files left to make in {folder}, and it takes 100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_it_takes() {
        let said = |role, megabytes, inodes| {
            complaint("m", role, Some(&Room { folder: "/var/lib/docker".into(), megabytes, inodes }))
        };
        assert_eq!(said(Role::Worker, 16, None), None);
        let full = "m has 15 MB left in /var/lib/docker, and it takes 16";
        assert_eq!(said(Role::Worker, 15, None).as_deref(), Some(full));
        assert!(said(Role::Manager, 79, Some(1000)).unwrap().ends_with("it takes 80"));
        assert_eq!(said(Role::Manager, 80, Some(100)), None);
        assert!(said(Role::Worker, 999, Some(99)).unwrap().starts_with("m has 99 files left"));
        assert_eq!(complaint("m", Role::Worker, None), None);
    }
}
