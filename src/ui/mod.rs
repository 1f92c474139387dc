//! All that a person or a script sees: stdout, stderr, prompts, progress, tables and formats.
//!
//! Only `main` and `commands` use this room; logic reports through the contract's `Reporter`.

mod printer;
mod progress;
mod prompt;
mod screen;
pub(crate) mod shell;
pub(crate) mod table;
pub(crate) mod template;
mod transfer;

pub(crate) use printer::Printer;
pub(crate) use progress::{Audience, Progress, reporter};
pub use prompt::{TerminalPrompter, ask_secret, confirm};
pub(crate) use screen::{Act, Screen};
pub(crate) use transfer::TransferBar;
