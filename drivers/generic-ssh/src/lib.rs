//! The driver `generic`: a host that is there already and answers SSH.
//!
//! It makes nothing and removes nothing; it keeps the address and a copy of the key. Start, stop and kill are refused,
//! as docker-machine refuses them.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::time::Duration;

use async_trait::async_trait;
use rmachine_driver::{
    CreateRequest, Description, Draft, DraftRequest, Driver, DriverError, DriverErrorKind, DriverState,
    ENGINE_PORT, Features, HostAddr, Import, Login, MachineHandle, MachineView, OptionKind, OptionSpec,
    Restart, State,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// docker-machine's patience with one probe of the SSH port.
const PROBE: Duration = Duration::from_secs(15);
/// A given host is expected to be up; this covers one that is just booting its last services.
const BOOT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, Default)]
pub struct Generic;

fn option(name: &'static str, kind: OptionKind, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, kind, help).env(env)
}

#[async_trait]
impl Driver for Generic {
    fn name(&self) -> &str {
        "generic"
    }

    fn aliases(&self) -> Vec<Cow<'static, str>> {
        vec!["generic-ssh".into()]
    }

    fn features(&self) -> Features {
        Features {
            host: true,
            ssh_config: true,
            boot: BOOT,
            restart: Restart::OverSsh,
            login: Login::Given,
            first_host_key: None,
            is_billed: false,
            is_local: false,
        }
    }

    fn options(&self) -> Vec<OptionSpec> {
        vec![
            option(
                "generic-engine-port",
                OptionKind::Int(ENGINE_PORT as i64),
                "GENERIC_ENGINE_PORT",
                "Port of the Docker engine",
            )
            .value_name("PORT"),
            option(
                "generic-ip-address",
                OptionKind::text(""),
                "GENERIC_IP_ADDRESS",
                "IP address or name of the host, or a Host entry of ~/.ssh/config",
            )
            .value_name("HOST"),
            option("generic-ssh-user", OptionKind::text("root"), "GENERIC_SSH_USER", "SSH user")
                .value_name("USER"),
            option(
                "generic-ssh-key",
                OptionKind::text(""),
                "GENERIC_SSH_KEY",
                "SSH private key (default: the keys of the SSH agent and the default key files)",
            )
            .value_name("FILE"),
            option("generic-ssh-port", OptionKind::Int(22), "GENERIC_SSH_PORT", "SSH port")
                .value_name("PORT"),
        ]
    }

    fn draft(&self, request: &DraftRequest<'_>) -> Result<Draft, DriverError> {
        let options = request.options;
        let given = options.text("generic-ip-address");
        if given.is_empty() {
            return Err(DriverError::invalid("generic driver requires the --generic-ip-address option"));
        }
        let host = HostAddr::parse(given)
            .map_err(|e| DriverError::because(DriverErrorKind::Invalid, "--generic-ip-address", e))?;
        let mut state = DriverState::base(request.name, request.store_path);
        state.set("IPAddress", host.as_str());
        // Left empty when not given, so that ~/.ssh/config can fill them; the core puts the defaults in.
        if options.given("generic-ssh-user") {
            state.set("SSHUser", options.text("generic-ssh-user"));
        }
        if options.given("generic-ssh-port") {
            state.set("SSHPort", port("generic-ssh-port", options.int("generic-ssh-port"))?);
        }
        let key = options.text("generic-ssh-key");
        let imports = key_imports(key);
        if let Some(import) = imports.first() {
            state.set("SSHKeyPath", request.machine_dir.join(&import.name).to_string_lossy().as_ref());
        }
        state.set("EnginePort", port("generic-engine-port", options.int("generic-engine-port"))?);
        state.set("SSHKey", key);
        Ok(Draft { state, imports, ..Draft::default() })
    }

    async fn check(&self, machine: &MachineView<'_>) -> Result<(), DriverError> {
        let key = machine.state.text("SSHKey");
        if key.is_empty() || tokio::fs::metadata(key).await.is_ok_and(|m| m.is_file()) {
            return Ok(());
        }
        Err(DriverError::invalid(format!("SSH key does not exist: {key:?}"))
            .hint("give --generic-ssh-key the path of a private key file"))
    }

    async fn create(
        &self,
        machine: &mut MachineHandle<'_>,
        _request: &CreateRequest<'_>,
    ) -> Result<(), DriverError> {
        let line = if machine.state.text("SSHKey").is_empty() {
            "No SSH key specified. Assuming an existing key at the default location."
        } else {
            "Importing SSH key..."
        };
        machine.reporter.info(machine.name, line);
        Ok(())
    }

    fn describe(&self, state: &DriverState) -> Description {
        let port = u16::try_from(state.int("EnginePort")).ok().filter(|p| *p != 0).unwrap_or(ENGINE_PORT);
        Description::from_state(state, port)
    }

    async fn state(&self, machine: &MachineView<'_>) -> Result<State, DriverError> {
        let Some(endpoint) = self.describe(machine.state).endpoint else {
            return Err(DriverError::invalid("its IPAddress is neither a host name nor an IP address"));
        };
        let target = endpoint.host.with_port(endpoint.port);
        match timeout(PROBE, TcpStream::connect(&target)).await {
            Ok(Ok(_)) => Ok(State::Running),
            // A process out of file handles says nothing about the host.
            Ok(Err(e)) if e.kind() == ErrorKind::Other || e.raw_os_error() == Some(24) => {
                Err(DriverError::because(DriverErrorKind::Unreachable, format!("cannot probe {target}"), e))
            }
            Ok(Err(_)) | Err(_) => Ok(State::Stopped),
        }
    }

    async fn start(&self, _: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        Err(DriverError::unsupported("generic driver does not support start"))
    }

    async fn stop(&self, _: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        Err(DriverError::unsupported("generic driver does not support stop"))
    }

    async fn kill(&self, _: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        Err(DriverError::unsupported("generic driver does not support kill"))
    }

    async fn remove(&self, _: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        Ok(())
    }
}

/// The key and, where there is one, its public half; both under their own names, as docker-machine keeps them.
fn key_imports(key: &str) -> Vec<Import> {
    let name = std::path::Path::new(key).file_name().map(|n| n.to_string_lossy().into_owned());
    let Some(name) = name.map(beside_the_stores) else { return Vec::new() };
    vec![
        Import { from: key.into(), name: name.clone(), optional: false },
        Import { from: format!("{key}.pub").into(), name: format!("{name}.pub"), optional: true },
    ]
}

/// A key that is called like a file of the store's own would take that file's place.
fn beside_the_stores(name: String) -> String {
    const TAKEN: [&str; 8] = [
        "config.json",
        "config.json.bak",
        "rmachine.json",
        "ca.pem",
        "cert.pem",
        "key.pem",
        "server.pem",
        "server-key.pem",
    ];
    if TAKEN.contains(&name.as_str()) { format!("ssh-{name}") } else { name }
}

fn port(option: &str, value: i64) -> Result<u16, DriverError> {
    u16::try_from(value).ok().filter(|p| *p != 0).ok_or_else(|| {
        DriverError::invalid(format!("--{option} must be a port between 1 and 65535, not {value}"))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rmachine_driver::{MachineName, Options, Source, Value};

    use super::*;

    fn draft(set: &[(&str, Value)]) -> Result<Draft, DriverError> {
        let mut options = Options::defaults(&Generic.options());
        for (name, value) in set {
            options.set(name, value.clone(), Source::Given);
        }
        Generic.draft(&DraftRequest {
            name: &MachineName::parse("g1").unwrap(),
            options: &options,
            store_path: Path::new("/S"),
            machine_dir: Path::new("/S/machines/g1"),
            member: false,
        })
    }

    fn text(t: &str) -> Value {
        Value::Text(t.into())
    }

    #[test]
    fn drafts_docker_machines_keys_in_order() {
        let draft = draft(&[
            ("generic-ip-address", text("10.0.0.5")),
            ("generic-ssh-user", text("debian")),
            ("generic-ssh-key", text("/home/me/.ssh/id_x")),
            ("generic-ssh-port", Value::Int(2222)),
        ])
        .unwrap();
        assert_eq!(
            serde_json::to_string(&draft.state).unwrap(),
            concat!(
                r#"{"IPAddress":"10.0.0.5","MachineName":"g1","SSHUser":"debian","SSHPort":2222,"#,
                r#""SSHKeyPath":"/S/machines/g1/id_x","StorePath":"/S","SwarmMaster":false,"SwarmHost":"","#,
                r#""SwarmDiscovery":"","EnginePort":2376,"SSHKey":"/home/me/.ssh/id_x"}"#
            )
        );
        let names: Vec<_> = draft.imports.iter().map(|i| (i.name.as_str(), i.optional)).collect();
        assert_eq!(names, [("id_x", false), ("id_x.pub", true)]);
    }

    #[test]
    fn a_key_does_not_take_the_place_of_a_certificate() {
        let draft =
            draft(&[("generic-ip-address", text("h")), ("generic-ssh-key", text("/k/key.pem"))]).unwrap();
        assert_eq!(draft.state.text("SSHKeyPath"), "/S/machines/g1/ssh-key.pem");
        assert_eq!(draft.imports[0].name, "ssh-key.pem");
    }

    #[test]
    fn what_was_not_given_is_left_to_ssh_config() {
        let draft = draft(&[("generic-ip-address", text("bastion"))]).unwrap();
        assert_eq!((draft.state.text("SSHUser"), draft.state.int("SSHPort")), ("", 0));
        assert!(draft.imports.is_empty());
    }

    #[test]
    fn refuses_what_cannot_work() {
        let no_address = draft(&[]).unwrap_err().to_string();
        assert_eq!(no_address, "generic driver requires the --generic-ip-address option");
        assert!(draft(&[("generic-ip-address", text("-oProxyCommand=x"))]).is_err());
        let bad_port = draft(&[("generic-ip-address", text("h")), ("generic-ssh-port", Value::Int(70000))]);
        assert_eq!(
            bad_port.unwrap_err().to_string(),
            "--generic-ssh-port must be a port between 1 and 65535, not 70000"
        );
    }

    #[test]
    fn describes_the_engine_port() {
        let draft =
            draft(&[("generic-ip-address", text("2001:db8::5")), ("generic-engine-port", Value::Int(4243))]);
        let description = Generic.describe(&draft.unwrap().state);
        assert_eq!(description.engine_url.as_deref(), Some("tcp://[2001:db8::5]:4243"));
        assert_eq!(description.address.as_deref(), Some("2001:db8::5"));
    }

    #[tokio::test]
    async fn state_is_whether_the_ssh_port_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = i64::from(listener.local_addr().unwrap().port());
        let state = |port| {
            draft(&[("generic-ip-address", text("127.0.0.1")), ("generic-ssh-port", Value::Int(port))])
                .unwrap()
                .state
        };
        let name = MachineName::parse("g1").unwrap();
        let up = state(port);
        let view = MachineView {
            name: &name,
            uuid: rmachine_driver::Uuid::nil(),
            dir: Path::new("/S/machines/g1"),
            state: &up,
            journal: &[],
            keyring: &rmachine_driver::NoKeyring,
        };
        assert_eq!(Generic.state(&view).await.unwrap(), State::Running);
        drop(listener);
        assert_eq!(Generic.state(&view).await.unwrap(), State::Stopped);
    }
}
