use rmachine_driver::{MachineName, NoKeyring, Uuid};

use super::*;

fn described(state: &str) -> Description {
    Virtualbox::default().describe(&serde_json::from_str(state).unwrap())
}

#[test]
fn ssh_goes_through_the_nat_and_the_engine_to_the_address() {
    let machine = described(
        r#"{"IPAddress": "192.168.56.2", "MachineName": "n1", "SSHUser": "docker", "SSHPort": 40022,
            "SSHKeyPath": "/k", "SSHHostKey": "ssh-ed25519 AAAA", "VMId": "1"}"#,
    );
    assert_eq!(machine.address.as_deref(), Some("192.168.56.2"));
    assert_eq!(machine.engine_url.as_deref(), Some("tcp://192.168.56.2:2376"));
    assert_eq!(machine.host_name.as_deref(), Some("n1"), "cloud-init sets it");
    let endpoint = machine.endpoint.unwrap();
    assert_eq!(endpoint.to_string(), "docker@127.0.0.1:40022");
    assert_eq!(endpoint.host_key.as_deref(), Some("ssh-ed25519 AAAA"));
}

#[test]
fn without_a_host_only_network_both_have_ports() {
    let machine =
        described(r#"{"IPAddress": "127.0.0.1", "SSHPort": 40022, "EnginePort": 40023, "VMId": "1"}"#);
    assert_eq!(machine.engine_url.as_deref(), Some("tcp://127.0.0.1:40023"));
    assert_eq!(machine.endpoint.unwrap().port, 40022);
}

#[test]
fn docker_machines_machines_get_their_name_as_host_name() {
    let machine = described(
        r#"{"IPAddress": "192.168.99.100", "MachineName": "old", "SSHUser": "docker", "SSHPort": 1}"#,
    );
    assert_eq!(machine.host_name, None);
    assert_eq!(machine.endpoint.unwrap().host_key, None);
}

#[test]
fn machines_are_found_by_uuid_and_else_by_name() {
    let vms = answer::vms(
        "Name:            other\nUUID:            00000000-0000-0000-0000-000000000007\nState:           running (since x)\n\
         Name:            old\nUUID:            00000000-0000-0000-0000-000000000008\nState:           saved (since x)\n",
    );
    let state = |text: &str| {
        let state: DriverState = serde_json::from_str(text).unwrap();
        let name = MachineName::parse("old").unwrap();
        let dir = PathBuf::from("/nowhere");
        let view = MachineView {
            name: &name,
            uuid: Uuid::nil(),
            dir: &dir,
            state: &state,
            journal: &[],
            keyring: &NoKeyring,
        };
        state_among(&view, &vms).map_err(|e| e.kind)
    };
    assert_eq!(
        state(r#"{"VMId": "00000000-0000-0000-0000-000000000007", "Image": "x"}"#),
        Ok(State::Running)
    );
    assert_eq!(state(r#"{"MachineName": "old"}"#), Ok(State::Saved));
    assert_eq!(state(r#"{"MachineName": "gone"}"#), Err(DriverErrorKind::Missing));
    assert_eq!(state(r#"{"Image": "x"}"#), Ok(State::None), "it was never made");
}
