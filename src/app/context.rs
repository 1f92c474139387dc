//! What a command may use: the environment, the store, the drivers, the printer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rmachine_driver::Reporter;

use crate::app::{Globals, print_failure};
use crate::certs::Certs;
use crate::environment::Environment;
use crate::machines::Machines;
use crate::model::Failure;
use crate::registry::Registry;
use crate::ssh::SshEnv;
use crate::store::Store;
use crate::swarm::Swarm;
use crate::ui::{Audience, Printer, Progress, TerminalPrompter, reporter};

pub(crate) struct Context {
    /// The name we were called by: `rmachine` or `docker-machine`.
    pub(crate) program: String,
    /// The words we were called with, for `env`'s hint.
    pub(crate) argv: Vec<String>,
    pub(crate) env: Environment,
    pub(crate) globals: Globals,
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) printer: Printer,
    interrupted: Mutex<Option<String>>,
}

impl Context {
    pub(crate) fn new(
        program: String,
        argv: Vec<String>,
        env: Environment,
        globals: Globals,
        registry: Registry,
    ) -> Self {
        let store = Store::at(store_root(&env, globals.storage_path.clone()));
        Self { program, argv, env, globals, store, registry, printer: Printer, interrupted: Mutex::new(None) }
    }

    pub(crate) fn ssh_env(&self) -> SshEnv {
        SshEnv {
            home: self.env.get("HOME").map(PathBuf::from).or_else(dirs::home_dir),
            agent_socket: self.env.get("SSH_AUTH_SOCK").map(PathBuf::from),
            local_user: self.user().map(str::to_owned),
        }
    }

    /// Whose certificates these are.
    pub(crate) fn user(&self) -> Option<&str> {
        self.env.get("USER").or_else(|| self.env.get("USERNAME"))
    }

    pub(crate) fn reporter(&self, several: bool) -> Arc<dyn Reporter> {
        let dumb = self.env.get("TERM").is_none_or(|t| t == "dumb");
        let audience = Audience { poor_terminal: dumb || self.env.get("CI").is_some(), several };
        reporter(self.globals.progress, self.printer, audience)
    }

    pub(crate) fn machines(&self) -> Machines {
        self.machines_for(1)
    }

    /// For work on this many machines at once: with several, each plain progress line names its machine.
    pub(crate) fn machines_for(&self, count: usize) -> Machines {
        Machines {
            store: self.store.clone(),
            registry: self.registry.clone(),
            ssh_env: self.ssh_env(),
            prompter: Arc::new(TerminalPrompter),
            reporter: self.reporter(count > 1),
            certs: Certs::new(self.store.clone(), self.user().unwrap_or("unknown").to_owned()),
            computer: computer(),
            program: self.program.clone(),
        }
    }

    pub(crate) fn swarm(&self) -> Swarm {
        self.swarm_for(1)
    }

    pub(crate) fn swarm_for(&self, count: usize) -> Swarm {
        Swarm { machines: self.machines_for(count) }
    }

    /// Prints a failure that does not end the command.
    pub(crate) fn print_failure(&self, failure: &Failure) {
        print_failure(failure, self.printer, &self.program, self.globals.debug);
    }

    /// Whether live lines may be drawn.
    pub(crate) fn draws(&self) -> bool {
        let poor = self.env.get("TERM").is_none_or(|t| t == "dumb") || self.env.get("CI").is_some();
        let terminal = self.printer.stdout_is_terminal() && self.printer.stderr_is_terminal();
        match self.globals.progress {
            Progress::Fancy => true,
            Progress::Auto => terminal && !poor,
            Progress::Plain | Progress::Json | Progress::None => false,
        }
    }

    /// A program on the PATH.
    pub(crate) fn find_program(&self, name: &str) -> Option<PathBuf> {
        let dirs = std::env::split_paths(self.env.get("PATH")?).collect::<Vec<_>>();
        dirs.into_iter().map(|dir| dir.join(name)).find(|path| path.is_file())
    }

    /// Our own file, for programs that call us back.
    pub(crate) fn own_program(&self) -> Result<PathBuf, Failure> {
        std::env::current_exe().map_err(|e| Failure::new(format!("cannot find my own program: {e}")))
    }

    /// A line that goes to whoever follows the progress: not to a program that reads JSON, nor to one that wants silence.
    pub(crate) fn last_word(&self, text: &str) {
        if !matches!(self.globals.progress, Progress::Json | Progress::None) {
            self.printer.line(text);
        }
    }

    /// What to tell when Ctrl-C ends the command from here on.
    pub(crate) fn when_interrupted(&self, text: impl Into<String>) {
        *self.interrupted.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.into());
    }

    pub(crate) fn interruption(&self) -> Option<String> {
        self.interrupted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `-s`, else `MACHINE_STORAGE_PATH`, else docker-machine's folder in the home directory.
pub(crate) fn store_root(env: &Environment, given: Option<PathBuf>) -> PathBuf {
    let chosen = given.or_else(|| env.get("MACHINE_STORAGE_PATH").map(PathBuf::from));
    let home = || env.get("HOME").map(PathBuf::from).or_else(dirs::home_dir).unwrap_or_default();
    chosen.unwrap_or_else(|| home().join(".docker").join("machine"))
}

/// Empty where the system does not tell: then nothing counts as made here.
fn computer() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}
