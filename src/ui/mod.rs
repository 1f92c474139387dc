//! All that a person or a script sees: stdout, stderr, prompts, progress, tables and formats.
//!
//! Only `main` and `commands` use this room; logic reports through the contract's `Reporter`.

mod printer;
mod progress;
mod prompt;
mod screen;
pub mod shell;
pub mod table;
pub mod template;
mod transfer;

pub use printer::Printer;
pub use progress::{Audience, Progress, reporter};
pub use prompt::{TerminalPrompter, ask_secret, confirm};
pub use screen::{Act, Screen};
pub use transfer::TransferBar;
