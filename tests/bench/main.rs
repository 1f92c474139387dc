//! Measures what is promised of speed, memory and size, and prints it as a table for docs/performance.md.
//!
//! Started by tests/bench/run, which brings the release binary and a host. Everything is measured in one invocation,
//! so that what is compared was measured on the same machine in the same minutes. Nothing is asserted about time but
//! by the exit code at the end.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own, which may print, run others and give up"
)]

mod containers;
mod create;
mod host;
mod local;
mod proxy;
mod report;
mod sample;
mod store;
mod swarm;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use host::Host;
use report::Report;

#[derive(Debug, Parser)]
struct Args {
    /// The binary that is measured
    #[arg(long)]
    rmachine: PathBuf,
    /// A lab host with an engine, by its container's name
    #[arg(long)]
    host: String,
    /// Where it answers
    #[arg(long)]
    address: String,
    /// The key that `debian` logs in with there
    #[arg(long)]
    key: PathBuf,
    /// Its distribution, for the table
    #[arg(long)]
    suite: String,
    /// How often a machine is created in each way
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let host = Host { name: args.host.clone(), address: args.address.clone(), key: args.key.clone() };
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut report = Report::default();
    let lanes = create::Lanes::open(&host);
    let template = create::measure(&mut report, &args, &host, &lanes, scratch.path());
    containers::measure(&mut report, &args.rmachine, scratch.path());
    swarm::measure(&mut report, &args.rmachine, scratch.path());
    local::measure(&mut report, &args.rmachine, &template, scratch.path());
    print!("{}", report.table(&args.suite));
    if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
