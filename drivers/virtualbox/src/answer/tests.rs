//! On what a real VirtualBox 7.2 answered: `recorded/` has the calls with their output.

use super::*;

const LIST: &str = include_str!("../../recorded/02-list.txt");
const VM: &str = include_str!("../../recorded/03-vm.txt");
const START: &str = include_str!("../../recorded/04-start.txt");
const HOST_ONLY: &str = include_str!("../../recorded/11-hostonly-shim.txt");
const RUNNING: &str = include_str!("../../recorded/13-running-driverless.txt");
const LONG: &str = include_str!("../../recorded/long-vms.txt");
const DESCRIBED: &str = include_str!("../../recorded/described.txt");
const SNAPSHOTS: &str = include_str!("../../recorded/snapshots.txt");

/// Standard output and standard error of the n-th call that ends with these words.
fn recorded(file: &str, call: &str, n: usize) -> (String, String) {
    let calls = file.split("\n$ ").filter(|c| c.lines().next().is_some_and(|l| l.ends_with(call)));
    let answer = calls.into_iter().nth(n).unwrap_or_else(|| panic!("no {call}"));
    let (_, rest) = answer.split_once("--- stdout ---\n").unwrap();
    let (stdout, stderr) = rest.split_once("--- stderr ---").unwrap();
    (stdout.to_owned(), stderr.trim_start_matches('\n').to_owned())
}

#[test]
fn warnings_before_the_answer_are_not_part_of_it() {
    let noisy = "WARNING: The character device /dev/vboxdrv does not exist.\n\t Please install it.\n\n\t You cannot start \
                 VMs.\n7.2.22_Debianr175245\n";
    assert_eq!(clean(noisy), "7.2.22_Debianr175245\n");
    assert_eq!(clean("\"WARNING\" {1}\r\n\nx\n"), "\"WARNING\" {1}\n\nx\n");
    assert_eq!(version(&clean(noisy)), Some((7, 2, 22)));
    assert_eq!(version("6.1.50r161033"), Some((6, 1, 50)));
    assert_eq!(version("what?"), None);
    let (stdout, _) = recorded(START, "startvm dm1 --type headless", 1);
    assert_eq!(clean(&stdout), "Waiting for VM \"dm1\" to power on...\n");
}

#[test]
fn errors_are_found_where_they_are_written() {
    let (_, stderr) = recorded(START, "discardstate dm1", 0);
    let said = errors(&stderr);
    assert!(said.starts_with("Cannot discard the saved state as the machine is not in the Saved"), "{said}");
    assert!(said.contains("VBOX_E_INVALID_VM_STATE") && !said.contains("Context"), "{said}");
    assert_eq!(errors("0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n"), "");
    assert_eq!(errors("VBoxManage: warning: Interface \"vboxnet0\" doesn't seem to exist\n"), "");
    assert_eq!(errors("VBoxManage.exe: error: no\r\n"), "no");
    let (_, stderr) = recorded(HOST_ONLY, "ipconfig vboxnet1 --ip 192.168.99.1 --netmask 255.255.255.0", 0);
    assert!(errors(&stderr).contains("E_ACCESSDENIED"));
}

#[test]
fn progress() {
    assert_eq!(percent(b"0%...10%...20%"), Some(20));
    assert_eq!(percent(b"0%...10%...2"), Some(10));
    assert_eq!(percent(b"Converting"), None);
    assert_eq!(percent(b"0%...NS_ERROR_FAILURE"), Some(0));
}

#[test]
fn all_machines_in_one_answer() {
    let all = vms(LONG);
    let names: Vec<_> = all.iter().map(|vm| (vm.name.as_str(), vm.state)).collect();
    assert_eq!(names, [("q", State::Stopped), ("z1", State::Stopped)]);
    assert_eq!(all[1].uuid, "11111111-2222-4333-8444-555555555555".parse().ok());
    assert_eq!(all[0].networks, ["vboxnet0"]);
    assert_eq!(all[0].notes["rmachine.x"], "2", "a description's line like a field's is none");
    assert_eq!(all[0].tags(), None, "tags are whole or none");
}

#[test]
fn a_machine_in_full() {
    let (stdout, _) = recorded(VM, "showvminfo dm1 --machinereadable", 0);
    let info = Info::read(&stdout);
    assert_eq!(info.state(), State::Stopped);
    assert_eq!(info.text("SATA-1-0"), "/root/machines/dm1/disk.vdi");
    assert_eq!((info.forwarded("ssh"), info.forwarded("docker")), (Some(2222), Some(2376)));
    assert_eq!(info.forwarded("none"), None);
    assert_eq!(info.adapter(), None);
    assert_eq!(info.log(), Some("/root/machines/dm1/Logs/VBox.log".into()));
    let info = Info::read(DESCRIBED);
    assert_eq!(info.notes()["rmachine.uuid"], "1");
    assert_eq!(info.text("GuestMemoryBalloon"), "0", "it goes on after a description of several lines");
    assert_eq!(info.adapter(), Some((2, "vboxnet0")));
}

#[test]
fn adapters_of_this_computer() {
    let (stdout, _) = recorded(HOST_ONLY, "list hostonlyifs", 0);
    let all: Vec<_> = adapters(&stdout).into_iter().map(|a| (a.name, a.cidr.unwrap().to_string())).collect();
    assert_eq!(
        all,
        [
            ("vboxnet0".to_owned(), "192.168.56.1/24".to_owned()),
            ("vboxnet1".to_owned(), "192.168.59.1/24".to_owned())
        ]
    );
    let without = "Name:            vboxnet0\nIPAddress:       0.0.0.0\nNetworkMask:     0.0.0.0\n";
    assert_eq!(adapters(without), [Adapter { name: "vboxnet0".into(), cidr: None }]);
    assert!(adapters("\n").is_empty());
    let (stdout, _) = recorded(HOST_ONLY, "hostonlyif create", 1);
    assert_eq!(made_adapter(&stdout).as_deref(), Some("vboxnet1"));
}

#[test]
fn networks_of_macos() {
    let answer = "Name:            rmachine\nGUID:            1\n\nState:           Enabled\nNetworkMask:     \
                  255.255.255.0\nLowerIP:         192.168.56.1\nUpperIP:         192.168.56.199\n";
    let answer = answer.replace("\n\n", "\n");
    let network = &networks(&answer)[0];
    assert_eq!((network.name.as_str(), network.mask.as_str()), ("rmachine", "255.255.255.0"));
    assert_eq!(network.lower, Some(Ipv4Addr::new(192, 168, 56, 1)));
}

#[test]
fn dhcp_servers_old_and_new() {
    let (stdout, _) = recorded(LIST, "list dhcpservers", 0);
    let servers = dhcp_servers(&stdout);
    assert_eq!(servers[0].network, "HostInterfaceNetworking-vboxnet0");
    assert_eq!(servers[0].lower, Some(Ipv4Addr::new(192, 168, 56, 101)));
    assert!(servers[0].enabled);
    let old = "NetworkName:    X\nIP:             10.0.0.2\nlowerIPAddress: 10.0.0.3\nupperIPAddress: 10.0.0.9\nEnabled: No\n";
    assert_eq!(dhcp_servers(old)[0].upper, Some(Ipv4Addr::new(10, 0, 0, 9)));
    assert!(!dhcp_servers(old)[0].enabled);
}

#[test]
fn leases() {
    let held = "IP Address:  192.168.56.101\nMAC Address: 08:00:27:1a:2b:3c\nState:       acked\n";
    assert_eq!(lease(held), Some(Ipv4Addr::new(192, 168, 56, 101)));
    assert_eq!(lease(&held.replace("acked", "expired")), None);
    assert_eq!(lease(""), None);
}

#[test]
fn snapshots_in_the_order_they_were_taken() {
    let all: Vec<_> = snapshots(SNAPSHOTS).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(all, ["s1", "s 2", "s1"]);
}

#[test]
fn what_the_processor_can() {
    let (stdout, _) = recorded(LIST, "list hostinfo", 0);
    assert_eq!(virtualisation(&stdout), Some(false));
    assert_eq!(virtualisation("Processor supports HW virtualization: yes\n"), Some(true));
    assert_eq!(virtualisation(""), None);
}

#[test]
fn refusals_of_what_is_not_there() {
    let (_, stderr) = recorded(START, "startvm nope --type headless", 0);
    let refusal = crate::manage::Refusal { verb: "startvm".into(), said: errors(&stderr), hints: Vec::new() };
    assert!(refusal.is_missing());
    let (_, stderr) = recorded(RUNNING, "unregistervm iem1 --delete", 0);
    let refusal =
        crate::manage::Refusal { verb: "unregistervm".into(), said: errors(&stderr), hints: Vec::new() };
    assert!(refusal.is_locked() && !refusal.is_missing());
}
