use crate::provision::ProvisionError;
use crate::provision::facts::Privilege;
use crate::provision::tests::*;

#[test]
fn a_host_with_an_engine() {
    let facts = facts_of(TRIXIE);
    assert_eq!(facts.provisioner(), "debian");
    assert_eq!(facts.os.pretty_name(), "Debian GNU/Linux 13 (trixie)");
    assert_eq!(
        (facts.arch.as_str(), facts.user.as_str(), &facts.privilege),
        ("x86_64", "root", &Privilege::Root)
    );
    assert_eq!(facts.service_manager, "systemd");
    assert!(!facts.snap);
    assert!(facts.free["/"] > 0);
    let engine = facts.engine.unwrap();
    assert_eq!(engine.version.as_deref(), Some("26.1.5"));
    assert!(engine.state.active && engine.state.enabled);
    assert_eq!(engine.state.files[0].path, "/usr/lib/systemd/system/docker.service");
    assert_eq!(facts.config.daemon_json, None);
    assert!(!facts.config.pending);
}

#[test]
fn an_older_one() {
    let facts = facts_of(BOOKWORM);
    assert_eq!(facts.privilege, Privilege::Sudo);
    assert_eq!(facts.engine.unwrap().version.as_deref(), Some("20.10.24"));
}

#[test]
fn a_host_without() {
    let facts = facts_of(BARE);
    assert_eq!(facts.engine, None);
    assert_eq!(facts.tools.keys().collect::<Vec<_>>(), ["apt-get", "curl"]);
}

#[test]
fn a_user_whose_sudo_wants_a_password() {
    let facts = facts_of(PASSWORD);
    assert_eq!(facts.privilege, Privilege::Refused("sudo: a password is required".into()));
}

#[test]
fn texts_keep_their_lines_and_nothing_gets_out_of_them() {
    let answer = and(TRIXIE, "daemon.json", "{\n= uid 7\n\n: hosts\n  \"a\": 1\n@rmachine\n}");
    let facts = facts_of(&answer);
    assert_eq!(
        facts.config.daemon_json.as_deref(),
        Some("{\n= uid 7\n\n: hosts\n  \"a\": 1\n@rmachine\n}\n")
    );
    assert!(facts.hosts.contains("localhost"));
}

#[test]
fn banners_do_not_matter() {
    let facts = facts_of(&format!("Welcome!\n= arch vax\n{TRIXIE}\n= arch pdp\nBye\n"));
    assert_eq!(facts.arch, "x86_64");
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    let half = &TRIXIE[..TRIXIE.len() / 2];
    for answer in ["", "This account is currently not available.\n", half] {
        assert!(matches!(Facts::parse(answer), Err(ProvisionError::NoFacts(_))), "{answer:?} was taken");
    }
}
