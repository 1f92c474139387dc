//! Whether a machine's own address can be reached from here, or only ports that its engine publishes.

use rmachine_driver::{DriverError, DriverState, ENGINE_PORT};

use crate::engine::{Engine, Info};
use crate::network::Place;
use crate::options::Wanted;

/// Engines whose containers are out of reach though their kernel is the one that is seen here: distributions of WSL
/// share one.
const BEHIND: [&str; 3] = ["Docker Desktop", "OrbStack", "Rancher Desktop"];

/// Where its ports are to be published, when its own address cannot be reached from here.
pub(crate) async fn publish_at(engine: &mut Engine, wanted: &Wanted) -> Result<Option<String>, DriverError> {
    if engine.host.remote().is_some() {
        // Not a loopback address there: nobody would reach it.
        return Ok(Some(String::new()));
    }
    let info = engine.info().await?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let elsewhere = is_elsewhere(&info, kernel.as_deref().map(str::trim));
    Ok((wanted.publish || elsewhere).then(|| "127.0.0.1".to_owned()))
}

/// Engines in a virtual machine of their own: all that there are where no Linux runs; on Linux those that say so, and
/// those that run on another kernel than this one, like Colima's and other engines behind a forwarded socket.
fn is_elsewhere(info: &Info, kernel: Option<&str>) -> bool {
    let Some(kernel) = kernel else { return true };
    let other_kernel = !info.kernel.is_empty() && info.kernel != kernel;
    other_kernel || BEHIND.iter().any(|name| info.operating_system.starts_with(name))
}

/// Where it will answer once it runs, where that is known before.
pub(crate) fn will_answer(state: &DriverState, place: &Place, remote: Option<&str>) -> Option<DriverState> {
    let mut state = state.clone();
    match (&place.ports, place.address) {
        (Some(ports), _) => answers(&mut state, remote.unwrap_or("127.0.0.1"), ports.ssh, ports.engine),
        (None, Some(address)) => answers(&mut state, &address.to_string(), 22, ENGINE_PORT),
        (None, None) => return None,
    }
    Some(state)
}

pub(crate) fn answers(state: &mut DriverState, address: &str, ssh: u16, engine: u16) {
    state.set("IPAddress", address);
    state.set("SSHUser", "root");
    state.set("SSHPort", ssh);
    state.set("EnginePort", engine);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(operating_system: &str, kernel: &str) -> Info {
        Info { operating_system: operating_system.into(), kernel: kernel.into(), ..Info::default() }
    }

    #[test]
    fn engines_in_a_machine_of_their_own() {
        let debian = "6.12.38+deb13-amd64";
        let wsl = "6.6.87.2-microsoft-standard-WSL2";
        for (here, engine, elsewhere) in [
            (Some(debian), info("Debian GNU/Linux 13 (trixie)", debian), false),
            (Some(debian), info("Debian GNU/Linux 13 (trixie)", ""), false),
            (Some(debian), info("Docker Desktop", "6.10.14-linuxkit"), true),
            (Some(debian), info("Ubuntu 24.04.2 LTS", "6.8.0-64-generic"), true),
            (Some(wsl), info("Ubuntu 24.04.2 LTS", wsl), false),
            (Some(wsl), info("Docker Desktop", wsl), true),
            (Some(wsl), info("Rancher Desktop WSL Distribution", wsl), true),
            (None, info("OrbStack", "6.14.10-orbstack"), true),
            (None, info("Alpine Linux v3.21", "6.6.71-0-virt"), true),
        ] {
            assert_eq!(is_elsewhere(&engine, here), elsewhere, "{engine:?} seen from {here:?}");
        }
    }
}
