//! Parse, build the context, run, turn an error into an exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rmachine::run(std::env::args_os()))
}
