#![expect(clippy::disallowed_methods, reason = "tests create files by hand, and run themselves as processes")]

mod folder;
mod lock;
mod poll;

use rmachine_driver::DriverError;

use super::*;

const SOON: Duration = Duration::from_millis(40);

/// The message and the hints, as a person reads them.
fn text(error: &DriverError) -> String {
    std::iter::once(&error.message).chain(&error.hints).cloned().collect::<Vec<_>>().join("\n")
}
