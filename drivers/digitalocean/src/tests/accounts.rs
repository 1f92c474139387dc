//! Whose token opens what.

use std::path::Path;
use std::sync::Arc;

use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{Accounts, BatchStates, DraftRequest, Driver, DriverErrorKind, Keyring, MachineName};

use super::rig::{InProcess, Rig, Ring, TOKEN, given, settings};
use crate::DigitalOcean;

fn with(rig: &Rig, token: &str) -> Rig {
    let driver = DigitalOcean::over(Arc::new(InProcess(rig.cloud.clone())), settings(token));
    Rig { cloud: rig.cloud.clone(), driver: Arc::new(driver) }
}

#[tokio::test(start_paused = true)]
async fn a_token_by_flag_is_kept_once_for_its_account() {
    let rig = with(&Rig::new(), "");
    let mut machine = rig.machine(&[]);
    let error = machine.create(&rig).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Invalid, "{error}");
    machine.ring = Ring::given(TOKEN);
    machine.create(&rig).await.unwrap();
    assert_eq!(machine.ring.accounts().unwrap(), ["team-1"]);
    assert_eq!(machine.ring.kept("team-1").unwrap().unwrap().expose_secret(), TOKEN);
    assert!(!serde_json::to_string(&machine.state).unwrap().contains(TOKEN));
    machine.ring.given = None;
    machine.remove(&with(&rig, "")).await.unwrap();
    assert!(rig.cloud.holds().is_empty());
}

#[test]
fn only_a_flag_has_it_kept() {
    let driver = DigitalOcean::new(settings(TOKEN));
    let mut options = given(&driver, &[("access-token", TOKEN)]);
    let name = MachineName::parse("web1").unwrap();
    let secret = |options: &rmachine_driver::Options| {
        let request = DraftRequest {
            name: &name,
            options,
            store_path: Path::new("/S"),
            machine_dir: Path::new("/S/m"),
            member: false,
        };
        let draft = driver.draft(&request).unwrap();
        assert!(!serde_json::to_string(&draft.state).unwrap().contains(TOKEN));
        draft.secret.is_some()
    };
    assert!(secret(&options));
    let value = rmachine_driver::Value::Secret(TOKEN.into());
    options.set("digitalocean-access-token", value, rmachine_driver::Source::Environment);
    assert!(!secret(&options));
}

/// A droplet that is out of sight is not gone.
#[tokio::test(start_paused = true)]
async fn another_accounts_token_removes_nothing() {
    let rig = Rig::new();
    rig.cloud.add_token("other", "team-2");
    let mut machine = rig.machine(&[]);
    machine.create(&rig).await.unwrap();
    let held = rig.cloud.holds();
    let elsewhere = with(&rig, "other");
    let error = machine.remove(&elsewhere).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Denied, "{error}");
    assert_ne!(error.leftovers, rmachine_driver::Leftovers::None);
    assert_eq!(rig.cloud.holds(), held);
    let error = elsewhere.driver.state(&machine.view()).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Denied, "{error}");
    let one = machine.view();
    let errors = elsewhere.driver.states(&[one, one, one]).await;
    assert!(errors.iter().all(|e| e.as_ref().unwrap_err().kind == DriverErrorKind::Denied), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn docker_machines_own_token_still_opens() {
    let rig = with(&Rig::new(), "");
    let ids = rig.cloud.populate(2, &[]);
    let key = rig.cloud.add_key("old-0", "ssh-rsa AAAA old");
    let mut machine = rig.machine(&[]);
    machine.state.set("AccessToken", TOKEN);
    machine.state.set("DropletID", ids[0]);
    machine.state.set("SSHKeyID", key);
    assert_eq!(rig.driver.state(&machine.view()).await.unwrap(), rmachine_driver::State::Running);
    assert!(machine.ring.accounts().unwrap().is_empty(), "it is copied nowhere");
    // Taken out, it opens from where it is now.
    assert_eq!(
        rig.driver.move_secret_to_keyring(&mut machine.handle()).await.unwrap().as_deref(),
        Some("team-1")
    );
    assert!(!serde_json::to_string(&machine.state).unwrap().contains(TOKEN));
    assert_eq!(rig.driver.move_secret_to_keyring(&mut machine.handle()).await.unwrap(), None);
    rig.cloud.add_token("other", "team-2");
    assert_eq!(
        with(&rig, "other").driver.state(&machine.view()).await.unwrap(),
        rmachine_driver::State::Running
    );
    machine.remove(&rig).await.unwrap();
    assert_eq!(rig.cloud.holds(), [format!("droplet {}", ids[1])]);
    rig.assert_described();
}

#[tokio::test(start_paused = true)]
async fn tokens_from_files_and_commands_are_read_each_time() {
    let rig = with(&Rig::new(), "");
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let mut machine = rig.machine(&[("access-token-file", path)]);
    let error = machine.create(&rig).await.unwrap_err();
    assert!(error.message.contains("has no access token"), "{error}");
    std::io::Write::write_all(&mut file.as_file(), format!("{TOKEN}\n").as_bytes()).unwrap();
    machine.create(&rig).await.unwrap();
    machine.remove(&rig).await.unwrap();
}

#[tokio::test]
async fn a_command_prints_the_token() {
    let rig = with(&Rig::new(), "");
    let command = format!("echo {TOKEN}");
    let machine = rig.machine(&[("access-token-command", &command)]);
    rig.driver.check(&machine.view()).await.unwrap();
    let broken = rig.machine(&[("access-token-command", "exit 3")]);
    let error = rig.driver.check(&broken.view()).await.unwrap_err();
    assert!(error.message.contains("exit status: 3"), "{error}");
}
