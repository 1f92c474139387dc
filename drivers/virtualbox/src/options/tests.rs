use rmachine_driver::{Source, Value as Given};

use super::*;

fn wanted(set: &[(&str, Given)]) -> Result<Wanted, String> {
    let mut options = Options::defaults(&specs());
    for (name, value) in set {
        options.set(name, value.clone(), Source::Given);
    }
    Wanted::from_options(&options).map_err(|e| e.to_string())
}

fn text(t: &str) -> Given {
    Given::Text(t.into())
}

#[test]
fn options_survive_the_state() {
    let wanted = wanted(&[
        ("virtualbox-cpu-count", Given::Int(-1)),
        ("virtualbox-memory", Given::Int(2048)),
        ("virtualbox-hostonly-cidr", text("10.9.8.1/24")),
        ("virtualbox-no-dns-proxy", Given::Flag(true)),
        ("virtualbox-share-folder", text("C:\\src:src")),
        ("virtualbox-image", text("ubuntu-24.04")),
        ("virtualbox-image-checksum", text(&"ab".repeat(32))),
        ("virtualbox-userdata", text("/home/u/data")),
    ])
    .unwrap();
    assert_eq!(wanted.share(), Some(Share { folder: "C:\\src".into(), name: "src".into() }));
    let mut state = DriverState::default();
    wanted.keep(&mut state);
    assert_eq!(Wanted::kept(&state).unwrap(), wanted);
}

#[test]
fn the_state_has_docker_machines_keys_in_its_order() {
    let mut state = DriverState::default();
    wanted(&[]).unwrap().keep(&mut state);
    let keys: Vec<&str> = state.0.keys().map(String::as_str).take(18).collect();
    assert_eq!(
        keys.join(" "),
        "VBoxManager HostInterfaces CPU Memory DiskSize NatNicType Boot2DockerURL Boot2DockerImportVM HostDNSResolver \
         HostOnlyCIDR HostOnlyNicType HostOnlyPromiscMode UIType HostOnlyNoDHCP NoShare DNSProxy NoVTXCheck ShareFolder"
    );
}

#[test]
fn all_of_docker_machines_flags_are_there_with_their_variables() {
    let ours = specs();
    for (name, env) in [
        ("memory", "MEMORY_SIZE"),
        ("cpu-count", "CPU_COUNT"),
        ("disk-size", "DISK_SIZE"),
        ("boot2docker-url", "BOOT2DOCKER_URL"),
        ("import-boot2docker-vm", "BOOT2DOCKER_IMPORT_VM"),
        ("host-dns-resolver", "HOST_DNS_RESOLVER"),
        ("nat-nictype", "NAT_NICTYPE"),
        ("hostonly-cidr", "HOSTONLY_CIDR"),
        ("hostonly-nictype", "HOSTONLY_NIC_TYPE"),
        ("hostonly-nicpromisc", "HOSTONLY_NIC_PROMISC"),
        ("ui-type", "UI_TYPE"),
        ("hostonly-no-dhcp", "HOSTONLY_NO_DHCP"),
        ("no-share", "NO_SHARE"),
        ("no-dns-proxy", "NO_DNS_PROXY"),
        ("no-vtx-check", "NO_VTX_CHECK"),
        ("share-folder", "SHARE_FOLDER"),
    ] {
        let spec = ours.iter().find(|spec| spec.name == format!("virtualbox-{name}"));
        assert_eq!(spec.and_then(|s| s.env.as_deref()), Some(format!("VIRTUALBOX_{env}").as_str()), "{name}");
    }
}

#[test]
fn machines_of_docker_machine_are_understood() {
    let state = r#"{"VBoxManager": {}, "CPU": 2, "Memory": 0, "HostOnlyCIDR": "192.168.99.1/24", "UIType": "headless"}"#;
    let kept = Wanted::kept(&serde_json::from_str(state).unwrap()).unwrap();
    assert_eq!((kept.cpus, kept.memory, kept.cidr.to_string().as_str()), (2, 1024, "192.168.99.1/24"));
    assert!(kept.cidr_given && kept.dns_proxy, "no other network is made for them");
}

#[test]
fn what_cannot_work_is_refused() {
    for (option, bad, told) in [
        ("virtualbox-hostonly-cidr", text("192.168.56.0/24"), "not a network address"),
        ("virtualbox-hostonly-cidr", text("192.168.56.1"), "is not an address like"),
        ("virtualbox-memory", Given::Int(4), "is too little"),
        ("virtualbox-ui-type", text("tv"), "is none of headless, gui"),
        ("virtualbox-nat-nictype", text("ne2000"), "is none of 82540EM"),
        ("virtualbox-share-folder", text("/src"), "is not FOLDER:NAME"),
        ("virtualbox-import-boot2docker-vm", text("vm"), "no longer imported"),
        ("virtualbox-image-checksum", text("abc"), "neither a SHA-256 nor"),
    ] {
        let error = wanted(&[(option, bad)]).unwrap_err();
        assert!(error.contains(told), "{option}: {error}");
    }
    let both = [("virtualbox-boot2docker-url", text("/b.iso")), ("virtualbox-userdata", text("/data"))];
    assert!(wanted(&both).unwrap_err().contains("boot2docker has no cloud-init"));
}

#[test]
fn cpus_are_counted_as_docker_machine_did() {
    assert_eq!((cpus(0), cpus(2), cpus(99), cpus(-1)), (1, 2, 32, -1));
    assert_eq!(cpu_count(3), 3);
    assert!(cpu_count(-1) >= 1);
}
