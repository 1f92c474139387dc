//! The scripts that run on a host, made from `templates/provision`.
//!
//! A value gets into a script as one quoted word of a shell and in no other way: see [`quoted`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, context};
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::provision::error::ProvisionError;
use crate::provision::packages::{self, Packages};
use crate::provision::plan::{Configure, Install};
use crate::provision::service::Service;
use crate::provision::version::EngineVersion;
use crate::provision::wanted::InstallMethod;

/// Those for all hosts, by their paths below `templates/provision`.
const TEMPLATES: [(&str, &str); 13] = [
    ("facts.sh", include_str!("../../templates/provision/facts.sh")),
    ("prelude.sh", include_str!("../../templates/provision/prelude.sh")),
    ("engine.sh", include_str!("../../templates/provision/engine.sh")),
    ("upgrade.sh", include_str!("../../templates/provision/upgrade.sh")),
    ("install.sh", include_str!("../../templates/provision/install.sh")),
    ("configure.sh", include_str!("../../templates/provision/configure.sh")),
    ("packages/common.sh", include_str!("../../templates/provision/packages/common.sh")),
    ("service/detect.sh", include_str!("../../templates/provision/service/detect.sh")),
    ("service/detected.sh", include_str!("../../templates/provision/service/detected.sh")),
    ("host/reboot.sh", include_str!("../../templates/provision/host/reboot.sh")),
    ("host/use-host-key.sh", include_str!("../../templates/provision/host/use-host-key.sh")),
    ("host/swarm-backup.sh", include_str!("../../templates/provision/host/swarm-backup.sh")),
    ("host/swarm-restore.sh", include_str!("../../templates/provision/host/swarm-restore.sh")),
];

/// A script that needs no facts: it finds out the service manager by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HostScript {
    Reboot,
    UseHostKey,
    SwarmBackup,
    SwarmRestore,
}

/// How long a script waits on the host, in seconds.
const LOCK: u32 = 600;
const CLOUD_INIT: u32 = 600;
const PACKAGES: u32 = 600;
/// An engine with many containers takes its time.
const ENGINE: u32 = 180;

/// Asks a host what it is; the same for all hosts.
pub(super) fn facts() -> Result<String, Error> {
    render("facts.sh", &detection())
}

pub(crate) fn host_script(script: HostScript) -> Result<String, ProvisionError> {
    let template = match script {
        HostScript::Reboot => "host/reboot.sh",
        HostScript::UseHostKey => "host/use-host-key.sh",
        HostScript::SwarmBackup => "host/swarm-backup.sh",
        HostScript::SwarmRestore => "host/swarm-restore.sh",
    };
    Ok(render(template, &detection())?)
}

/// What scripts need that run before anything is known of a host.
fn detection() -> Value {
    let service =
        |service: Service| context! { name => service.name(), start_options => service.start_options_path() };
    context! {
        services => Service::ALL.map(service),
        supported => Service::supported(),
        package_programs => packages::PROGRAMS,
    }
}

/// Secret, like the key within.
pub(super) fn configure(work: &Configure) -> Result<SecretString, Error> {
    let files = work.files.iter().map(|file| {
        let base64 = STANDARD.encode(file.content.expose_secret());
        context! { name => file.name.as_str(), mode => file.name.mode(), base64 }
    });
    let service = work.service;
    let values = context! {
        service => service.name(),
        start_options => context! { name => service.start_options_name(), path => service.start_options_path() },
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
        packages => work.packages.name(),
        service => work.service.name(),
        service_definition => work.service.definition(),
        method,
        url,
        version => work.version.as_ref().map(EngineVersion::as_str).unwrap_or_default(),
        lock_seconds => LOCK,
        cloud_init_seconds => CLOUD_INIT,
        packages_seconds => PACKAGES,
    };
    render("install.sh", &values)
}

/// `url` is the script that brings engines no package owns.
pub(super) fn upgrade(
    packages: Packages,
    service: Service,
    url: &str,
    version: Option<&EngineVersion>,
) -> Result<String, Error> {
    let values = context! {
        packages => packages.name(),
        service => service.name(),
        url,
        version => version.map(EngineVersion::as_str).unwrap_or_default(),
        lock_seconds => LOCK,
        packages_seconds => PACKAGES,
        engine_seconds => ENGINE,
    };
    render("upgrade.sh", &values)
}

fn render(template: &str, values: &Value) -> Result<String, Error> {
    let mut environment = environment();
    let packages = Packages::ALL.into_iter().flat_map(Packages::templates);
    let services = Service::ALL.into_iter().flat_map(Service::templates);
    for (name, text) in TEMPLATES.iter().chain(packages).chain(services) {
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
