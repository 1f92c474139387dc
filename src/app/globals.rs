//! The global flags.

use std::path::PathBuf;

use clap::Args;

use crate::environment::Environment;
use crate::model::Failure;
use crate::ui::Progress;

/// Below a command's own flags, and above --help.
const LAST: usize = 900;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Globals {
    /// Print debug output to stderr [env: MACHINE_DEBUG]
    #[arg(long, short = 'D', global = true, display_order = LAST)]
    pub(crate) debug: bool,

    /// Directory of machines and certificates [env: MACHINE_STORAGE_PATH]
    #[arg(long, short = 's', value_name = "DIR")]
    pub(crate) storage_path: Option<PathBuf>,

    /// CA certificate for new machines [env: MACHINE_TLS_CA_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca_cert: Option<PathBuf>,

    /// Private key of the CA [env: MACHINE_TLS_CA_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca_key: Option<PathBuf>,

    /// Client certificate for new machines [env: MACHINE_TLS_CLIENT_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_cert: Option<PathBuf>,

    /// Private key of the client certificate [env: MACHINE_TLS_CLIENT_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_key: Option<PathBuf>,

    /// Progress display: auto, plain, fancy, json or none
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "MODE",
        hide_possible_values = true,
        display_order = LAST
    )]
    pub(crate) progress: Progress,

    /// Ignored; accepted for docker-machine compatibility
    #[arg(long, hide = true, value_name = "TOKEN")]
    pub(crate) github_api_token: Option<String>,

    /// Ignored; accepted for docker-machine compatibility (SSH is built into rmachine)
    #[arg(long, hide = true)]
    pub(crate) native_ssh: bool,

    /// Ignored; accepted for docker-machine compatibility (rmachine sends no reports)
    #[arg(long, hide = true, value_name = "TOKEN")]
    pub(crate) bugsnag_api_token: Option<String>,
}

impl Globals {
    /// What the command line left open.
    pub(crate) fn take_environment(&mut self, env: &Environment) -> Result<(), Failure> {
        for (field, key) in [
            (&mut self.tls_ca_cert, "MACHINE_TLS_CA_CERT"),
            (&mut self.tls_ca_key, "MACHINE_TLS_CA_KEY"),
            (&mut self.tls_client_cert, "MACHINE_TLS_CLIENT_CERT"),
            (&mut self.tls_client_key, "MACHINE_TLS_CLIENT_KEY"),
        ] {
            if field.is_none() {
                *field = env.get(key).map(PathBuf::from);
            }
        }
        self.debug |= match env.get("MACHINE_DEBUG") {
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => false,
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => true,
            Some(other) => {
                return Err(Failure::new(format!(
                    "Error parsing boolean value from MACHINE_DEBUG: {other:?} is neither true nor false"
                )));
            }
        };
        Ok(())
    }
}
