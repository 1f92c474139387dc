//! `export` and `import` between two stores of one computer; what answers over SSH is in tests/e2e.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use super::harness::{Outcome, Sandbox};
use super::unreachable_hosts;

/// A store with a generic machine that has a key, and one without a host.
fn lab() -> Sandbox {
    let lab = unreachable_hosts::lab();
    lab.create_none("n");
    lab.plant("node1", "v3-generic.json");
    let key = fs::read(lab.path("H/key")).unwrap();
    fs::write(lab.machine("node1").join("id_ed25519"), key).unwrap();
    lab
}

/// The archive of these words, in the box.
fn export(lab: &Sandbox, words: &str, file: &str) -> PathBuf {
    let path = lab.path(file);
    let out = fs::File::create(&path).unwrap();
    let done = lab.call(&format!("export {words}")).into_command().stdout(out).status().unwrap();
    assert!(done.success());
    path
}

fn import(lab: &Sandbox, words: &str) -> Outcome {
    lab.run(&format!("-s /T/S2 import {words}"))
}

fn imported(lab: &Sandbox) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(lab.path("S2/machines"))
        .into_iter()
        .flatten()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn archives_carry_keys_and_certificates_but_no_local_paths() {
    let lab = lab();
    let archive = export(&lab, "n node1", "a.tar");
    let text = String::from_utf8_lossy(&fs::read(&archive).unwrap()).into_owned();
    assert!(!text.contains(&lab.store().display().to_string()), "a path of this store is in the archive");
    assert!(!text.contains("ca-key.pem\0"), "the CA's key is in the archive");
    assert_snapshot!(import(&lab, "/T/a.tar"), @r"
    exit 0
    --- stdout
    Imported n
    Imported node1
    ");
    let files: Vec<String> = lab.tree().into_iter().filter(|p| p.starts_with("S2/machines/node1/")).collect();
    assert!(files.contains(&"S2/machines/node1/id_ed25519".to_owned()), "{files:?}");
    assert!(files.contains(&"S2/machines/node1/ca.pem".to_owned()), "{files:?}");
    for file in files.iter().filter(|f| !f.ends_with('/')) {
        let mode = fs::metadata(lab.path(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let config = lab.read("S2/machines/node1/config.json");
    assert!(config.contains("\"SSHKeyPath\": \"/S2/machines/node1/id_ed25519\""), "{config}");
    assert!(config.contains("\"CaCertPath\": \"/S2/machines/node1/ca.pem\""), "{config}");
    assert!(!config.contains("\"/S/"), "{config}");
    // Again it is refused by name, and nothing is changed.
    assert_snapshot!(import(&lab, "/T/a.tar"), @r#"
    exit 1
    --- stderr
    Docker machine "n" already exists
    Hint: import it under another name: --rename n=NEW
    "#);
}

#[test]
fn import_renames_a_machine_in_every_file() {
    let lab = lab();
    export(&lab, "node1", "a.tar");
    assert_eq!(import(&lab, "--rename node1=web /T/a.tar").code, Some(0));
    assert_eq!(imported(&lab), ["web"]);
    assert_eq!(lab.ok("-s /T/S2 inspect -f '{{.Name}} {{.Driver.MachineName}}' web"), "web web\n");
    assert_snapshot!(import(&lab, "--rename x=y /T/a.tar"), @r#"
    exit 2
    --- stderr
    --rename: there is no machine "x" in the archive
    "#);
    assert_eq!(import(&lab, "--rename node1=../x /T/a.tar").code, Some(2));
}

#[test]
fn import_takes_all_machines_or_none() {
    let lab = lab();
    export(&lab, "n node1", "a.tar");
    lab.ok("-s /T/S2 create -d none --url tcp://127.0.0.1:1 n");
    assert_eq!(import(&lab, "/T/a.tar").code, Some(1));
    assert_eq!(imported(&lab), ["n"], "the other one came alone");
}

#[test]
fn encrypted_archive_requires_its_passphrase() {
    let lab = lab();
    lab.write("T/none", "");
    lab.write("pass", "s3cret\n");
    lab.write("wrong", "other\n");
    let archive = export(&lab, &format!("--passphrase-file {} node1", lab.path("pass").display()), "a.age");
    let sealed = fs::read(&archive).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    assert!(!String::from_utf8_lossy(&sealed).contains("PRIVATE KEY"));
    assert_snapshot!(import(&lab, "--passphrase-file /T/wrong /T/a.age"), @r"
    exit 1
    --- stderr
    the passphrase is wrong, or the archive was changed
    ");
    assert!(imported(&lab).iter().all(|n| n.starts_with('.')), "{:?}", imported(&lab));
    assert_eq!(import(&lab, "--passphrase-file /T/pass /T/a.age").code, Some(0));
    // Without a file and without a terminal there is nobody to ask.
    let asked = Command::new("setsid")
        .args(["-w", env!("CARGO_BIN_EXE_rmachine"), "-s"])
        .arg(lab.path("S3"))
        .arg("import")
        .arg(&archive)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(!asked.status.success() && said.contains("--passphrase-file FILE"), "{said}");
}

/// What is sealed here opens with age, and what age seals opens here.
#[test]
fn encrypted_archive_is_readable_by_age() {
    let lab = lab();
    lab.write("pass", "s3cret\n");
    let archive = export(&lab, &format!("--passphrase-file {} n", lab.path("pass").display()), "a.age");
    let plain = export(&lab, "n", "a.tar");
    let opened =
        with_a_terminal(&lab, &format!("age -d -o {} {}", lab.path("b.tar").display(), archive.display()), 1);
    assert_eq!(fs::read(lab.path("b.tar")).ok(), fs::read(&plain).ok(), "{opened}");
    let sealed = format!("age -p -o {} {}", lab.path("c.age").display(), plain.display());
    let said = with_a_terminal(&lab, &sealed, 2);
    let outcome = import(&lab, "--passphrase-file /T/pass /T/c.age");
    assert_eq!(outcome.code, Some(0), "{outcome}\n{said}");
}

/// age asks on a terminal alone: one is made for it, and the passphrase typed so many times.
fn with_a_terminal(lab: &Sandbox, command: &str, times: usize) -> String {
    let script = format!(
        "import os, pty, sys\n\
         pid, fd = pty.fork()\n\
         if pid == 0: os.execvp('sh', ['sh', '-c', {command:?}])\n\
         seen, typed = b'', 0\n\
         while True:\n\
         \x20   try: data = os.read(fd, 1024)\n\
         \x20   except OSError: break\n\
         \x20   if not data: break\n\
         \x20   seen += data\n\
         \x20   if seen.lower().count(b'passphrase') > typed and seen.rstrip().endswith(b':') and typed < {times}:\n\
         \x20       os.write(fd, b's3cret\\n'); typed += 1; seen = b''\n\
         \x20       seen = b'passphrase ' * typed\n\
         os.waitpid(pid, 0); sys.stdout.write(seen.decode(errors='replace'))\n"
    );
    let output = Command::new("python3").args(["-c", &script]).current_dir(lab.path("H")).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn import_refuses_hostile_archives_and_leaves_nothing() {
    let lab = lab();
    let evil = |file: &str, script: &str| {
        let script = format!(
            "import io, tarfile\nt = tarfile.open({:?}, 'w')\ndef add(name, data=b'{{}}', kind=tarfile.REGTYPE, link=''):\n\
             \x20   i = tarfile.TarInfo(name); i.size = len(data) if kind == tarfile.REGTYPE else 0; i.type = kind; i.linkname = link\n\
             \x20   t.addfile(i, io.BytesIO(data))\nadd('rmachine-export.json', b'{{\"Version\": 1, \"Machines\": [\"x\"]}}')\n{script}\nt.close()\n",
            lab.path(file)
        );
        let made = Command::new("python3").args(["-c", &script]).status().unwrap();
        assert!(made.success());
        let outcome = import(&lab, &format!("/T/{file}"));
        assert_eq!(outcome.code, Some(1), "{outcome}");
        assert!(imported(&lab).iter().all(|n| n.starts_with('.')), "{:?}", imported(&lab));
        outcome.stderr.lines().next().unwrap().to_owned()
    };
    let whole = "add('machines/x/config.json'); add('machines/x/rmachine.json');";
    assert_snapshot!(evil("up.tar", &format!("{whole} add('machines/x/../../up')")), @r#"the archive holds "machines/x/../../up", which no `export` writes: nothing was imported"#);
    assert_snapshot!(evil("abs.tar", &format!("{whole} add('/etc/up')")), @r#"the archive holds "/etc/up", which no `export` writes: nothing was imported"#);
    assert_snapshot!(evil("link.tar", &format!("{whole} add('machines/x/id', kind=tarfile.SYMTYPE, link='/etc/passwd')")), @r#"the archive holds "machines/x/id", which no `export` writes: nothing was imported"#);
    assert_snapshot!(evil("dev.tar", &format!("{whole} add('machines/x/id', kind=tarfile.CHRTYPE)")), @r#"the archive holds "machines/x/id", which no `export` writes: nothing was imported"#);
    assert_snapshot!(evil("twice.tar", &format!("{whole} {whole}")), @r#"the archive holds "machines/x/config.json" twice: nothing was imported"#);
    assert_snapshot!(evil("big.tar", &format!("{whole} add('machines/x/big', b'0' * 2000000)")), @"the archive is larger than any that `export` writes: nothing was imported");
    assert_snapshot!(evil("half.tar", "add('machines/x/config.json')"), @"the archive was cut off or changed: machine x is not whole");
    let stolen = r#"add('machines/x/config.json', b'{"ConfigVersion": 3, "Driver": {"SSHKeyPath": "/root/.ssh/id_rsa"}}'); add('machines/x/rmachine.json')"#;
    assert_snapshot!(evil("stolen.tar", stolen), @r#"the archive was cut off or changed: machine x: it names the path "/root/.ssh/id_rsa""#);
}

/// A token would be sent to whom the archive names, and a command of its be run, by the first `ls`.
#[test]
fn import_ignores_commands_and_token_endpoints_in_archives() {
    let lab = lab();
    lab.plant("old", "v2.json");
    let archive = export(&lab, "old", "a.tar");
    let forge = format!(
        "import io, json, tarfile\nold = tarfile.open({:?}); new = tarfile.open({:?}, 'w')\nfor i in old:\n\
         \x20   data = old.extractfile(i).read()\n\
         \x20   if i.name.endswith('config.json'):\n\
         \x20       c = json.loads(data); c['Driver'].update(APIURL='http://127.0.0.1:9', TokenCommand='exit 7', TokenFile='x', AccessToken='t')\n\
         \x20       data = json.dumps(c).encode(); i.size = len(data)\n\
         \x20   new.addfile(i, io.BytesIO(data))\nnew.close()\n",
        archive,
        lab.path("forged.tar")
    );
    assert!(Command::new("python3").args(["-c", &forge]).status().unwrap().success());
    let outcome = import(&lab, "/T/forged.tar");
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let kept = lab.run("-s /T/S2 inspect -f '{{.Driver.APIURL}}|{{.Driver.TokenCommand}}|{{.Driver.TokenFile}}|{{.Driver.AccessToken}}' old");
    assert_eq!(kept.stdout, "|||\n", "{kept}");
}

#[test]
fn export_refuses_unusable_machines_and_targets() {
    let lab = lab();
    assert_snapshot!(lab.run("export"), @"
    exit 2
    --- stderr
    Error: Expected to get one or more machine names as arguments
    ");
    assert_snapshot!(lab.run("export nosuch"), @r#"
    exit 1
    --- stderr
    Docker machine "nosuch" does not exist. Use "rmachine ls" to list machines. Use "rmachine create" to add a new one.
    "#);
    lab.write("rubbish", "no archive");
    assert_snapshot!(import(&lab, "/T/rubbish"), @"
    exit 1
    --- stderr
    this is no archive that `export` made
    ");
    // A terminal is nothing to write an archive to.
    let command = format!("{} -s {} export n", env!("CARGO_BIN_EXE_rmachine"), lab.store().display());
    let shown = Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("an archive is nothing for a terminal"),
        "{shown:?}"
    );
    // Nor is a full disk: a part of an archive is none.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = lab.call("export n").into_command().stdout(full).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("could not be written"), "{done:?}");
    assert_eq!(done.status.code(), Some(1));
}

/// Killed at each of the moments at which a file takes its place: no machine, or all of it.
#[test]
fn killed_import_leaves_nothing() {
    let lab = lab();
    export(&lab, "node1", "a.tar");
    let mut left = 0;
    for moment in 1..60 {
        let store = lab.path(&format!("K{moment}"));
        let words = format!("-s {} import {}", store.display(), lab.path("a.tar").display());
        if !super::certs::killed_at(&lab, moment, &words) {
            left = moment;
            break;
        }
        let names: Vec<_> = fs::read_dir(store.join("machines"))
            .into_iter()
            .flatten()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| !n.starts_with('.'))
            .collect();
        if names.is_empty() {
            lab.ok(&words);
        }
        assert_eq!(lab.ok(&format!("-s {} ls -q", store.display())), "node1\n", "killed at {moment}");
        assert!(store.join("machines/node1/id_ed25519").is_file(), "killed at {moment}");
    }
    assert!(left > 3, "it was never killed: {left}");
}
