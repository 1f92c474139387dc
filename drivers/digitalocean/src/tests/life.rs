//! From the first to the last day of a droplet.

use rmachine_digitalocean_server::Accepts;
use rmachine_driver::{
    Catalogs, Driver, DriverErrorKind, Firewall, Keyring, Leftovers, Prices, Snapshots, State, Tagged,
    TaggedResources,
};

use super::rig::{HOST_KEY, Machine, Rig, Ring};

async fn state(rig: &Rig, machine: &Machine) -> State {
    rig.driver.state(&machine.view()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn made_used_and_removed() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[("tags", "env:test, web")]);
    assert_eq!(state(&rig, &machine).await, State::None);
    machine.create(&rig).await.unwrap();
    let asked = rig.cloud.asked("web1").unwrap();
    assert_eq!(asked["image"], "ubuntu-24-04-x64");
    assert!(asked["tags"].as_array().unwrap().iter().any(|t| t == "env:test"));
    let user_data = asked["user_data"].as_str().unwrap();
    assert!(user_data.starts_with("#cloud-config\n") && user_data.contains("IHOST first"));

    let described = rig.driver.describe(&machine.state);
    assert!(described.address.as_deref().is_some_and(|a| a.starts_with("203.0.113.")), "{described:?}");
    assert_eq!(described.endpoint.unwrap().host_key.as_deref(), Some(HOST_KEY));
    assert_eq!(state(&rig, &machine).await, State::Running);
    for (act, now) in [("stop", State::Stopped), ("start", State::Running), ("kill", State::Stopped)] {
        match act {
            "stop" => rig.driver.stop(&mut machine.handle()).await.unwrap(),
            "start" => rig.driver.start(&mut machine.handle()).await.unwrap(),
            _ => rig.driver.kill(&mut machine.handle()).await.unwrap(),
        }
        assert_eq!(state(&rig, &machine).await, now, "{act}");
    }
    let before = machine.state.clone();
    machine.remove(&rig).await.unwrap();
    assert_eq!(rig.cloud.holds(), Vec::<String>::new());
    assert_eq!(state(&rig, &machine).await, State::None, "what is gone is not described any more");
    machine.state = before;
    let error = rig.driver.state(&machine.view()).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Missing);
    machine.remove(&rig).await.unwrap();
    rig.assert_described();
}

#[tokio::test(start_paused = true)]
async fn with_everything_that_can_hang_on_it() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[
        ("firewall", "198.51.100.7/32"),
        ("reserved-ip", "new"),
        ("project", "4e1bfbc3-dc3e-41f2-a18f-1b4d7ba71679"),
        ("volumes", "506f78a4-e098-11e5-ad9f-000f53306ae1"),
        ("vpc", "760e09ef-dc84-11e8-981e-3cfdfeaae000"),
        ("droplet-agent", ""),
        ("ipv6", ""),
        ("monitoring", ""),
    ]);
    machine.create(&rig).await.unwrap();
    let firewalls = rig.cloud.firewalls();
    let rules = firewalls[0]["inbound_rules"].as_array().unwrap();
    let open = |port: &str| {
        let rule = rules.iter().find(|r| r["ports"] == port).unwrap();
        rule["sources"]["addresses"][0].as_str().unwrap().to_owned()
    };
    assert_eq!((open("22"), open("2376")), ("198.51.100.7/32".to_owned(), "198.51.100.7/32".to_owned()));
    assert_eq!(open("2377"), "10.10.10.0/24", "what a swarm says stays in the VPC");
    assert_eq!(firewalls[0]["tags"].as_array().unwrap().len(), 1, "it is for this machine alone");
    assert!(machine.state.text("IPAddress").starts_with("198.51.100."));
    machine.remove(&rig).await.unwrap();
    assert_eq!(rig.cloud.holds(), Vec::<String>::new());
    rig.assert_described();
}

/// SSH is open to all until the machine has told who we are, the engine to nobody; afterwards both to us alone.
#[tokio::test(start_paused = true)]
async fn a_firewall_for_whoever_makes_it() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[("firewall", "auto"), ("ssh-port", "2222")]);
    machine.create(&rig).await.unwrap();
    assert!(rig.driver.admits_only_caller(&machine.state));
    assert_eq!(rig.cloud.open_to("2222"), ["0.0.0.0/0", "::/0"]);
    assert!(rig.cloud.open_to("2376").is_empty() && rig.cloud.open_to("22").is_empty());
    rig.cloud.forget_log();
    for from in ["198.51.100.9", "::ffff:198.51.100.9"] {
        rig.driver.admit_caller(&mut machine.handle(), from.parse().unwrap()).await.unwrap();
        assert_eq!(rig.cloud.open_to("2222"), ["198.51.100.9/32"]);
        assert_eq!(rig.cloud.open_to("2376"), ["198.51.100.9/32"]);
    }
    assert_eq!(rig.cloud.calls(), 1, "what is said already is not said again: {:?}", rig.cloud.log());

    // Other words; somebody who removed it by hand does not keep it from being there again.
    let guard = async |machine: &mut Machine, words: &[&str]| {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        rig.driver.set_allowed_sources(&mut machine.handle(), &words).await
    };
    guard(&mut machine, &["10.9.0.0/16", "port:443"]).await.unwrap();
    assert_eq!(rig.cloud.open_to("2222"), ["10.9.0.0/16"]);
    assert_eq!(rig.cloud.open_to("443"), ["0.0.0.0/0", "::/0"]);
    guard(&mut machine, &["none"]).await.unwrap();
    assert!(rig.cloud.firewalls().is_empty() && !rig.driver.admits_only_caller(&machine.state));
    guard(&mut machine, &["auto"]).await.unwrap();
    assert_eq!(rig.cloud.firewalls().len(), 1);
    let error = guard(&mut machine, &["nonsense"]).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Invalid, "{error}");
    machine.remove(&rig).await.unwrap();
    assert_eq!(rig.cloud.holds(), Vec::<String>::new());
    rig.assert_described();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_there_already_stays() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[]);
    // The same key under another name: somebody else's.
    machine.create(&rig).await.unwrap();
    machine.remove(&rig).await.unwrap();
    let before = rig.cloud.add_key("mine", "ssh-ed25519 AAAA mine");
    let fingerprint = "3b:16:03:ee";
    let mut given = rig.named("web2", &[("ssh-key-fingerprint", fingerprint)]);
    given.state.set("SSHKeyFingerprint", format!("3b:16:{:02x}:{:02x}", before / 256, before % 256));
    given.create(&rig).await.unwrap();
    given.remove(&rig).await.unwrap();
    assert_eq!(rig.cloud.holds(), [format!("key {before}")]);
    rig.assert_described();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_shut_down_is_cut_off() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[]);
    machine.create(&rig).await.unwrap();
    rig.cloud.knobs(|k| k.ignores_shutdown = true);
    let began = tokio::time::Instant::now();
    rig.driver.stop(&mut machine.handle()).await.unwrap();
    assert_eq!(state(&rig, &machine).await, State::Stopped);
    let took = began.elapsed().as_secs();
    assert!((60..90).contains(&took), "{took} s");
    rig.driver.start(&mut machine.handle()).await.unwrap();
    rig.cloud.knobs(|k| k.actions_hang = true);
    let error = rig.driver.kill(&mut machine.handle()).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Unreachable, "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_is_doing_is_awaited() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[]);
    machine.create(&rig).await.unwrap();
    // A power_off by hand is under way.
    let id = machine.state.int("DropletID");
    let mut request =
        rmachine_digitalocean_server::Request::new("POST", &format!("/v2/droplets/{id}/actions"));
    request.token = Some(super::rig::TOKEN.to_owned());
    request.body = Some(serde_json::json!({"type": "power_off"}));
    rig.cloud.call(&request);
    machine.remove(&rig).await.unwrap();
    assert_eq!(rig.cloud.holds(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn images_by_the_name_of_a_snapshot() {
    let rig = Rig::new();
    rig.cloud.knobs(|k| k.images = Accepts::KnownImages);
    let mut machine = rig.machine(&[]);
    machine.create(&rig).await.unwrap();
    let baked = rig.driver.take_snapshot(&mut machine.handle(), "baked").await.unwrap();
    let twice = rig.driver.take_snapshot(&mut machine.handle(), "baked").await.unwrap_err();
    assert!(twice.message.contains("already"), "{twice}");
    assert_eq!(rig.driver.list_snapshots(&machine.view()).await.unwrap(), std::slice::from_ref(&baked));
    for (name, image) in [("by-name", "baked"), ("by-id", baked.id.as_str())] {
        let mut other = rig.named(name, &[("image", image)]);
        other.create(&rig).await.unwrap();
        assert_eq!(rig.cloud.asked(name).unwrap()["image"].to_string(), baked.id);
    }
    let error = rig.named("web3", &[("image", "nothing-like-that")]).create(&rig).await.unwrap_err();
    assert!(error.message.contains("invalid image") && error.leftovers == Leftovers::None, "{error}");
    rig.driver.restore_snapshot(&mut machine.handle(), "baked").await.unwrap();
    assert!(rig.driver.remove_snapshot(&mut machine.handle(), "baked").await.unwrap());
    assert!(!rig.driver.remove_snapshot(&mut machine.handle(), "baked").await.unwrap());
    rig.assert_described();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_refused_before_anything_is_made() {
    let rig = Rig::new();
    for (options, words) in [
        ([("size", "s-100")], "no size"),
        ([("region", "mars1")], "no region \"mars1\""),
        ([("region", "fra")], ""),
    ] {
        let checked = rig.driver.check(&rig.machine(&options).view()).await;
        match checked {
            Err(e) => assert!(e.message.contains(words) && !words.is_empty(), "{e}"),
            Ok(()) => assert_eq!(words, ""),
        }
    }
    let small = rig.machine(&[("size", "s-1vcpu-512mb-10gb"), ("region", "fra1")]);
    let error = rig.driver.check(&small.view()).await.unwrap_err();
    assert!(error.message.contains("it is in nyc3"), "{error}");
    let quote = rig.driver.quote(&rig.machine(&[]).view()).await.unwrap();
    assert_eq!((quote.per_hour.as_str(), quote.per_month.as_str()), ("$0.00893", "$6.00"));
    assert!(rig.cloud.holds().is_empty());
    for catalog in ["regions", "sizes", "images"] {
        let listed = rig.driver.fetch_catalog(catalog, &Ring::default()).await.unwrap();
        assert!(listed.rows.iter().all(|r| r.len() == listed.columns.len()) && listed.rows.len() >= 3);
    }
    rig.assert_described();
}

#[tokio::test(start_paused = true)]
async fn leftovers_are_found_by_their_tags() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[("firewall", "10.0.0.0/8"), ("reserved-ip", "new")]);
    machine.create(&rig).await.unwrap();
    rig.cloud.populate(3, &["web"]);
    let before = rig.cloud.add_key("mine", "ssh-ed25519 BBBB mine");
    let ring = Ring::default();
    assert!(ring.accounts().unwrap().is_empty());
    let found: Vec<Tagged> = rig.another().driver.list_tagged(&ring).await.unwrap();
    let mut kinds: Vec<&str> = found.iter().map(|t| t.resource.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["droplet", "firewall", "key", "reserved-ip"]);
    assert!(found.iter().all(|t| t.tags.machine == machine.name && t.tags.store == "/nowhere"));
    rig.driver.remove_tagged(&ring, &found).await.unwrap();
    rig.driver.remove_tagged(&ring, &found).await.unwrap();
    let left = rig.cloud.holds();
    assert!(left.len() == 4 && left.contains(&format!("key {before}")), "{left:?}");
    rig.assert_described();
}
