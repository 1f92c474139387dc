use super::*;

#[test]
fn the_same_content_makes_the_same_image() {
    let files = [File { name: "user-data", content: b"x" }];
    assert_eq!(image("cidata", &files), image("cidata", &files));
    assert_eq!(image("cidata", &files).len() % SECTOR, 0);
}

/// Read back by the programs that others read such images with.
#[cfg(feature = "system-tests")]
mod system {
    #![allow(clippy::disallowed_methods, reason = "the programs under comparison")]

    use std::process::Command;

    use super::*;

    fn written() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seed.iso");
        let large = vec![b'x'; 5000];
        let files = [
            File { name: "user-data", content: b"#cloud-config\n" },
            File { name: "meta-data", content: b"" },
            File { name: "network-config", content: &large },
        ];
        std::fs::write(&path, image("cidata", &files)).unwrap();
        (dir, path)
    }

    fn run(program: &str, args: &[&str], path: &std::path::Path) -> String {
        let output =
            Command::new(program).args(args).arg(path).output().unwrap_or_else(|e| panic!("{program}: {e}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn blkid_finds_the_label() {
        let (_dir, path) = written();
        let seen = run("/usr/sbin/blkid", &["-p", "-o", "export"], &path);
        assert!(seen.contains("LABEL=cidata\n") && seen.contains("TYPE=iso9660\n"), "{seen}");
        assert!(seen.contains("Joliet"), "{seen}");
    }

    #[test]
    fn isoinfo_reads_both_trees() {
        let (_dir, path) = written();
        let joliet = run("isoinfo", &["-J", "-f", "-i"], &path);
        let names: Vec<&str> = joliet.lines().collect();
        assert_eq!(names, ["/meta-data", "/network-config", "/user-data"]);
        let plain = run("isoinfo", &["-f", "-i"], &path);
        assert_eq!(plain.lines().collect::<Vec<_>>(), ["/META_DAT.;1", "/NETWORK_.;1", "/USER_DAT.;1"]);
        let content = run("isoinfo", &["-J", "-x", "/user-data", "-i"], &path);
        assert_eq!(content, "#cloud-config\n");
        let content = run("isoinfo", &["-J", "-x", "/network-config", "-i"], &path);
        assert_eq!(content.len(), 5000);
    }
}
