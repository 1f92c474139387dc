//! Files to, from and between hosts, and folders of hosts mounted here.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use crate::e2e::lab::{Host, User, until};

/// A user whose hosts are machines: no engine is needed for files.
fn machine(user: &User, host: &Host, name: &str, login: &str) {
    user.create(host, name, &["--generic-ssh-user", login, "--engine-install", "none"])
        .failed(1, &["no Docker engine"]);
}

#[test]
fn files_and_trees_go_there_back_and_across() {
    let (a, b) = (Host::up("verbs-scp-a", &[]), Host::up("verbs-scp-b", &[]));
    let user = User::new();
    machine(&user, &a, "a", "root");
    machine(&user, &b, "b", "debian");
    let here = |name: &str| user.home().join(name);
    let big: Vec<u8> = (0..30_000_000_u32).flat_map(u32::to_le_bytes).take(50_000_001).collect();
    fs::write(here("big"), &big).unwrap();
    fs::create_dir_all(here("tree/sub dir")).unwrap();
    fs::write(here("tree/sub dir/a\nb"), "text").unwrap();
    fs::write(here("tree/empty"), "").unwrap();
    fs::set_permissions(here("tree/sub dir/a\nb"), fs::Permissions::from_mode(0o751)).unwrap();
    symlink("sub dir/a\nb", here("tree/link")).unwrap();

    let up = user.rmachine(&["scp", "big", "a:/root/big"]).ok();
    assert!(up.out.starts_with("Copied 1 file, 50.0 MB in ") && up.err.is_empty(), "{up:?}");
    user.rmachine(&["scp", "-r", "tree", "a:"]).ok();
    // Names here are bytes, which need not be UTF-8.
    fs::write(user.home().join(OsStr::from_bytes(b"caf\xe9")), "latin1").unwrap();
    let words = [OsStr::new("scp"), OsStr::from_bytes(b"caf\xe9"), OsStr::new("a:/root/cafe")];
    user.rmachine(&words).ok();
    assert_eq!(a.run("cat /root/cafe"), "latin1");
    // Neither host knows the other, nor the user who copies between them.
    user.rmachine(&["scp", "-q", "a:big", "b:/tmp/"]).ok();
    user.rmachine(&["scp", "-r", "a:/root/tree", "b:t2"]).ok();
    assert_eq!(b.run("stat -c '%U %s' /tmp/big"), "debian 50000001\n");
    assert_eq!(b.run("stat -c %a '/home/debian/t2/sub dir/a\nb'"), "751\n");
    let back = user.rmachine(&["scp", "b:/tmp/big", "back"]).ok();
    assert_eq!(back.err, "");
    assert!(fs::read(here("back")).unwrap() == big, "what came back is not what went");
    user.rmachine(&["scp", "-r", "b:t2", "."]).ok();
    assert_eq!(fs::read_to_string(here("t2/sub dir/a\nb")).unwrap(), "text");
    assert_eq!(fs::read_link(here("t2/link")).unwrap().to_str(), Some("sub dir/a\nb"));
    let (old, new) =
        (fs::metadata(here("tree/sub dir/a\nb")).unwrap(), fs::metadata(here("t2/sub dir/a\nb")).unwrap());
    assert_eq!((old.mtime(), old.mode()), (new.mtime(), new.mode()));
    assert_eq!(fs::metadata(here("t2/empty")).unwrap().len(), 0);
    // What is there is replaced as a whole, and keeps its mode.
    a.run("chmod 640 /root/big");
    fs::write(here("big"), "small now").unwrap();
    user.rmachine(&["scp", "big", "a:big"]).ok();
    assert_eq!(a.run("cat /root/big; stat -c ' %a' /root/big"), "small now 640\n");
    // Files of /proc have no size to go by.
    user.rmachine(&["scp", "a:/proc/version", "version"]).ok();
    assert!(fs::read_to_string(here("version")).unwrap().starts_with("Linux version"));
}

#[test]
fn what_cannot_be_done_names_the_path_and_leaves_no_half_file() {
    let host = Host::up("verbs-scp-bad", &["--tmpfs", "/small:size=1m"]);
    let user = User::new();
    machine(&user, &host, "a", "debian");
    host.run("chmod 777 /small; mkdir -m 700 /closed; echo old > /small/f; chmod 666 /small/f");
    fs::write(user.home().join("f"), vec![7; 4_000_000]).unwrap();
    user.rmachine(&["scp", "f", "a:/small/f"])
        .failed(1, &["cannot write a:/small/f: no space left on device", "df -h"]);
    assert_eq!(
        host.run("ls -A /small; cat /small/f"),
        "f\nold\n",
        "what was there is gone, or a part is left"
    );
    user.rmachine(&["scp", "f", "a:/etc/f"])
        .failed(1, &["cannot write a:/etc/f: permission denied", "USER@a:"]);
    user.rmachine(&["scp", "a:/closed/x", "x"]).failed(1, &["cannot read a:/closed/x: permission denied"]);
    user.rmachine(&["scp", "a:/nope", "x"]).failed(1, &["cannot read a:/nope: no such file or directory"]);
    user.rmachine(&["scp", "-r", "f", "a:/nope/f"])
        .failed(1, &["cannot write a:/nope/f: no such file or directory"]);
    user.rmachine(&["scp", "nobody@a:/etc/passwd", "x"]).failed(1, &["did not let nobody in"]);
    assert!(!user.home().join("x").exists());
    // One of several that fails keeps none of the others.
    fs::write(user.home().join("g"), "g").unwrap();
    user.rmachine(&["scp", "g", "missing", "a:/tmp"]).failed(1, &["cannot read missing"]);
    assert_eq!(host.run("cat /tmp/g"), "g");
    // The right to write a file is enough where none can be made beside it.
    host.run("echo old > /etc/ours; chmod 666 /etc/ours");
    user.rmachine(&["scp", "g", "a:/etc/ours"]).ok();
    assert_eq!(host.run("cat /etc/ours"), "g");
    // Another user is another login.
    user.rmachine(&["scp", "root@a:/etc/shadow", "shadow"]).ok();
}

#[test]
fn a_copy_that_is_broken_off_does_not_get_its_name() {
    let host = Host::up("verbs-scp-cut", &[]);
    let user = User::new();
    machine(&user, &host, "a", "root");
    // A pipe as the source comes no further than what was put in.
    let fifo = user.home().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut child =
        user.command(env!("CARGO_BIN_EXE_rmachine")).args(["scp", "fifo", "a:/root/f"]).spawn().unwrap();
    let mut pipe = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    std::io::Write::write_all(&mut pipe, &[7; 300_000]).unwrap();
    until("a part is there", || host.run("ls -A /root").contains(".f.rmachine-"));
    host.run("pkill -9 -x sshd-session");
    drop(pipe);
    assert!(!child.wait().unwrap().success());
    assert!(!host.try_run("test -e /root/f").status.success(), "half a file got its name");
    // The same towards us: the host stops in the middle.
    host.run("head -c 200M /dev/urandom > /root/big");
    let running =
        user.command(env!("CARGO_BIN_EXE_rmachine")).args(["scp", "a:/root/big", "big"]).spawn().unwrap();
    let mut running = running;
    until("a part is here", || parts(&user) == 1);
    host.run("pkill -9 -x sshd-session");
    assert!(!running.wait().unwrap().success());
    assert!(!user.home().join("big").exists());
    assert_eq!(parts(&user), 0, "a part is left here");
}

fn parts(user: &User) -> usize {
    let entries = fs::read_dir(user.home()).unwrap();
    entries.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains(".rmachine-")).count()
}

#[test]
fn rsync_goes_through_us() {
    let host = Host::up("verbs-scp-delta", &[]);
    let user = User::new();
    machine(&user, &host, "a", "debian");
    fs::create_dir_all(user.home().join("www")).unwrap();
    fs::write(user.home().join("www/a b"), "one").unwrap();
    // rsync ends with the shell's 127 or, when it notices the closed connection first, with its own 12.
    let without = user.rmachine(&["scp", "-r", "-d", "www", "a:"]);
    assert!([12, 127].contains(&without.code), "{without:?}");
    assert!(without.err.contains("rsync: command not found"), "{without:?}");
    assert!(without.err.contains(&format!("exit status {}", without.code)), "{without:?}");
    host.run("apt-get update -qq && apt-get install -qq -y rsync >/dev/null 2>&1");
    user.rmachine(&["scp", "-r", "-d", "www", "a:"]).ok();
    assert_eq!(host.run("cat '/home/debian/www/a b'; stat -c ' %U' '/home/debian/www/a b'"), "one debian\n");
    fs::write(user.home().join("www/a b"), "two").unwrap();
    user.rmachine(&["scp", "-r", "-d", "www/", "root@a:/home/debian/www"]).ok();
    assert_eq!(host.run("cat '/home/debian/www/a b'"), "two");
    user.rmachine(&["scp", "-d", "a:www/a b", "back"]).ok();
    assert_eq!(fs::read_to_string(user.home().join("back")).unwrap(), "two");
    // Names are bytes: rsync takes them as they are.
    let latin1 = OsStr::from_bytes(b"caf\xe9");
    fs::write(user.home().join(latin1), "three").unwrap();
    user.rmachine(&[OsStr::new("scp"), OsStr::new("-d"), latin1, OsStr::from_bytes(b"a:copi\xe9")]).ok();
    assert_eq!(host.run(r#"cat "$(printf '/home/debian/copi\351')""#), "three");
    user.rmachine(&["scp", "-d", "a:x", "a:y"]).failed(2, &["leave out -d"]);
}

#[test]
fn a_folder_is_mounted_with_the_pinned_host_key() {
    let host = Host::up("verbs-mount", &[]);
    let user = User::new();
    machine(&user, &host, "a", "debian");
    host.run(
        "mkdir -p /home/debian/www && echo text > /home/debian/www/f && chown -R debian /home/debian/www",
    );
    fs::create_dir(user.home().join("mnt")).unwrap();
    user.rmachine(&["mount", "a:www", "mnt"]).ok();
    assert_eq!(fs::read_to_string(user.home().join("mnt/f")).unwrap(), "text\n");
    fs::write(user.home().join("mnt/g"), "from here").unwrap();
    assert_eq!(host.run("cat /home/debian/www/g; stat -c ' %U' /home/debian/www/g"), "from here debian\n");
    let known = user.machine_file("a", "known_hosts");
    assert_eq!(fs::metadata(&known).unwrap().permissions().mode() & 0o777, 0o600);
    user.rmachine(&["mount", "-u", "a:www", "mnt"]).ok();
    assert!(!user.home().join("mnt/f").exists());
    user.rmachine(&["mount", "a:nope", "mnt"]).failed(1, &["cannot mount a:nope: no such file or directory"]);
    user.rmachine(&["mount", "a:www", "nomnt"]).failed(1, &["mkdir -p nomnt"]);
    // Another host in its place is not mounted.
    host.run("rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh");
    user.rmachine(&["mount", "a:www", "mnt"]).failed(1, &["has changed"]);
}
