//! Names, keys and checksums of images.
#![allow(clippy::disallowed_methods, reason = "tests write files")]

use rmachine_driver::{OptionSpec, Options, Source as Given, Uuid, Value};

use super::*;
use crate::options::specs;

fn wanted(image: &str, mirror: Option<&str>) -> Wanted {
    let specs: Vec<OptionSpec> = specs();
    let mut options = Options::defaults(&specs);
    options.set("virtualbox-image", Value::Text(image.into()), Given::Given);
    options.set("virtualbox-image-mirror", Value::Text(mirror.unwrap_or_default().into()), Given::Given);
    Wanted::from_options(&options).unwrap()
}

#[test]
#[cfg(target_arch = "x86_64")]
fn known_images_are_where_their_publishers_say() {
    let of = |name: &str, mirror| match Image::of(&wanted(name, mirror)).unwrap().source {
        Source::Known { url, sums } => (url, sums),
        other => panic!("{other:?}"),
    };
    let (url, sums) = of("debian-13", None);
    assert_eq!(url, "https://cloud.debian.org/images/cloud/trixie/latest/debian-13-generic-amd64.qcow2");
    assert_eq!(sums, "https://cloud.debian.org/images/cloud/trixie/latest/SHA512SUMS");
    let (url, sums) = of("ubuntu", Some("http://m/u/"));
    assert_eq!(url, "http://m/u/24.04/release/ubuntu-24.04-server-cloudimg-amd64.vmdk");
    assert_eq!(sums, "http://m/u/24.04/release/SHA256SUMS");
}

#[test]
fn images_of_one_name_are_told_apart() {
    let key = |url: &str| Image::of(&wanted(url, None)).unwrap().key;
    assert_ne!(key("https://a/disk.qcow2"), key("https://b/disk.qcow2"));
    assert!(key("https://a/..%2f../disk-1.qcow2?x=/y").starts_with("disk-1.qcow2-"));
    assert_eq!(key("debian-13"), "debian-13-generic");
    let error = Image::of(&wanted("debian-99", None)).unwrap_err();
    assert!(error.to_string().contains("none of debian-13, debian-12, ubuntu-24.04"), "{error}");
}

#[test]
fn a_file_that_changed_is_another_image() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("disk.raw");
    let key = || Image::of(&wanted(&file.to_string_lossy(), None)).unwrap().key;
    std::fs::write(&file, "one").unwrap();
    let first = key();
    assert_eq!(key(), first);
    std::fs::write(&file, "three").unwrap();
    assert_ne!(key(), first);
}

#[test]
fn lists_of_checksums() {
    let list = format!("{}  debian.qcow2\n{} *other.img\nbroken\n", "ab".repeat(64), "cd".repeat(32));
    assert_eq!(Checksum::of_list(&list, "debian.qcow2").unwrap().to_string(), "ab".repeat(64));
    assert_eq!(Checksum::of_list(&list, "other.img").unwrap().to_string(), "cd".repeat(32));
    assert_eq!(Checksum::of_list(&list, "debian"), None);
}

#[tokio::test]
async fn files_are_held_against_their_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    std::fs::write(&file, "abc").unwrap();
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    sums::verify(&file, &Checksum::parse(sha256).unwrap()).await.unwrap();
    sums::verify(&file, &Checksum::parse(&format!("sha256:{}", sha256.to_uppercase())).unwrap())
        .await
        .unwrap();
    let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    sums::verify(&file, &Checksum::parse(sha512).unwrap()).await.unwrap();
    let error = sums::verify(&file, &Checksum::parse(&"0".repeat(64)).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("is not what its publisher made"), "{error}");
}

#[test]
fn a_disk_gets_a_uuid_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("x.vdi");
    let mut header = vec![0xee; 512];
    header[64..72].copy_from_slice(&[0x7f, 0x10, 0xda, 0xbe, 0x01, 0x00, 0x01, 0x00]);
    std::fs::write(&disk, &header).unwrap();
    let uuid = Uuid::parse_str("00112233-4455-6677-8899-aabbccddeeff").unwrap();
    give_uuid(&disk, uuid).unwrap();
    let written = std::fs::read(&disk).unwrap();
    // VirtualBox stores the first three groups of a uuid in little-endian order.
    let stored =
        [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    assert_eq!(written[392..408], stored);
    let last_change = Uuid::from_slice_le(&written[408..424]).unwrap();
    assert!(last_change.get_version_num() == 4 && last_change != uuid, "{last_change}");
    assert_eq!((&written[..392], &written[424..]), (&header[..392], &header[424..]));
}

#[test]
fn a_file_that_is_no_vdi_gets_no_uuid() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("x.vdi");
    std::fs::write(&disk, vec![0; 512]).unwrap();
    let error = give_uuid(&disk, Uuid::nil()).unwrap_err();
    assert!(error.to_string().contains("it is no VDI"), "{error}");
    assert_eq!(std::fs::read(&disk).unwrap(), vec![0; 512]);
}
