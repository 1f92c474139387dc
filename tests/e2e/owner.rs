//! Somebody whose machines are containers of the engine on this computer, on a network of a test's own.

use std::process::Command;

use crate::e2e::lab::{Done, User, done};

/// Whatever a failed test leaves goes with it.
pub struct Owner {
    pub user: User,
    pub network: String,
}

impl Owner {
    pub fn new(network: &str) -> Self {
        let owner = Self { user: User::new(), network: network.to_owned() };
        // What a run that was killed left would be in the way.
        docker(&["network", "rm", &owner.network]);
        owner
    }

    /// All that the engine holds of this user.
    pub fn left(&self) -> String {
        let label = self.label();
        let listed = |what: &[&str]| docker(&[what, &["-q", "--filter", &label]].concat()).out;
        listed(&["ps", "-a"]) + &listed(&["volume", "ls"]) + &listed(&["network", "ls"])
    }

    /// What everything bears that was made for this user.
    pub fn label(&self) -> String {
        format!("label=rmachine.store={}", self.user.store().display())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        for id in docker(&["ps", "-aq", "--filter", &self.label()]).out.lines() {
            docker(&["rm", "-fv", id]);
        }
        docker(&["network", "rm", &self.network]);
    }
}

/// The outer engine's CLI.
pub fn docker(args: &[&str]) -> Done {
    done(Command::new("docker").args(args).output().expect("docker runs"))
}
