//! The scripts that run on a host, made from `templates/provision`.
//!
//! A value gets into a script as one quoted word of a shell and in no other way: see [`quoted`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, context};
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::provision::plan::{Configure, EngineVersion, Install, InstallMethod};

/// Asks a host what it is; the same for all hosts.
pub(super) const FACTS: &str = include_str!("../../templates/provision/facts.sh");

const TEMPLATES: [(&str, &str); 6] = [
    ("prelude.sh", include_str!("../../templates/provision/prelude.sh")),
    ("engine.sh", include_str!("../../templates/provision/engine.sh")),
    ("apt.sh", include_str!("../../templates/provision/apt.sh")),
    ("upgrade.sh", include_str!("../../templates/provision/upgrade.sh")),
    ("install.sh", include_str!("../../templates/provision/install.sh")),
    ("configure.sh", include_str!("../../templates/provision/configure.sh")),
];

/// How long a script waits on the host, in seconds.
const LOCK: u32 = 600;
const CLOUD_INIT: u32 = 600;
const APT: u32 = 600;
/// An engine with many containers takes its time.
const ENGINE: u32 = 180;

/// Secret, like the key within.
pub(super) fn configure(work: &Configure) -> Result<SecretString, Error> {
    let files = work.files.iter().map(|file| {
        let base64 = STANDARD.encode(file.content.expose_secret());
        context! { name => file.name.as_str(), mode => file.name.mode(), base64 }
    });
    let values = context! {
        files => files.collect::<Vec<_>>(),
        certs => work.files.iter().any(|file| file.name.is_pem()),
        hostname => &work.hostname,
        restart => work.restart,
        starting => work.starting,
        reload => work.reload,
        enable => work.enable,
        digests => &work.digests,
        lock_seconds => LOCK,
        engine_seconds => ENGINE,
    };
    render("configure.sh", &values).map(SecretString::from)
}

pub(super) fn install(work: &Install) -> Result<String, Error> {
    let (method, url) = match &work.method {
        InstallMethod::Script { url } => ("script", url.as_str()),
        InstallMethod::Distro | InstallMethod::None => ("distro", ""),
    };
    let values = context! {
        method,
        url,
        version => work.version.as_ref().map(EngineVersion::as_str).unwrap_or_default(),
        lock_seconds => LOCK,
        cloud_init_seconds => CLOUD_INIT,
        apt_seconds => APT,
    };
    render("install.sh", &values)
}

/// `url` is the script that brings engines no package owns.
pub(super) fn upgrade(url: &str, version: Option<&EngineVersion>) -> Result<String, Error> {
    let values = context! {
        url,
        version => version.map(EngineVersion::as_str).unwrap_or_default(),
        lock_seconds => LOCK,
        apt_seconds => APT,
        engine_seconds => ENGINE,
    };
    render("upgrade.sh", &values)
}

fn render(template: &str, values: &Value) -> Result<String, Error> {
    let mut environment = environment();
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    environment.get_template(template)?.render(values)
}

#[cfg(test)]
pub(super) fn render_text(template: &str, values: &Value) -> Result<String, Error> {
    environment().render_str(template, values)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(quoted);
    environment
}

/// What a script says between two braces is a value, never text of the script, whatever a template does to it.
fn quoted(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let refused = |why: &str| Error::new(ErrorKind::InvalidOperation, why.to_owned());
    let text = match value.kind() {
        ValueKind::String | ValueKind::Number => value.to_string(),
        kind => return Err(refused(&format!("{kind} is nothing that fits into a word of a shell"))),
    };
    let word = shlex::try_quote(&text).map_err(|_| refused("a value holds a NUL"))?;
    out.write_str(&word).map_err(Error::from)
}
