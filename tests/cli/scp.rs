//! `scp` and `mount` without hosts: their grammar, and what is refused before anybody is asked.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use insta::assert_snapshot;

use super::harness::Sandbox;

#[test]
fn scp_refuses_invalid_arguments() {
    let lab = Sandbox::new();
    for words in ["scp", "scp a", "mount", "mount a b c"] {
        let outcome = lab.run(words);
        assert_eq!(outcome.code, Some(2), "{words}: {outcome}");
        assert!(outcome.stdout.contains("Usage: rmachine "), "{outcome}");
        assert_eq!(outcome.stderr, "Improper number of arguments\n");
    }
}

#[test]
fn scp_and_mount_report_missing_machines() {
    let lab = Sandbox::new();
    lab.write("H/file", "x");
    assert_snapshot!(lab.run("scp file nosuch:/tmp"), @r#"
    exit 1
    --- stderr
    Error loading host: Error loading host: Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
    assert_eq!(lab.run("scp -d file nosuch:/tmp").code, Some(1));
    lab.create_none("n");
    assert_snapshot!(lab.run("scp file n:/tmp"), @r#"
    exit 1
    --- stderr
    Docker machine "n" has no host that answers SSH
    Hint: one that is only a URL is reached with `env`; one that was not finished, with `create --resume`
    "#);
}

#[test]
fn scp_copies_between_local_paths() {
    let lab = Sandbox::new();
    lab.write("H/file", "text");
    assert_eq!(lab.run("scp -q localhost:file ./a:b").code, Some(0));
    assert_eq!(lab.read("H/a:b"), "text");
    assert_snapshot!(lab.run("scp nowhere file"), @r"
    exit 1
    --- stderr
    cannot read nowhere: no such file or directory
    ");
    assert_snapshot!(lab.run("scp . file"), @r"
    exit 1
    --- stderr
    cannot copy .: it is a directory
    Hint: add -r to copy it with all that is in it
    ");
}

#[test]
fn scp_copies_files_whose_names_are_not_utf8() {
    let lab = Sandbox::new();
    let (source, target) = (OsStr::from_bytes(b"caf\xe9"), OsStr::from_bytes(b"localhost:copi\xe9"));
    fs::write(lab.path("H").join(source), "text").unwrap();
    let copied = lab.call_words("rmachine", [OsStr::new("scp"), OsStr::new("-q"), source, target]).run();
    assert_eq!(copied.code, Some(0), "{copied}");
    assert_eq!(fs::read(lab.path("H").join(OsStr::from_bytes(b"copi\xe9"))).unwrap(), b"text");
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let lab = Sandbox::new();
    let filter = OsStr::from_bytes(b"--filter=name=\xff");
    let refused = lab.call_words("rmachine", [OsStr::new("ls"), filter]).run();
    assert_snapshot!(refused, @r"
    exit 2
    --- stderr
    invalid UTF-8 was detected in one or more arguments
    Hint: see `rmachine ls --help`
    ");
}

#[test]
fn missing_programs_are_reported_with_the_package_to_install() {
    let lab = Sandbox::new();
    lab.create_none("n");
    assert_snapshot!(lab.run("scp -d file n:/tmp"), @r"
    exit 1
    --- stderr
    You must have a copy of the rsync binary locally to use the --delta option
    Hint: on Debian and Ubuntu: apt-get install rsync; or leave out -d
    ");
    assert_snapshot!(lab.run("mount n:/srv /H"), @r"
    exit 1
    --- stderr
    You must have a copy of the sshfs binary locally to use the mount feature
    Hint: on Debian and Ubuntu: apt-get install sshfs; on macOS: macFUSE and sshfs
    ");
    assert_snapshot!(lab.run("mount -u n:/srv /H"), @r"
    exit 1
    --- stderr
    You must have a copy of the fusermount binary locally to use the unmount option
    Hint: on Debian and Ubuntu: apt-get install fuse3; on macOS: umount
    ");
}
