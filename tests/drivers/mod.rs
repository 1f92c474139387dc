//! One suite for every driver of the registry: what the core relies on holds for each of them.
//!
//! No provider can be reached from here. A driver that needs one has to say so, and to lose nothing; making machines for
//! real is tested in its own crate and in `e2e`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rmachine::commands::root;
use rmachine::environment::Environment;
use rmachine::registry::Registry;
use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{
    CreateRequest, Draft, DraftRequest, Driver, DriverError, DriverErrorKind, DriverState, Journal,
    JournalRecord, Leftovers, Login, MachineHandle, MachineName, MachineView, NoKeyring, OptionKind, Options,
    Restart, Silent, Source, Tags, Uuid, Value, require,
};
use tempfile::TempDir;

const SECRET: &str = "s3cr3t-0f-th3-pr0v1d3r";
const STORE: &str = "/nowhere/store";

/// The keys that docker-machine's drivers begin with, in its order.
const NINE: [&str; 9] = [
    "IPAddress",
    "MachineName",
    "SSHUser",
    "SSHPort",
    "SSHKeyPath",
    "StorePath",
    "SwarmMaster",
    "SwarmHost",
    "SwarmDiscovery",
];

/// The least that a driver wants to be told.
fn needed(driver: &str) -> &'static [(&'static str, &'static str)] {
    match driver {
        "generic" => &[("generic-ip-address", "127.0.0.1")],
        "none" => &[("url", "tcp://127.0.0.1:2376")],
        _ => &[],
    }
}

/// Drivers that make nothing anywhere, and so can be played here from end to end.
const ALONE: [&str; 2] = ["generic", "none"];

/// Drivers whose provider is a program of this computer: where that was never installed, nothing was ever made.
const INSTALLED: [&str; 1] = ["virtualbox"];

fn registry() -> Registry {
    Registry::new(&Environment::from([
        ("DOCKER_HOST", "tcp://127.0.0.1:1"),
        ("DIGITALOCEAN_API_URL", "http://127.0.0.1:1"),
        ("DIGITALOCEAN_ACCESS_TOKEN", "of nobody"),
        ("TMPDIR", "/nowhere"),
    ]))
}

fn drivers() -> Vec<Arc<dyn Driver>> {
    let registry = registry();
    assert!(registry.all().count() > ALONE.len());
    registry.all().cloned().collect()
}

fn alone() -> Vec<Arc<dyn Driver>> {
    ALONE.into_iter().map(|name| registry().find(name).unwrap()).collect()
}

fn name() -> MachineName {
    MachineName::parse("suite").unwrap()
}

fn enough(driver: &dyn Driver) -> Options {
    let mut options = Options::defaults(&driver.options());
    for (name, value) in needed(driver.name()) {
        options.set(name, Value::Text((*value).to_owned()), Source::Given);
    }
    options
}

fn draft(driver: &dyn Driver, options: &Options) -> Result<Draft, DriverError> {
    let dir = Path::new(STORE).join("machines/suite");
    let request = DraftRequest {
        name: &name(),
        options,
        store_path: Path::new(STORE),
        machine_dir: &dir,
        member: false,
    };
    driver.draft(&request)
}

/// A machine of a driver, in a folder that is there, with a journal in memory.
struct Machine {
    name: MachineName,
    dir: TempDir,
    state: DriverState,
    journal: Memory,
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Memory(Vec<JournalRecord>);

impl Journal for Memory {
    fn record(&mut self, record: JournalRecord) -> Result<(), DriverError> {
        self.0.push(record);
        Ok(())
    }

    fn records(&self) -> &[JournalRecord] {
        &self.0
    }
}

impl Machine {
    fn of(driver: &dyn Driver) -> Self {
        let state = draft(driver, &enough(driver)).unwrap().state;
        Self { name: name(), dir: TempDir::new().unwrap(), state, journal: Memory::default() }
    }

    fn view(&self) -> MachineView<'_> {
        MachineView {
            name: &self.name,
            uuid: Uuid::nil(),
            dir: self.dir.path(),
            state: &self.state,
            journal: &self.journal.0,
            keyring: &NoKeyring,
        }
    }

    fn handle(&mut self) -> MachineHandle<'_> {
        MachineHandle {
            name: &self.name,
            uuid: Uuid::nil(),
            dir: self.dir.path(),
            state: &mut self.state,
            journal: &mut self.journal,
            keyring: &NoKeyring,
            reporter: &Silent,
            tags: Tags {
                uuid: Uuid::nil(),
                machine: self.name.clone(),
                store: STORE.to_owned(),
                computer: "here".to_owned(),
                expires: None,
            },
        }
    }

    /// All that a step could have changed.
    fn all(&self) -> (DriverState, Memory, Vec<PathBuf>) {
        let files = std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
        (self.state.clone(), self.journal.clone(), files)
    }
}

#[test]
fn names_lead_to_one_driver_each() {
    let mut seen = Vec::new();
    for driver in drivers() {
        for name in
            std::iter::once(driver.name().to_owned()).chain(driver.aliases().into_iter().map(Into::into))
        {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert!(!seen.contains(&name), "{name} is the name of two drivers");
            assert_eq!(registry().find(&name).unwrap().name(), driver.name());
            seen.push(name);
        }
    }
}

/// Rancher finds a driver's fields by the prefix; docker-machine's `none` is the one exception.
#[test]
fn options_bear_their_drivers_name() {
    for driver in drivers() {
        for option in driver.options() {
            let prefixed = option.name.starts_with(&format!("{}-", driver.name()));
            assert!(prefixed || driver.name() == "none", "{} of {}", option.name, driver.name());
            assert!(
                !option.help.is_empty() && !option.help.ends_with('.'),
                "{}: {:?}",
                option.name,
                option.help
            );
        }
    }
}

/// `create` is told flags by every driver beside its own; the parser panics on a clash.
#[test]
fn options_clash_with_no_other_flag_and_no_other_variable() {
    let registry = registry();
    let mut variables = Vec::new();
    for driver in drivers() {
        let words = ["rmachine", "create", "-d", driver.name()].map(str::to_owned);
        root::command("rmachine", &words, &Environment::default(), &registry).debug_assert();
        for variable in driver.options().into_iter().filter_map(|o| o.env) {
            let plain = variable.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            assert!(plain && !variables.contains(&variable), "{variable} of {}", driver.name());
            variables.push(variable);
        }
    }
}

#[test]
fn secrets_are_texts_without_a_default() {
    for driver in drivers() {
        for option in driver.options().iter().filter(|o| o.secret) {
            assert_eq!(option.kind, OptionKind::text(""), "{}", option.name);
        }
    }
}

#[test]
fn a_draft_that_misses_something_says_what() {
    for driver in drivers() {
        for (missing, _) in needed(driver.name()) {
            let mut options = enough(driver.as_ref());
            options.set(missing, Value::Text(String::new()), Source::Default);
            let error = draft(driver.as_ref(), &options).unwrap_err();
            assert_eq!(error.kind, DriverErrorKind::Invalid, "{error}");
            assert_eq!(error.leftovers, Leftovers::None, "{error}");
            assert!(error.message.contains(&format!("--{missing}")), "{error}");
        }
    }
}

#[test]
fn a_draft_begins_with_docker_machines_nine_keys() {
    for driver in drivers() {
        let state = draft(driver.as_ref(), &enough(driver.as_ref())).unwrap().state;
        let keys: Vec<_> = state.0.keys().take(NINE.len()).collect();
        assert_eq!(keys, NINE, "{}", driver.name());
        assert_eq!(
            (state.text("MachineName"), state.text("StorePath")),
            ("suite", STORE),
            "{}",
            driver.name()
        );
        assert!(state.0["SSHPort"].is_u64() && state.0["SwarmMaster"].is_boolean(), "{}", driver.name());
    }
}

#[test]
fn a_draft_touches_nothing_and_can_be_made_again() {
    for driver in drivers() {
        let drafts = [(); 2].map(|()| draft(driver.as_ref(), &enough(driver.as_ref())).unwrap());
        assert_eq!(drafts[0].state, drafts[1].state, "{}", driver.name());
        assert_eq!(drafts[0].imports, drafts[1].imports, "{}", driver.name());
        assert!(!Path::new(STORE).exists(), "{} made the store", driver.name());
    }
}

#[test]
fn imports_stay_in_the_machines_folder_and_off_the_stores_files() {
    for driver in drivers() {
        let mut options = enough(driver.as_ref());
        for option in driver.options().iter().filter(|o| o.name.ends_with("-key") && !o.secret) {
            options.set(&option.name, Value::Text("/home/u/keys/config.json".to_owned()), Source::Given);
        }
        for import in draft(driver.as_ref(), &options).map(|d| d.imports).unwrap_or_default() {
            let plain = Path::new(&import.name).file_name().is_some_and(|n| n == import.name.as_str());
            assert!(plain, "{}: {:?}", driver.name(), import.name);
            let ours = ["config.json", "config.json.bak", "rmachine.json"];
            assert!(!ours.contains(&import.name.as_str()), "{}: {:?}", driver.name(), import.name);
        }
    }
}

#[test]
fn secrets_are_neither_shown_nor_kept() {
    for driver in drivers() {
        let mut options = enough(driver.as_ref());
        for option in driver.options().iter().filter(|o| o.secret) {
            options.set(&option.name, Value::Secret(SecretString::from(SECRET)), Source::Given);
        }
        assert!(!format!("{options:?}").contains(SECRET), "{}", driver.name());
        let drafted = draft(driver.as_ref(), &options);
        assert!(!format!("{drafted:?}").contains(SECRET), "{}", driver.name());
        let state = serde_json::to_string(&drafted.unwrap().state).unwrap();
        assert!(!state.contains(SECRET), "{}: {state}", driver.name());
    }
}

/// `ip`, `url`, `env` and `inspect` are answered from this; there is no runtime here in which anything could be asked.
#[test]
fn a_description_needs_nothing_but_the_state() {
    for driver in drivers() {
        let machine = Machine::of(driver.as_ref());
        let described = driver.describe(&machine.state);
        assert_eq!(described, driver.describe(&machine.state), "{}", driver.name());
        if described.endpoint.is_some() {
            assert!(driver.features().host, "{} has an endpoint without a host", driver.name());
            assert!(described.address.is_some(), "{} has an endpoint without an address", driver.name());
        }
    }
}

/// As docker-machine, or a hand, may have left it.
#[test]
fn a_description_of_nonsense_is_empty() {
    for driver in drivers() {
        for text in [
            "{}",
            r#"{"IPAddress": null, "SSHPort": "22", "URL": 7}"#,
            r#"{"IPAddress": "-oProxyCommand=x", "SSHPort": -1, "EnginePort": 1e9}"#,
        ] {
            let state: DriverState = serde_json::from_str(text).unwrap();
            let described = driver.describe(&state);
            assert_eq!(described.endpoint, None, "{} of {text}", driver.name());
        }
    }
}

#[test]
fn features_agree_with_each_other() {
    for driver in drivers() {
        let features = driver.features();
        let name = driver.name();
        if features.login == Login::Generated {
            assert!(features.host, "{name}: a key for no host");
            assert!(!features.ssh_config, "{name}: the address is ours, the user's configuration has no say");
        }
        if let Restart::Refused(why) = &features.restart {
            assert!(!why.is_empty(), "{name}");
        }
        if features.restart == Restart::OverSsh {
            assert!(features.host, "{name}: nothing to reboot");
        }
    }
}

#[tokio::test]
async fn checking_changes_nothing() {
    for driver in drivers() {
        let machine = Machine::of(driver.as_ref());
        let before = machine.all();
        let first = driver.check(&machine.view()).await.map_err(|e| e.to_string());
        let second = driver.check(&machine.view()).await.map_err(|e| e.to_string());
        assert_eq!(first, second, "{}", driver.name());
        assert_eq!(machine.all(), before, "{}", driver.name());
        assert_eq!(first.is_ok(), ALONE.contains(&driver.name()), "{}: {first:?}", driver.name());
    }
}

#[tokio::test]
async fn creating_goes_on_where_it_was() {
    for driver in alone() {
        let mut machine = Machine::of(driver.as_ref());
        driver.create(&mut machine.handle(), &CreateRequest::default()).await.unwrap();
        let once = machine.all();
        driver.create(&mut machine.handle(), &CreateRequest::default()).await.unwrap();
        assert_eq!(machine.all(), once, "{} made something twice", driver.name());
    }
}

#[tokio::test]
async fn creating_without_a_provider_fails_and_leaves_nothing() {
    for driver in drivers().iter().filter(|d| !ALONE.contains(&d.name())) {
        let mut machine = Machine::of(driver.as_ref());
        let error = driver.create(&mut machine.handle(), &CreateRequest::default()).await.unwrap_err();
        assert_eq!(error.leftovers, Leftovers::None, "{}: {error}", driver.name());
        assert_eq!(machine.journal, Memory::default(), "{}: {error}", driver.name());
    }
}

#[tokio::test]
async fn removing_what_was_never_made_is_done_however_often() {
    for driver in drivers() {
        let mut machine = Machine::of(driver.as_ref());
        for _ in 0..2 {
            driver.remove(&mut machine.handle()).await.unwrap_or_else(|e| panic!("{}: {e}", driver.name()));
        }
    }
}

/// A killed create leaves a journal and a state that knows nothing yet.
#[tokio::test]
async fn removing_works_from_the_journal_alone() {
    for driver in alone() {
        let mut machine = Machine::of(driver.as_ref());
        machine.state = DriverState::base(&machine.name, Path::new(STORE));
        for _ in 0..2 {
            driver.remove(&mut machine.handle()).await.unwrap_or_else(|e| panic!("{}: {e}", driver.name()));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_not_called_gone() {
    for driver in drivers().iter().filter(|d| !ALONE.contains(&d.name())) {
        let kind = if driver.name() == "digitalocean" { "droplet" } else { "container" };
        let mut machine = Machine::of(driver.as_ref());
        for id in ["", "0123456789abcdef"] {
            machine.journal.0 = vec![JournalRecord { kind: kind.to_owned(), id: id.to_owned() }];
            let before = machine.all();
            let error = driver.remove(&mut machine.handle()).await.unwrap_err();
            assert_ne!(error.leftovers, Leftovers::None, "{}: {error}", driver.name());
            assert_eq!(machine.all(), before, "{} forgot what it could not remove", driver.name());
        }
        let tagged = driver.tagged_resources().unwrap().list_tagged(&NoKeyring).await;
        if INSTALLED.contains(&driver.name()) {
            assert!(tagged.unwrap().is_empty(), "{}", driver.name());
        } else {
            assert!(tagged.is_err(), "{} says that nothing is there", driver.name());
        }
    }
}

#[tokio::test]
async fn drivers_that_make_nothing_have_nothing() {
    for driver in alone() {
        assert!(driver.tagged_resources().is_none(), "{}", driver.name());
        assert!(driver.images().is_none(), "{}", driver.name());
    }
}

#[test]
fn a_missing_capability_is_refused_in_one_sentence() {
    for driver in alone() {
        let error = require(driver.as_ref(), driver.snapshots()).err().unwrap();
        assert_eq!(error.kind, DriverErrorKind::Unsupported);
        assert_eq!(error.message, format!("the driver {:?} has no snapshots", driver.name()));
    }
    for driver in drivers() {
        assert_eq!(require(driver.as_ref(), driver.images()).is_ok(), driver.name() == "docker");
    }
}

#[tokio::test]
async fn refusals_are_named_as_such_and_change_nothing() {
    for driver in drivers() {
        let mut machine = Machine::of(driver.as_ref());
        let before = machine.all();
        let errors = [
            driver.start(&mut machine.handle()).await.unwrap_err(),
            driver.stop(&mut machine.handle()).await.unwrap_err(),
            driver.kill(&mut machine.handle()).await.unwrap_err(),
        ];
        for error in errors {
            let expected = if ALONE.contains(&driver.name()) {
                DriverErrorKind::Unsupported
            } else {
                DriverErrorKind::Missing
            };
            assert_eq!(error.kind, expected, "{}: {error}", driver.name());
        }
        assert_eq!(machine.all(), before, "{}", driver.name());
    }
}
