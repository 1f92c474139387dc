use rmachine_driver::{Options, Source, Uuid, Value};

use super::*;
use crate::options::specs;

fn wanted(set: &[(&str, Value)]) -> Wanted {
    let mut options = Options::defaults(&specs());
    for (name, value) in set {
        options.set(name, value.clone(), Source::Given);
    }
    Wanted::from_options(&options).unwrap()
}

fn make(version: (u32, u32, u32)) -> Make<'static> {
    Make {
        name: "n1",
        uuid: Uuid::nil(),
        dir: Path::new("/S/machines/n1"),
        version,
        description: "rmachine.uuid=1",
        ssh_port: 40022,
        engine_port: None,
        adapter: Some("vboxnet0"),
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_machine_of_version_7() {
    let make = make((7, 2, 22));
    assert_eq!(
        create(&make, false).join(" "),
        "createvm --name n1 --uuid 00000000-0000-0000-0000-000000000000 --ostype Debian_64 --platform-architecture x86 \
         --register --basefolder /S/machines/n1"
    );
    let words = modify(&make, &wanted(&[])).join(" ");
    assert!(words.starts_with("modifyvm n1 --description rmachine.uuid=1 --firmware bios"), "{words}");
    assert!(words.contains("--audio-enabled off"), "{words}");
    assert!(
        words.contains("--natpf1 ssh,tcp,127.0.0.1,40022,,22 --nic2 hostonly --hostonlyadapter2 vboxnet0"),
        "{words}"
    );
    assert!(words.contains("--natdnshostresolver1 off --natdnsproxy1 on"), "{words}");
}

#[test]
fn an_older_one_knows_fewer_words() {
    let make = make((6, 1, 50));
    assert!(!create(&make, false).contains(&"--platform-architecture".to_owned()));
    assert!(!modify(&make, &wanted(&[])).contains(&"--audio-enabled".to_owned()));
}

#[test]
fn without_a_host_only_network_the_engine_has_a_port() {
    let make = Make { adapter: None, engine_port: Some(40023), ..make((7, 2, 22)) };
    let words = modify(&make, &wanted(&[("virtualbox-nat-only", Value::Flag(true))])).join(" ");
    assert!(
        words.ends_with("--natpf1 ssh,tcp,127.0.0.1,40022,,22 --natpf1 docker,tcp,127.0.0.1,40023,,40023"),
        "{words}"
    );
}

#[test]
fn boot2dockers_engine_keeps_its_port() {
    let make = Make { adapter: None, engine_port: Some(40023), ..make((7, 2, 22)) };
    let options = [
        ("virtualbox-nat-only", Value::Flag(true)),
        ("virtualbox-boot2docker-url", Value::Text("/b.iso".into())),
    ];
    let words = modify(&make, &wanted(&options)).join(" ");
    assert!(words.contains("--boot1 dvd "), "{words}");
    assert!(words.ends_with("--natpf1 docker,tcp,127.0.0.1,40023,,2376"), "{words}");
}

#[test]
fn a_card_in_an_adapter_or_in_a_network_of_macos() {
    assert_eq!(plug(2, "vboxnet0", false).join(" "), "--nic2 hostonly --hostonlyadapter2 vboxnet0");
    assert_eq!(plug(2, "rmachine", true).join(" "), "--nic2 hostonlynet --host-only-net2 rmachine");
}

#[test]
fn a_moved_port() {
    let moved = |had_one| move_port("ID", SSH_RULE, 5, SSH, had_one).join(" ");
    assert_eq!(moved(true), "modifyvm ID --natpf1 delete ssh --natpf1 ssh,tcp,127.0.0.1,5,,22");
    assert_eq!(moved(false), "modifyvm ID --natpf1 ssh,tcp,127.0.0.1,5,,22");
}
