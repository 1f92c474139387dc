//! rmachine: from nothing to a running Docker host, on whatever boots or answers SSH.
//!
//! The binary is a thin shell around this library; ARCHITECTURE.md says which room may use which.

pub mod commands;
pub mod engine;
pub mod lifecycle;
pub mod pki;
pub mod provision;
pub mod ssh;
pub mod store;
pub mod ui;
