use super::*;

const LOG: &str = include_str!("../../recorded/14-natpf-conflict.txt");

#[test]
fn a_strangers_port_is_told_by_the_log() {
    assert!(is_refused(LOG, 22022));
    assert!(!is_refused(LOG, 2202), "only the whole number counts");
    assert!(!is_refused(LOG, 0));
}

#[test]
fn free_ports_are_free() {
    let port = free_port().unwrap();
    assert!(is_free(port));
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert!(!is_free(port));
}
