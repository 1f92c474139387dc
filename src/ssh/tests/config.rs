#![allow(clippy::disallowed_methods, reason = "the tests write the files that are read")]

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::ssh::config::*;

fn home(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(".ssh").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn found(config: &str, host: &str) -> HostSettings {
    lookup(home(&[("config", config)]).path(), host).unwrap()
}

#[test]
fn no_file_says_nothing() {
    assert_eq!(lookup(home(&[]).path(), "db").unwrap(), HostSettings::default());
}

#[test]
fn the_first_value_wins_and_keys_add_up() {
    let dir = home(&[(
        "config",
        "IdentityFile ~/first\n\nHost db other\n  HostName = 10.0.0.5\n\tuser=alice\n  Port 2222\n  IdentityFile \"~/my keys/%h\"\n\
         Host *\n  User bob # not alice\n  HostName 10.0.0.9\n  IdentitiesOnly yes\n  IdentityFile none\n  IdentityFile id_rel\n",
    )]);
    let settings = lookup(dir.path(), "db").unwrap();
    assert_eq!(settings.host_name.as_deref(), Some("10.0.0.5"));
    assert_eq!(settings.user.as_deref(), Some("alice"));
    assert_eq!(settings.port, Some(2222));
    assert_eq!(settings.identities_only, Some(true));
    let keys = ["first", "my keys/db", ".ssh/id_rel"].map(|key| dir.path().join(key));
    assert_eq!(settings.identity_files, keys);
}

#[test]
fn patterns() {
    let config = "Host *.example.com !bad.example.com 10.0.?.5\n User in\n";
    for (host, matches) in [
        ("web.example.com", true),
        ("bad.example.com", false),
        ("example.com", false),
        ("10.0.1.5", true),
        ("10.0.11.5", false),
        ("web", false),
    ] {
        assert_eq!(found(config, host).user.is_some(), matches, "{host}");
    }
}

#[test]
fn host_names_may_use_the_alias() {
    assert_eq!(found("Host db\n HostName %h.example.com", "db").host_name.as_deref(), Some("db.example.com"));
}

#[test]
fn a_match_applies_only_where_it_is_understood() {
    let config = "Host *\n User first\nMatch exec \"test -e /\"\n ProxyJump wrong\nMatch user me host db\n ProxyJump wrong\n\
                  Match host db,web !originalhost web\n ProxyJump right\nMatch all\n Port 7\n";
    assert_eq!(found(config, "db").proxy_jump.as_deref(), Some("right"));
    assert_eq!(found(config, "web").proxy_jump, None);
    assert_eq!(found(config, "web").port, Some(7));
    let config = "Host db\n HostName 10.0.0.5\nMatch host 10.0.0.*\n ProxyJump bastion\n";
    assert_eq!(found(config, "db").proxy_jump.as_deref(), Some("bastion"));
}

#[test]
fn jumps_and_commands_rule_each_other_out() {
    let settings = found("Host *\n ProxyJump none\n ProxyCommand nc %h %p\n", "db");
    assert_eq!((settings.proxy_jump.as_deref(), settings.proxy_command), (Some("none"), None));
    let settings = found("Host *\n ProxyCommand nc %h %p\n ProxyJump a,b\n", "db");
    assert_eq!((settings.proxy_jump, settings.proxy_command.as_deref()), (None, Some("nc %h %p")));
    assert_eq!(found("ProxyJump a, b\n", "db").proxy_jump.as_deref(), Some("a, b"));
}

#[test]
fn included_files_belong_to_the_block() {
    let dir = home(&[
        ("config", "Host db\n Include conf.d/*.conf ~/.ssh/absent\nHost *\n User last\n"),
        ("conf.d/10.conf", "Port 10\nHost other\n User other\n"),
        ("conf.d/20.conf", "Port 20\nUser twenty\n"),
        ("conf.d/ignored", "Port broken\n"),
    ]);
    let db = lookup(dir.path(), "db").unwrap();
    assert_eq!((db.port, db.user.as_deref()), (Some(10), Some("twenty")));
    let other = lookup(dir.path(), "other").unwrap();
    assert_eq!((other.port, other.user.as_deref()), (None, Some("last")));
}

#[test]
fn what_cannot_be_used_names_file_and_line() {
    let dir = home(&[("config", "Host *\n  Include more\n"), ("more", "\nPort ssh\n")]);
    let e = lookup(dir.path(), "db").unwrap_err().to_string();
    assert_eq!(e, format!("{}:2: \"ssh\" is not a port", dir.path().join(".ssh/more").display()));

    let bad = |config: &str| lookup(home(&[("config", config)]).path(), "db").unwrap_err().to_string();
    assert!(bad("IdentityFile \"~/my key\nPort 1\n").ends_with("config:1: a quote is not closed"));
    assert!(bad("HostName\n").ends_with("config:1: hostname has no value"));
    assert!(bad("Port 0\n").ends_with("\"0\" is not a port"));
    assert!(bad("Include config\n").ends_with("too many files include each other"));
    // what we do not read, ssh may
    assert_eq!(found("NoSuchKeyword\nCiphers -\n", "db"), HostSettings::default());

    let dir = home(&[("config/file", "")]);
    assert!(matches!(lookup(dir.path(), "db").unwrap_err(), SshError::ConfigUnreadable { .. }));
}

proptest! {
    #[test]
    fn wildcards_match_what_they_were_made_from(text in "[a-c.]{0,12}", at in 0usize..12, len in 0usize..12) {
        let (start, end) = (at.min(text.len()), (at + len).min(text.len()));
        let starred = format!("{}*{}", &text[..start], &text[end..]);
        prop_assert!(wildcard(&starred, &text));
        prop_assert!(wildcard(&"?".repeat(text.len()), &text));
        let longer = text.clone() + "?";
        prop_assert!(!wildcard(&longer, &text));
    }

    #[test]
    fn any_text_is_read_or_refused(config in "(?s).{0,200}") {
        let _ = lookup(home(&[("config", &config)]).path(), "db");
    }
}
