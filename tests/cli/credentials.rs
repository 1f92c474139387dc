//! Tokens of accounts at a provider: where docker-machine left them, what goes into an archive, and what completion knows
//! of an account without asking.

use std::fs;

use serde_json::Value;

use super::digitalocean::{Scene, TOKEN};

/// A machine that docker-machine made keeps its token where docker-machine looks for it, until it is taken out.
#[test]
fn docker_machine_token_is_hidden_and_can_be_moved_to_credentials() {
    let scene = Scene::new();
    let id = scene.cloud.populate(1, &[])[0];
    scene.lab.plant("old", "v2.json");
    let path = scene.lab.machine("old").join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["Driver"]["AccessToken"] = TOKEN.into();
    config["Driver"]["DropletID"] = id.into();
    fs::write(&path, config.to_string()).unwrap();

    assert_eq!(scene.run("status old").stdout, "Running\n", "its own token opens");
    for words in ["inspect old", "inspect -f '{{json .Driver}}' old", "--debug inspect old"] {
        let shown = scene.run(words);
        assert!(shown.stdout.contains("(hidden)") && !shown.to_string().contains(TOKEN), "{shown}");
    }
    let archived = scene.run("export old");
    assert!(!archived.stdout.contains(TOKEN), "{archived}");
    assert!(archived.stderr.contains("access token of its account is not in the archive"), "{archived}");
    assert!(fs::read_to_string(&path).unwrap().contains(TOKEN), "docker-machine reads it still");

    assert_eq!(scene.run("credentials take old").stdout, "old: kept for the account team-1\n");
    assert_eq!(scene.run("credentials take old").stdout, "old: config.json holds no token\n");
    assert!(!fs::read_to_string(&path).unwrap().contains(TOKEN));
    assert_eq!(scene.run("status old").stdout, "Running\n");
    // Another account's token sees nothing of it, and takes nothing for gone.
    scene.cloud.add_token("other", "team-2");
    scene.run("credentials rm digitalocean team-1");
    let url = scene.served.url();
    let other = |words: &str| {
        scene
            .lab
            .call(words)
            .env("DIGITALOCEAN_API_URL", &url)
            .env("DIGITALOCEAN_ACCESS_TOKEN", "other")
            .run()
    };
    let removed = other("rm -y old");
    assert!(removed.code == Some(1) && removed.stderr.contains("the machine is in team-1"), "{removed}");
    assert_eq!(scene.with_token("rm -y old").code, Some(0));
    assert_eq!(scene.cloud.holds(), Vec::<String>::new());
}

/// An archive says nothing of accounts: neither a token, nor where one is read or sent.
#[test]
fn archives_carry_no_token_commands_or_endpoints() {
    let scene = Scene::new();
    scene.lab.plant("old", "v2.json");
    let path = scene.lab.machine("old").join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let evil = [
        ("TokenCommand", "touch /tmp/pwned"),
        ("TokenFile", "/etc/passwd"),
        ("APIURL", "http://127.0.0.1:9"),
    ];
    for (key, value) in evil {
        config["Driver"][key] = value.into();
    }
    config["Driver"]["AccessToken"] = "".into();
    fs::write(&path, config.to_string()).unwrap();
    let mut export = scene.lab.call("export old").into_command();
    let archive = export.output().unwrap().stdout;
    let text = String::from_utf8_lossy(&archive);
    assert!(evil.iter().all(|(_, value)| !text.contains(value)), "{text}");
    fs::write(scene.lab.path("archive"), &archive).unwrap();
    let imported = scene.run("import --rename old=new /T/archive");
    assert_eq!(
        imported.stdout,
        "Imported new\nThe access token of new's account was not in the archive: `rmachine credentials set \
         digitalocean`, or DIGITALOCEAN_ACCESS_TOKEN in the environment\n"
    );
}

/// The values of flags that a provider told last, without asking it.
#[test]
fn completion_offers_cached_provider_values() {
    let scene = Scene::new();
    let complete = |words: &str| {
        let index = shlex::split(words).unwrap().len() - 1;
        scene.run(&format!("__complete fish {index} {words}")).stdout
    };
    assert_eq!(
        complete("rmachine create -d digitalocean --digitalocean-region ''"),
        "",
        "nobody was asked yet"
    );
    for list in ["regions", "sizes", "images"] {
        assert_eq!(scene.with_token(&format!("digitalocean {list}")).code, Some(0));
    }
    scene.cloud.forget_log();
    assert_eq!(complete("rmachine create -d digitalocean --digitalocean-region f"), "fra1\n");
    assert_eq!(complete("rmachine create -d digitalocean --digitalocean-size s-4"), "s-4vcpu-8gb\n");
    assert_eq!(complete("rmachine create -d digitalocean --digitalocean-image deb"), "debian-12-x64\n");
    let of_swarm = complete("rmachine swarm create -d digitalocean --digitalocean-region ''");
    assert_eq!(of_swarm, "fra1\nnyc3\nsfo3\n");
    assert_eq!(complete("rmachine create -d docker --digitalocean-region ''"), "");
    assert_eq!(complete("rmachine credentials set digi"), "digitalocean\n");
    assert_eq!(scene.cloud.calls(), 0);
}
