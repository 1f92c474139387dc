//! The staircase of ARCHITECTURE.md: a fenced block that says which rooms stand above which.
//!
//! ```text
//! main -> lib -> commands     each room may use those of the steps below its own
//!   -> store, ssh -> model
//! ui: lib, commands           a side room: only these may use it, and it may use what stands below all of them
//! ```

use std::collections::{BTreeMap, BTreeSet};

/// How far down a room stands: its step, and for side rooms how far they stand below that step.
type Depth = (usize, usize);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Staircase {
    depths: BTreeMap<String, Depth>,
    /// Who may use a side room.
    users: BTreeMap<String, BTreeSet<String>>,
}

/// Why one room must not use another.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Up,
    Sideways,
    /// A side room that is for others.
    Reserved,
    /// The staircase does not name this room.
    Unknown(String),
}

impl Staircase {
    /// Reads the block of this document.
    pub(super) fn parse(document: &str) -> Result<Self, String> {
        let block = block(document).ok_or("there is no block ```staircase")?;
        let (side, steps): (Vec<&str>, Vec<&str>) = block.lines().partition(|line| line.contains(':'));
        let mut staircase = Self { depths: BTreeMap::new(), users: BTreeMap::new() };
        for (step, rooms) in steps.join(" ").split("->").enumerate() {
            for room in names(rooms) {
                staircase.place(&room, (step, 0))?;
            }
        }
        for line in side {
            let (rooms, users) = line.split_once(':').unwrap_or_default();
            for room in names(rooms) {
                staircase.users.insert(room, names(users).collect());
            }
        }
        staircase.place_side_rooms()?;
        Ok(staircase)
    }

    fn place(&mut self, room: &str, depth: Depth) -> Result<(), String> {
        match self.depths.insert(room.to_owned(), depth) {
            Some(_) => Err(format!("{room} is on the staircase twice")),
            None => Ok(()),
        }
    }

    /// A side room stands below the lowest of its users, which may be side rooms themselves.
    fn place_side_rooms(&mut self) -> Result<(), String> {
        let mut waiting = self.users.clone();
        while !waiting.is_empty() {
            let before = waiting.len();
            for (room, users) in waiting.clone() {
                let depths: Option<Vec<Depth>> =
                    users.iter().map(|user| self.depths.get(user).copied()).collect();
                if let Some((step, side)) = depths.and_then(|depths| depths.into_iter().max()) {
                    self.place(&room, (step, side + 1))?;
                    waiting.remove(&room);
                }
            }
            if waiting.len() == before {
                let rooms = waiting.into_keys().collect::<Vec<_>>().join(", ");
                return Err(format!("side rooms whose users are unknown or use each other: {rooms}"));
            }
        }
        Ok(())
    }

    pub(super) fn judge(&self, from: &str, to: &str) -> Result<(), Fault> {
        let depth = |room: &str| self.depths.get(room).ok_or_else(|| Fault::Unknown(room.to_owned()));
        let (upper, lower) = (depth(from)?, depth(to)?);
        let users = self.users.get(to);
        match lower.cmp(upper) {
            std::cmp::Ordering::Less => Err(Fault::Up),
            _ if users.is_some_and(|users| !users.contains(from)) => Err(Fault::Reserved),
            std::cmp::Ordering::Equal => Err(Fault::Sideways),
            std::cmp::Ordering::Greater => Ok(()),
        }
    }

    /// The rooms of src/, without those of other crates.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &str> {
        self.depths
            .keys()
            .map(String::as_str)
            .filter(|room| !room.contains('/') && *room != super::source::DRIVERS)
    }
}

fn block(document: &str) -> Option<&str> {
    let (_, after) = document.split_once("```staircase\n")?;
    after.split_once("```").map(|(block, _)| block)
}

fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}
