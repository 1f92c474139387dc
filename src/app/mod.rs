//! What every command gets: the context, the global flags, and the way its error is printed.

mod context;
mod error_output;
mod globals;
pub(crate) mod user_files;

pub(crate) use context::{Context, store_root};
pub(crate) use error_output::print_failure;
pub(crate) use globals::Globals;
