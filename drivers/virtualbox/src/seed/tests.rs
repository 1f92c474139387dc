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

/// A whole seed on its disc, and what was unpacked of it by another's program.
mod on_its_disc {
    #![allow(clippy::disallowed_methods, reason = "tests ask the real programs")]

    use rmachine_driver::secrecy::SecretString;
    use rmachine_driver::{
        DriverState, HostKeyPair, Journal, JournalRecord, MachineName, NoKeyring, Options, Silent, Tags,
    };

    use super::*;
    use crate::options::specs;

    struct Nothing;

    impl Journal for Nothing {
        fn record(&mut self, _: JournalRecord) -> Result<(), DriverError> {
            Ok(())
        }

        fn records(&self) -> &[JournalRecord] {
            &[]
        }
    }

    fn seed(dir: &Path) -> PathBuf {
        let name = MachineName::parse("web1").unwrap();
        let (mut state, mut journal) = (DriverState::default(), Nothing);
        let tags = Tags {
            uuid: UUID,
            machine: name.clone(),
            store: "/S".into(),
            computer: "c".into(),
            expires: None,
        };
        let machine = MachineHandle {
            name: &name,
            uuid: UUID,
            dir,
            tags,
            state: &mut state,
            journal: &mut journal,
            keyring: &NoKeyring,
            reporter: &Silent,
        };
        let private = SecretString::from(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        );
        let host_key = Some(HostKeyPair { private: &private, public: "ssh-ed25519 AAAAHOST" });
        let request =
            CreateRequest { public_key: Some("ssh-ed25519 AAAAUSER"), host_key, ..CreateRequest::default() };
        let wanted = Wanted::from_options(&Options::defaults(&specs())).unwrap();
        let on =
            HostOnly { name: "vboxnet0".into(), cidr: Cidr::parse("192.168.56.1/24").unwrap(), made: true };
        write(&machine, &request, &wanted, Some((&on, Ipv4Addr::new(192, 168, 56, 7)))).unwrap()
    }

    #[test]
    fn only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&seed(dir.path()).metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "a private key is on it");
    }

    /// cloud-init itself, and the programs that it needs.
    #[cfg(feature = "system-tests")]
    mod system {
        use std::process::{Command, Output};

        use serde_json::Value;

        use super::*;

        /// cloud-init's code and the rest of its package.
        fn package() -> PathBuf {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/lab/cloud-init");
            let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
            let done = said(Command::new(script).env("CARGO_TARGET_DIR", target).output().unwrap());
            Path::new(done.trim()).ancestors().nth(4).unwrap().to_owned()
        }

        fn said(output: Output) -> String {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        }

        #[test]
        fn cloud_init_takes_it_for_its_own() {
            let dir = tempfile::tempdir().unwrap();
            let iso = seed(dir.path());
            let script = package().join("usr/lib/cloud-init/ds-identify");
            let root = dir.path().join("root");
            std::fs::create_dir_all(root.join("run/cloud-init")).unwrap();
            // It may run in a container itself, where it would not look at discs.
            let asked = "DI_MAIN=noop; . \"$1\"; is_container() { return 1; }\n\
                         blkid() { /usr/sbin/blkid -p -o export \"$ISO\"; }\n\
                         main; cat \"$PATH_ROOT/run/cloud-init/cloud.cfg\"";
            let output = Command::new("sh")
                .args(["-c", asked, "sh"])
                .arg(&script)
                .env("PATH_ROOT", &root)
                .env("ISO", &iso)
                .env("DI_LOG", "stderr")
                .env("DEBUG_LEVEL", "1")
                .output()
                .unwrap();
            let found = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(found.contains("NoCloud"), "{found}{}", String::from_utf8_lossy(&output.stderr));
        }

        #[test]
        fn cloud_init_reads_what_was_meant() {
            let dir = tempfile::tempdir().unwrap();
            let iso = seed(dir.path());
            let files = dir.path().join("files");
            std::fs::create_dir(&files).unwrap();
            for name in ["user-data", "meta-data", "network-config", "vendor-data"] {
                let words = ["-J", "-x", &format!("/{name}"), "-i"];
                let content = said(Command::new("isoinfo").args(words).arg(&iso).output().unwrap());
                std::fs::write(files.join(name), content).unwrap();
            }
            let mut python = Command::new("/usr/bin/python3");
            python.args(["-c", include_str!("read.py")]).arg(&files);
            python.env("PYTHONPATH", package().join("usr/lib/python3/dist-packages"));
            let read: Value = serde_json::from_str(&said(python.output().unwrap())).unwrap();
            assert_eq!(read["host"], "web1");
            assert_eq!(read["id"], UUID.to_string());
            assert_eq!(
                read["cards"],
                json!({"08:00:27:1a:2b:3c": ["dhcp4"], "08:00:27:1a:2b:3d": ["192.168.56.7/24"]})
            );
        }
    }
}
