//! Commands that reach a machine: its address, its environment, a shell, files.

pub(crate) mod active;
pub(crate) mod config;
pub(crate) mod env;
pub(crate) mod ip;
pub(crate) mod mount;
pub(crate) mod run;
pub(crate) mod scp;
pub(crate) mod ssh;
pub(crate) mod url;
