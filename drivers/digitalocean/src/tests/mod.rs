//! The driver against a server built from the provider's description, in process and on a clock of its own.

mod accounts;
mod faults;
mod life;
mod polite;
mod rig;
