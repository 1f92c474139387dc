//! The real binary against a provider that fails on demand: killed at each call, what it wrote down is enough to finish
//! or to remove the machine; and the token is in one file alone.

use std::fs;
use std::path::Path;

use rmachine_digitalocean_server::{At, Cloud, Hosts, Served, What, When};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::certs::killed_in;
use super::harness::{Outcome, Sandbox};

pub(super) const TOKEN: &str = "dop_v1_t0ps3cr3t";

/// Droplets that answer at an address where nobody listens.
struct Silent;

impl Hosts for Silent {
    fn create(&mut self, _: u64, _: &Value, _: &[String]) {}

    fn address(&mut self, _: u64) -> Option<String> {
        Some("127.0.0.1".to_owned())
    }

    fn power(&mut self, _: u64, _: bool) {}

    fn destroy(&mut self, _: u64) {}
}

pub(super) struct Scene {
    pub(super) lab: Sandbox,
    pub(super) cloud: Cloud,
    pub(super) served: Served,
    _runtime: Runtime,
}

impl Scene {
    pub(super) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let cloud = Cloud::new(TOKEN, Box::new(Silent));
        let served = runtime.block_on(cloud.serve());
        Self { lab: Sandbox::new(), cloud, served, _runtime: runtime }
    }

    pub(super) fn run(&self, words: &str) -> Outcome {
        self.lab.call(words).env("DIGITALOCEAN_API_URL", &self.served.url()).run()
    }

    pub(super) fn with_token(&self, words: &str) -> Outcome {
        let url = self.served.url();
        self.lab.call(words).env("DIGITALOCEAN_API_URL", &url).env("DIGITALOCEAN_ACCESS_TOKEN", TOKEN).run()
    }

    pub(super) fn create() -> String {
        format!(
            "create -d digitalocean --digitalocean-access-token {TOKEN} --digitalocean-ssh-port 1 --ssh-timeout 1 \
             --keep-on-failure --digitalocean-firewall 198.51.100.0/24 web1"
        )
    }

    /// One that is removed again when it fails, as it will.
    fn doomed() -> String {
        Self::create().replace("--keep-on-failure ", "")
    }

    fn assert_clean(&self, what: &str) {
        assert_eq!(self.cloud.holds(), Vec::<String>::new(), "{what}");
        assert_eq!(self.cloud.violations(), Vec::<String>::new(), "{what}");
    }

    /// Kills a create in the middle of a call.
    fn killed_at(&self, nth: usize, when: When, words: &str) {
        self.cloud.fault(At::Call(nth), when, What::Hang);
        let url = self.served.url();
        let running = self.lab.call(words).env("DIGITALOCEAN_API_URL", &url).spawn();
        self.cloud.wait_for_hit();
        running.signal("KILL");
        running.end();
        self.cloud.clear_faults();
    }
}

/// The calls of a create until it has failed, for its host does not answer.
fn calls(words: &str) -> usize {
    let scene = Scene::new();
    let failed = scene.run(words);
    assert_eq!(failed.code, Some(1), "{failed}");
    assert_eq!(scene.cloud.violations(), Vec::<String>::new());
    scene.cloud.calls()
}

/// They wait more than they work.
fn few_at_once<T: Sync>(cases: &[T], act: impl Fn(&T) + Sync) {
    for few in cases.chunks(6) {
        std::thread::scope(|scope| few.iter().for_each(|case| drop(scope.spawn(|| act(case)))));
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn create_killed_at_any_provider_call_can_be_resumed_or_removed() {
    let calls = calls(&Scene::create());
    let cases: Vec<_> = (1..=calls).flat_map(|nth| [(nth, When::Before), (nth, When::After)]).collect();
    assert!(cases.len() >= 14, "{cases:?}");
    few_at_once(&cases, |(nth, when)| finished_or_removed(*nth, *when));
}

/// What costs money goes when the create fails; killed while it goes, it is listed, and made anew or removed.
#[test]
fn cleanup_killed_at_any_provider_call_can_be_completed() {
    let made = calls(&Scene::create());
    let all = calls(&Scene::doomed());
    assert!(all >= made + 4, "{made} calls to make it, {all} with its end");
    let cases: Vec<_> = (made + 1..=all).flat_map(|nth| [(nth, When::Before), (nth, When::After)]).collect();
    few_at_once(&cases, |(nth, when)| {
        let scene = Scene::new();
        scene.killed_at(*nth, *when, &Scene::doomed());
        let what = format!("killed at call {nth} {when:?}");
        let listed = scene.with_token("ls -f {{.Name}}:{{.DriverName}}");
        assert!(listed.stdout.contains("web1:digitalocean"), "{what}: {listed}");
        if (nth + usize::from(*when == When::After)).is_multiple_of(2) {
            let done = scene.with_token("create --resume --keep-on-failure --ssh-timeout 1 web1");
            assert!(done.stderr.contains("127.0.0.1"), "{what}: {done}");
            let droplets = scene.cloud.holds().iter().filter(|h| h.starts_with("droplet")).count();
            assert_eq!(droplets, 1, "{what}: {:?}", scene.cloud.holds());
        }
        let removed = scene.with_token("rm -y web1");
        assert_eq!(removed.code, Some(0), "{what}: {removed}");
        scene.assert_clean(&what);
    });
}

/// Each file that is put into its place is a moment that a kill may come before; those of the journal are among them.
#[test]
fn create_killed_at_any_file_write_can_be_resumed_or_removed() {
    let killed = |moment: usize| {
        let scene = Scene::new();
        let url = scene.served.url();
        let cut = killed_in(&scene.lab, moment, &Scene::doomed(), &[("DIGITALOCEAN_API_URL", &url)]);
        let what = format!("killed at file {moment}");
        let there = scene.lab.machine("web1").is_dir();
        let listed = scene.with_token("ls -f {{.Name}}:{{.DriverName}}");
        assert_eq!(listed.stdout.contains("web1:digitalocean"), there, "{what}: {listed}");
        if there && moment.is_multiple_of(2) {
            let done = scene.with_token("create --resume --keep-on-failure --ssh-timeout 1 web1");
            assert!(done.stderr.contains("127.0.0.1"), "{what}: {done}");
        }
        if there {
            let removed = scene.with_token("rm -y web1");
            assert_eq!(removed.code, Some(0), "{what}: {removed}");
        }
        scene.assert_clean(&what);
        cut
    };
    let cuts = std::sync::Mutex::new(Vec::new());
    let moments: Vec<usize> = (1..=30).collect();
    few_at_once(&moments, |moment| {
        let cut = killed(*moment);
        cuts.lock().unwrap().push((*moment, cut));
    });
    let mut cuts = cuts.into_inner().unwrap();
    cuts.sort_unstable();
    let files = cuts.iter().take_while(|(_, cut)| *cut).count();
    // Two for each of account, key, droplet and firewall, and the phases.
    assert!(files >= 16, "{cuts:?}");
    assert!(cuts[files..].iter().all(|(_, cut)| !cut), "there are more files than were tried: {cuts:?}");
    assert!(files < moments.len(), "there are more files than were tried");
}

#[test]
fn failed_create_removes_its_provider_resources() {
    let scene = Scene::new();
    let failed = scene.run(&Scene::doomed());
    assert_eq!(failed.code, Some(1), "{failed}");
    for words in [
        "removed again: all that was made",
        "left behind: machine \"web1\" in phase reserved",
        "`rmachine create --resume web1` goes on from there",
        "with --keep-on-failure what is made stays",
    ] {
        assert!(failed.stderr.contains(words), "{words:?} is not in {failed}");
    }
    scene.assert_clean("removed");
    assert_eq!(scene.run("ls -f '{{.Name}} {{.Phase}}'").stdout, "web1 reserved\n");

    // Made anew, and kept this time; what was wished once holds for the next run too.
    for words in
        ["create --resume --keep-on-failure --ssh-timeout 1 web1", "create --resume --ssh-timeout 1 web1"]
    {
        let kept = scene.run(words);
        assert!(kept.stderr.contains("in phase created"), "{kept}");
        assert!(!kept.stderr.contains("removed again"), "{kept}");
        assert_eq!(scene.cloud.holds().iter().filter(|h| h.starts_with("droplet")).count(), 1);
    }
    // Somebody destroys it by hand: there is nothing to go on with.
    let id = scene.cloud.droplet("web1").unwrap()["id"].as_u64().unwrap();
    scene.cloud.destroy(id);
    let anew = scene.run("create --resume --ssh-timeout 1 web1");
    assert!(anew.stdout.contains("is gone: it is made anew"), "{anew}");
    assert_ne!(scene.cloud.droplet("web1").unwrap()["id"].as_u64(), Some(id));
    assert_eq!(scene.run("rm -y web1").code, Some(0));
    scene.assert_clean("at the end");
}

/// What cannot be removed is said.
#[test]
fn failed_create_reports_resources_that_it_cannot_remove() {
    let scene = Scene::new();
    scene.cloud.fault_times(At::Path("DELETE", "/v2/droplets"), When::Before, What::Status(403), 9);
    let failed = scene.run(&Scene::doomed());
    for words in
        ["it could not be removed again", "left behind: ", "droplet 1", "machine \"web1\" in phase created"]
    {
        assert!(failed.stderr.contains(words), "{words:?} is not in {failed}");
    }
    scene.cloud.clear_faults();
    assert_eq!(scene.run("rm -y web1").code, Some(0));
    scene.assert_clean("at the end");
}

fn finished_or_removed(nth: usize, when: When) {
    let scene = Scene::new();
    scene.killed_at(nth, when, &Scene::create());
    let what = format!("killed at call {nth} {when:?}");
    let there = scene.lab.machine("web1").is_dir();
    let listed = scene.with_token("ls -f {{.Name}}:{{.DriverName}}");
    assert_eq!(listed.stdout.contains("web1:digitalocean"), there, "{what}: {listed}");
    if there && (nth + usize::from(when == When::After)).is_multiple_of(2) {
        // Its host does not answer: as far as the provider goes it is made.
        let done = scene.with_token("create --resume --ssh-timeout 1 web1");
        assert!(done.stderr.contains("127.0.0.1"), "{what}: {done}");
        let droplets = scene.cloud.holds().iter().filter(|h| h.starts_with("droplet")).count();
        assert_eq!(droplets, 1, "{what}");
    }
    if there {
        // Without a token only where none could be kept before it was killed.
        let removed = scene.with_token("rm -y web1");
        assert_eq!(removed.code, Some(0), "{what}: {removed}");
    }
    assert_eq!(scene.cloud.holds(), Vec::<String>::new(), "{what}");
    assert_eq!(scene.cloud.violations(), Vec::<String>::new(), "{what}");
}

#[test]
fn token_is_stored_in_one_file_only() {
    let scene = Scene::new();
    let words = format!("--debug {}", Scene::create());
    let created = scene.run(&words);
    assert!(created.stdout.contains("It costs $0.00893 an hour, $6.00 a month"), "{created}");
    let mut said = vec![created];
    for words in
        ["--debug ls", "--debug inspect web1", "--debug status web1", "--debug rm -y web1", "credentials ls"]
    {
        said.push(scene.run(words));
        assert_eq!(said.last().unwrap().code, Some(0), "{}", said.last().unwrap());
    }
    assert!(scene.cloud.holds().is_empty(), "removed without being told the token again");
    scene.cloud.drop_token(TOKEN);
    said.push(scene.run(&words));
    assert!(
        said.last().unwrap().stderr.contains("does not know the access token"),
        "{}",
        said.last().unwrap()
    );
    for outcome in &said {
        assert!(!outcome.to_string().contains(TOKEN), "{outcome}");
    }
    let holds = |file: &std::path::PathBuf| {
        let text = fs::read(file).unwrap_or_default();
        text.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes())
    };
    // Not where the program itself lies.
    let all = [scene.lab.store(), scene.lab.path("H")];
    let holding: Vec<_> = all.iter().flat_map(|dir| files(dir)).filter(holds).collect();
    assert_eq!(holding, [scene.lab.store().join("credentials.json")]);
}

#[test]
fn create_with_a_wrong_token_creates_nothing() {
    let scene = Scene::new();
    let refused = scene.run(&Scene::create().replace(TOKEN, "nonsense"));
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(!scene.lab.machine("web1").exists());
    assert!(!scene.lab.store().join("credentials.json").exists());
}

#[test]
fn digitalocean_lists_prices_and_credentials() {
    let scene = Scene::new();
    let nobody = scene.run("digitalocean sizes");
    assert!(nobody.stderr.contains("requires the --digitalocean-access-token option"), "{nobody}");
    let kept =
        scene.lab.call("credentials set digitalocean").env("DIGITALOCEAN_API_URL", &scene.served.url());
    let kept = kept.stdin(&format!("{TOKEN}\n")).run();
    assert_eq!(kept.stdout, "Kept for the account team-1 at digitalocean\n", "{kept}");
    let sizes = scene.run("digitalocean sizes").stdout;
    assert!(sizes.contains("s-1vcpu-512mb-10gb") && sizes.contains("$4.00"), "{sizes}");
    assert!(scene.run("digitalocean regions").stdout.contains("Frankfurt 1"));
    assert!(scene.run("digitalocean images").stdout.contains("ubuntu-24-04-x64"));
    let cached = fs::read_to_string(scene.lab.store().join("cache/digitalocean-regions")).unwrap();
    assert_eq!(cached, "fra1\nnyc3\nsfo3");
    let dry = scene.run("create -d digitalocean --dry-run web1");
    assert!(dry.stdout.contains("It costs $0.00893 an hour"), "{dry}");
    assert!(scene.cloud.holds().is_empty());
    let listed = scene.run("credentials ls").stdout;
    assert_eq!(
        listed.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>(),
        ["digitalocean", "team-1"]
    );
    assert_eq!(scene.run("credentials rm digitalocean team-1").code, Some(0));
    assert_eq!(scene.run("credentials rm digitalocean team-1").code, Some(1));
    assert_eq!(scene.cloud.violations(), Vec::<String>::new());
}

#[test]
fn prune_removes_resources_of_a_lost_store() {
    let scene = Scene::new();
    scene.with_token(&Scene::create());
    assert_eq!(scene.cloud.holds().len(), 3);
    let known = scene.with_token("prune -d digitalocean");
    assert!(known.stdout.contains("Nothing to prune"), "{known}");
    fs::remove_dir_all(scene.lab.machine("web1")).unwrap();
    let shown = scene.with_token("prune -d digitalocean");
    assert!(
        shown.stdout.contains("digitalocean droplet") && shown.stdout.contains("digitalocean key"),
        "{shown}"
    );
    assert_eq!(scene.cloud.holds().len(), 3);
    assert_eq!(scene.with_token("prune -d digitalocean -y").code, Some(0));
    assert_eq!(scene.cloud.holds(), Vec::<String>::new());
}

#[test]
fn commands_that_read_the_store_make_no_provider_call() {
    let scene = Scene::new();
    scene.run(&Scene::create());
    scene.cloud.forget_log();
    for words in ["ip web1", "url web1", "inspect web1"] {
        assert_eq!(scene.run(words).code, Some(0), "{words}");
    }
    assert_eq!(scene.cloud.calls(), 0, "{:?}", scene.cloud.log());
    scene.run("ls");
    assert_eq!(scene.cloud.calls(), 1);
}
