//! The subcommands. `root` lists them; each topic folder has one file a verb; `shared` holds what several verbs need.

pub(crate) mod access;
pub(crate) mod cluster;
pub(crate) mod engine;
pub(crate) mod machine;
pub(crate) mod observe;
pub(crate) mod program;
pub mod root;
pub(crate) mod shared;
pub(crate) mod stack;
pub(crate) mod swarm;
