//! The driver `none`: an engine that somebody else looks after, known by its URL.

use std::time::Duration;

use async_trait::async_trait;
use rmachine_driver::{
    CreateRequest, Description, Draft, DraftRequest, Driver, DriverError, DriverState, Features, Login,
    MachineHandle, MachineView, OptionKind, OptionSpec, Restart, State,
};

#[derive(Debug, Clone, Copy, Default)]
pub struct NoDriver;

#[async_trait]
impl Driver for NoDriver {
    fn name(&self) -> &str {
        "none"
    }

    fn features(&self) -> Features {
        Features {
            host: false,
            ssh_config: false,
            boot: Duration::ZERO,
            restart: Restart::Refused("hosts without a driver cannot be restarted".into()),
            login: Login::Given,
            first_host_key: None,
            is_billed: false,
            is_local: false,
        }
    }

    fn options(&self) -> Vec<OptionSpec> {
        let help = "URL of the Docker engine, for example tcp://192.0.2.6:2376";
        vec![OptionSpec::new("url", OptionKind::text(""), help).value_name("URL")]
    }

    fn draft(&self, request: &DraftRequest<'_>) -> Result<Draft, DriverError> {
        let url = request.options.text("url");
        if url.is_empty() {
            return Err(DriverError::invalid("--url option is required when no driver is selected"));
        }
        let mut state = DriverState::base(request.name, request.store_path);
        state.set("IPAddress", host_part(url));
        state.set("URL", url);
        Ok(Draft { state, ..Draft::default() })
    }

    async fn check(&self, _: &MachineView<'_>) -> Result<(), DriverError> {
        Ok(())
    }

    async fn create(&self, _: &mut MachineHandle<'_>, _: &CreateRequest<'_>) -> Result<(), DriverError> {
        Ok(())
    }

    fn describe(&self, state: &DriverState) -> Description {
        let text = |key| Some(state.text(key).to_owned()).filter(|t| !t.is_empty());
        Description { address: text("IPAddress"), engine_url: text("URL"), endpoint: None, host_name: None }
    }

    async fn state(&self, _: &MachineView<'_>) -> Result<State, DriverError> {
        Ok(State::Running)
    }

    async fn start(&self, _: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        Err(DriverError::unsupported("hosts without a driver cannot be started"))
    }

    async fn stop(&self, _: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        Err(DriverError::unsupported("hosts without a driver cannot be stopped"))
    }

    async fn kill(&self, _: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        Err(DriverError::unsupported("hosts without a driver cannot be killed"))
    }

    async fn remove(&self, _: &mut MachineHandle<'_>) -> Result<(), DriverError> {
        Ok(())
    }
}

/// `host[:port]` of a URL; docker-machine keeps it as the address.
fn host_part(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // Go reads a bare word as a path: it has no host.
    if rest.len() == url.len() { "" } else { rest.split('/').next().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rmachine_driver::{MachineName, Options, Source, Value};

    use super::*;

    fn draft(url: &str) -> Result<Draft, DriverError> {
        let mut options = Options::defaults(&NoDriver.options());
        options.set("url", Value::Text(url.into()), Source::Given);
        NoDriver.draft(&DraftRequest {
            name: &MachineName::parse("x").unwrap(),
            options: &options,
            store_path: Path::new("/S"),
            machine_dir: Path::new("/S/machines/x"),
            member: false,
        })
    }

    #[test]
    fn drafts_docker_machines_keys_in_order() {
        assert_eq!(
            serde_json::to_string(&draft("tcp://127.0.0.1:2376").unwrap().state).unwrap(),
            concat!(
                r#"{"IPAddress":"127.0.0.1:2376","MachineName":"x","SSHUser":"","SSHPort":0,"SSHKeyPath":"","#,
                r#""StorePath":"/S","SwarmMaster":false,"SwarmHost":"","SwarmDiscovery":"","#,
                r#""URL":"tcp://127.0.0.1:2376"}"#
            )
        );
    }

    #[test]
    fn needs_a_url() {
        assert_eq!(draft("").unwrap_err().to_string(), "--url option is required when no driver is selected");
        // GitLab's cache warm-up: any word will do.
        assert_eq!(NoDriver.describe(&draft("localhost").unwrap().state).engine_url.unwrap(), "localhost");
    }

    #[test]
    fn describes_the_url() {
        let description = NoDriver.describe(&draft("tcp://h:1/p").unwrap().state);
        assert_eq!(description.address.as_deref(), Some("h:1"));
        assert_eq!(description.engine_url.as_deref(), Some("tcp://h:1/p"));
    }
}
