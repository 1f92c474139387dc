//! rmachine: from nothing to a running Docker host, on whatever boots or answers SSH.
//!
//! The binary is a thin shell around this library; ARCHITECTURE.md says which room may use which.

mod app;
mod archive;
pub mod certs;
mod cli;
pub mod cluster;
pub mod commands;
mod engine;
pub mod environment;
pub mod machines;
pub mod model;
mod observe;
pub mod pki;
mod provision;
pub mod registry;
pub mod ssh;
pub mod stacks;
pub mod store;
pub mod swarm;
mod transfer;
pub mod ui;

use std::ffi::OsString;
use std::path::Path;

use crate::app::{Context, Globals, print_failure};
use crate::commands::machine::create;
use crate::commands::program::completion;
use crate::commands::root::{self, Command, Root};
use crate::environment::Environment;
use crate::model::{Exit, Failure};
use crate::registry::{LOCAL_SEARCH, Registry, SEARCH};
use crate::ui::Printer;

/// Runs the program with these words and answers with its exit code.
pub fn run(argv: impl Iterator<Item = OsString>) -> u8 {
    let argv: Vec<OsString> = argv.collect();
    // Flags and names are text; only paths, which clap reads from the words themselves, may be anything.
    let words: Vec<String> = argv.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    let program = program_name(words.first().map_or("rmachine", String::as_str));
    let env = Environment::capture();
    let printer = Printer;
    let mut debug = false;
    let done = start(&program, &argv, &words, env, &mut debug).and_then(|()| match printer.lost() {
        Some(reason) => Err(Failure::new(format!("write /dev/stdout: {reason}"))),
        None => Ok(()),
    });
    match done {
        Ok(()) => 0,
        Err(error) => {
            print_failure(&error, printer, &program, debug);
            error.exit.code()
        }
    }
}

fn start(
    program: &str,
    argv: &[OsString],
    words: &[String],
    env: Environment,
    debug: &mut bool,
) -> Result<(), Failure> {
    let mut registry = Registry::new(&env);
    let opened = open_driver(words.get(1..).unwrap_or_default(), &env, &registry);
    if words.get(1).is_some_and(|word| word == completion::CALL) {
        // Before anybody is asked for anything.
        let call = words.get(2..).unwrap_or_default();
        if completion::wants_default_flags(call, &env) {
            runtime(tokio::runtime::Builder::new_current_thread())?
                .block_on(registry.find_default(LOCAL_SEARCH));
        }
        completion::answer(call, &env, &registry);
        return Ok(());
    }
    opened?;
    if create::leaves_driver_open(words.get(1..).unwrap_or_default(), &env) {
        // Before the words are understood: the driver decides which of them are flags.
        runtime(tokio::runtime::Builder::new_current_thread())?.block_on(registry.find_default(SEARCH));
    }
    let (root, matches) = match root::parse(program, argv, words, &env, &registry) {
        Ok(parsed) => parsed,
        Err(e) => return root::refused(program, words, &e, &env, &registry),
    };
    if root.version {
        Printer.line(&commands::program::version::own(program));
        return Ok(());
    }
    let Root { mut globals, command, .. } = root;
    globals.take_environment(&env)?;
    *debug = globals.debug;
    log_to_stderr(&globals);
    let Some(command) = command else {
        Printer.raw(&root::command(program, words, &env, &registry).render_help().to_string());
        return Ok(());
    };
    // Hundreds of machines are asked at once, each over a connection or two. Where that is refused, fewer answer.
    let _ = rlimit::increase_nofile_limit(16_384);
    let ctx = Context::new(program.to_owned(), words.to_vec(), env, globals, registry);
    let runtime = runtime(tokio::runtime::Builder::new_multi_thread())?;
    let done = runtime.block_on(until_interrupted(&ctx, command, &matches));
    // A read of the terminal that is still under way must not keep the program.
    runtime.shutdown_background();
    done
}

/// Has the driver that these words name load its options, which decide how the words are parsed.
fn open_driver(words: &[String], env: &Environment, registry: &Registry) -> Result<(), Failure> {
    let Some(name) = create::driver_with_flags(words, env) else { return Ok(()) };
    let opened = runtime(tokio::runtime::Builder::new_current_thread())?.block_on(registry.open(&name));
    opened.map(drop).map_err(Failure::from)
}

fn runtime(mut builder: tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Failure> {
    builder.enable_all().build().map_err(|e| Failure::because("cannot start", e))
}

/// Ctrl-C and SIGTERM drop the work where it is: what was reached is on disk, locks are the kernel's.
async fn until_interrupted(
    ctx: &Context,
    command: Command,
    matches: &clap::ArgMatches,
) -> Result<(), Failure> {
    tokio::select! {
        // First, so that signals are caught before the work begins, which may not pause for a while.
        biased;
        () = interrupted() => {
            let message = ctx.interruption().unwrap_or_else(|| "Interrupted.".to_owned());
            Err(Failure::with_exit(Exit::Interrupted, message))
        }
        done = root::run(ctx, command, matches) => done,
    }
}

#[cfg(unix)]
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// `docker-machine` when called by that name, through a link; else our own.
fn program_name(argv0: &str) -> String {
    let base = Path::new(argv0).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if base == "docker-machine" { base } else { "rmachine".to_owned() }
}

fn log_to_stderr(globals: &Globals) {
    if globals.debug {
        let logs = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).without_time();
        // A second start in one process (tests) keeps the first subscriber.
        let _ = logs.with_max_level(tracing::Level::DEBUG).try_init();
    }
}
