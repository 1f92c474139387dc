use rmachine_driver::{OptionSpec, Options, Source, Value};

use super::*;
use crate::options::specs;

fn wanted(cidr: Option<&str>) -> Wanted {
    let specs: Vec<OptionSpec> = specs();
    let mut options = Options::defaults(&specs);
    if let Some(cidr) = cidr {
        options.set("virtualbox-hostonly-cidr", Value::Text(cidr.into()), Source::Given);
    }
    Wanted::from_options(&options).unwrap()
}

fn adapter(name: &str, cidr: &str) -> Adapter {
    Adapter { name: name.into(), cidr: Cidr::parse(cidr) }
}

fn vm(notes: &[(&str, &str)]) -> Vm {
    let answer: String = notes.iter().map(|(k, v)| format!("{k}={v}\n")).collect();
    answer::vms(&format!("Name:            x\nDescription:\n{answer}")).remove(0)
}

fn chosen(wanted: &Wanted, adapters: &[Adapter], vms: &[Vm], allowed: &[&str]) -> Result<String, String> {
    let allowed: Vec<Cidr> = allowed.iter().map(|a| Cidr::parse(a).unwrap()).collect();
    match choose(wanted, adapters, vms, Some(&allowed)) {
        Ok(Choice::There(on)) => Ok(format!("{} {}{}", on.name, on.cidr, if on.made { " ours" } else { "" })),
        Ok(Choice::Make(range)) => Ok(format!("make {range}")),
        Err(e) => Err(e.to_string()),
    }
}

const DEFAULT: &[&str] = &["192.168.56.0/21"];

#[test]
fn an_adapter_that_is_there_is_used() {
    let there = [adapter("vboxnet0", "192.168.57.1/24"), adapter("vboxnet1", "192.168.56.1/24")];
    assert_eq!(chosen(&wanted(None), &there, &[], DEFAULT).unwrap(), "vboxnet1 192.168.56.1/24");
    assert_eq!(chosen(&wanted(None), &there[..1], &[], DEFAULT).unwrap(), "vboxnet0 192.168.57.1/24");
    let ours = [vm(&[("rmachine.adapter", "vboxnet0")])];
    assert_eq!(chosen(&wanted(None), &there[..1], &ours, DEFAULT).unwrap(), "vboxnet0 192.168.57.1/24 ours");
}

#[test]
fn one_is_made_only_where_that_is_allowed() {
    assert_eq!(chosen(&wanted(None), &[], &[], DEFAULT).unwrap(), "make 192.168.56.1/24");
    assert_eq!(chosen(&wanted(None), &[], &[], &["10.0.0.0/8"]).unwrap(), "make 10.0.0.1/24");
    let broken = [Adapter { name: "vboxnet0".into(), cidr: None }, adapter("vboxnet1", "192.168.99.1/24")];
    assert_eq!(chosen(&wanted(None), &broken, &[], DEFAULT).unwrap(), "make 192.168.56.1/24");
    let error = chosen(&wanted(Some("192.168.99.1/24")), &[], &[], DEFAULT).unwrap_err();
    assert_eq!(
        error,
        "VirtualBox does not allow the host-only network 192.168.99.1/24: /etc/vbox/networks.conf allows 192.168.56.0/21"
    );
    let there = [adapter("vboxnet0", "192.168.99.1/24")];
    let old = wanted(Some("192.168.99.1/24"));
    assert_eq!(chosen(&old, &there, &[], DEFAULT).unwrap(), "vboxnet0 192.168.99.1/24");
    let error = chosen(&wanted(Some("192.168.99.2/24")), &there, &[], DEFAULT).unwrap_err();
    assert!(error.contains("overlaps with 192.168.99.1/24 of the adapter vboxnet0"), "{error}");
}

#[test]
fn networks_conf() {
    let text =
        "# nothing\n* 10.0.0.0/8 192.168.0.0/16 # more\n\n  * 2001::/64\n*172.16.0.0/12\nx 1.0.0.0/8\n";
    let ranges: Vec<String> = configured(text).iter().map(ToString::to_string).collect();
    assert_eq!(ranges, ["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12"]);
}

#[test]
fn addresses_that_nobody_has() {
    let network = Cidr::parse("192.168.56.1/24").unwrap();
    let vms = [vm(&[("rmachine.address", "192.168.56.2")]), vm(&[("rmachine.address", "192.168.56.4")])];
    assert_eq!(free_address(network, &vms).unwrap(), Ipv4Addr::new(192, 168, 56, 3));
    assert_eq!(free_address(network, &[]).unwrap(), Ipv4Addr::new(192, 168, 56, 2));
    let full: Vec<Vm> = (2..100).map(|n| vm(&[("rmachine.address", &format!("192.168.56.{n}"))])).collect();
    let error = free_address(network, &full).unwrap_err();
    assert!(error.to_string().contains("no address left"), "{error}");
}

#[test]
fn cards_of_this_computer_keep_their_networks() {
    let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                 eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                 eth0\t0038A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                 vboxnet0\t003AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    let on = |text: &str| routed(table, Cidr::parse(text).unwrap());
    assert_eq!(on("192.168.56.1/24").as_deref(), Some("eth0"));
    assert_eq!(on("192.168.57.1/24"), None);
    assert_eq!(on("192.168.58.1/24"), None, "VirtualBox's own");
}

#[test]
fn a_network_of_macos() {
    assert_eq!(
        network_words(Cidr::parse("192.168.56.1/24").unwrap()).join(" "),
        "hostonlynet add --name rmachine --netmask 255.255.255.0 --lower-ip 192.168.56.1 --upper-ip 192.168.56.254 --enable"
    );
}
