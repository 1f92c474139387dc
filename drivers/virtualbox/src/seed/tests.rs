use super::*;
use crate::cidr::Cidr;

const UUID: Uuid = Uuid::from_u128(0x1a2b_3c4d_0000_4000_8000_0000_0000_0001);

#[test]
fn cards_are_the_machines_own() {
    let [nat, host_only] = cards(UUID);
    assert_eq!((plain(nat).as_str(), plain(host_only).as_str()), ("0800271A2B3C", "0800271A2B3D"));
    assert_eq!(with_colons(nat), "08:00:27:1a:2b:3c");
    assert_ne!(cards(UUID), cards(Uuid::nil()));
}

#[test]
fn a_network_of_two_cards() {
    let range = Cidr::parse("192.168.56.1/24").unwrap();
    let text = network(cards(UUID), Some((Ipv4Addr::new(192, 168, 56, 7), range.prefix()))).to_string();
    assert_eq!(
        text,
        r#"{"version":2,"ethernets":{"nat":{"match":{"macaddress":"08:00:27:1a:2b:3c"},"dhcp4":true},"hostonly":{"match":{"macaddress":"08:00:27:1a:2b:3d"},"dhcp4":false,"addresses":["192.168.56.7/24"]}}}"#
    );
    assert!(!network(cards(UUID), None).to_string().contains("hostonly"));
}

#[test]
fn a_shared_folder_is_mounted_where_docker_machine_had_it() {
    let share = Share { folder: "/home".into(), name: "hosthome".into() };
    assert_eq!(
        vendor(Some(&share)),
        "#cloud-config\n{\"mounts\":[[\"hosthome\",\"/hosthome\",\"vboxsf\",\"nofail,dmode=0777,fmode=0777\",\"0\",\"0\"]]}\n"
    );
    assert_eq!(vendor(None), "#cloud-config\n{}\n");
}
