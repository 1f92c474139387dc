//! DigitalOcean's API for tests: stateful, held to the published description on both sides, and failing on demand.
//!
//! Time passes with requests: each of them is a step for whatever is under way, so that nothing here waits.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test's own server fails loudly"
)]

mod faults;
mod http;
mod routes;
mod spec;
mod world;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

pub use faults::{At, Fault, What, When};
pub use http::Served;
pub use world::{Accepts, Hosts, Knobs, Nobody};

use crate::spec::Spec;
use crate::world::World;

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub token: Option<String>,
    pub body: Option<Value>,
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
}

/// What the caller gets to see.
#[derive(Debug, Clone)]
pub enum Outcome {
    Answer(Reply),
    /// Some of the bytes of an answer, and then nothing more.
    Truncated(Reply),
    Garbage(u16),
    Reset,
    Hang,
    Slow(Duration, Reply),
}

/// One call, as it was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub method: String,
    pub path: String,
    /// Zero where the caller saw none.
    pub status: u16,
}

#[derive(Clone)]
pub struct Cloud(Arc<Mutex<Inner>>, Arc<Condvar>);

struct Inner {
    hit: Arc<Condvar>,
    world: World,
    log: Vec<Logged>,
    violations: Vec<String>,
    faults: Vec<Fault>,
    hits: usize,
    /// So many requests in any one second.
    limit: Option<usize>,
    recent: Vec<Instant>,
}

impl Reply {
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    pub fn empty() -> Self {
        Self { status: 204, headers: Vec::new(), body: None }
    }

    pub fn error(status: u16, message: &str) -> Self {
        let id = match status {
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            422 => "unprocessable_entity",
            429 => "too_many_requests",
            _ => "server_error",
        };
        Self::new(status, json!({"id": id, "message": message}))
    }
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |p: &str| {
            let (key, value) = p.split_once('=').unwrap_or((p, ""));
            (key.to_owned(), value.replace("%3A", ":"))
        };
        let query = query.split('&').filter(|p| !p.is_empty()).map(pair).collect();
        Self { method: method.to_owned(), path: path.to_owned(), query, token: None, body: None }
    }
}

impl Cloud {
    /// With one token, of one account.
    pub fn new(token: &str, hosts: Box<dyn Hosts>) -> Self {
        let world = World::new(token, hosts, spec().example("droplet_single")["droplet"].clone());
        let hit = Arc::new(Condvar::new());
        let inner = Inner {
            hit: hit.clone(),
            world,
            log: Vec::new(),
            violations: Vec::new(),
            faults: Vec::new(),
            hits: 0,
            limit: None,
            recent: Vec::new(),
        };
        Self(Arc::new(Mutex::new(inner)), hit)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn call(&self, request: &Request) -> Outcome {
        self.inner().call(request)
    }

    pub fn fault(&self, at: At, when: When, what: What) {
        self.inner().faults.push(Fault { at, when, what, left: 1 });
    }

    /// The same, for as long as it lasts.
    pub fn fault_times(&self, at: At, when: When, what: What, times: usize) {
        self.inner().faults.push(Fault { at, when, what, left: times });
    }

    pub fn clear_faults(&self) {
        self.inner().faults.clear();
    }

    /// Blocks until the first fault, for a minute at most.
    pub fn wait_for_hit(&self) {
        let mut inner = self.inner();
        while inner.hits == 0 {
            let (next, waited) =
                self.1.wait_timeout(inner, Duration::from_secs(60)).unwrap_or_else(PoisonError::into_inner);
            assert!(!waited.timed_out() || next.hits > 0, "the call never came");
            inner = next;
        }
    }

    /// How many faults there were.
    pub fn hits(&self) -> usize {
        self.inner().hits
    }

    pub fn limit(&self, per_second: usize) {
        self.inner().limit = Some(per_second);
    }

    pub fn knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        turn(&mut self.inner().world.knobs);
    }

    pub fn add_token(&self, token: &str, account: &str) {
        self.inner().world.tokens.insert(token.to_owned(), account.to_owned());
    }

    pub fn drop_token(&self, token: &str) {
        self.inner().world.tokens.remove(token);
    }

    pub fn log(&self) -> Vec<Logged> {
        self.inner().log.clone()
    }

    pub fn forget_log(&self) {
        self.inner().log.clear();
    }

    pub fn calls(&self) -> usize {
        self.inner().log.len()
    }

    /// What the description has against what was said here, on either side.
    pub fn violations(&self) -> Vec<String> {
        self.inner().violations.clone()
    }

    /// Everything that costs or clutters, by kind and id.
    pub fn holds(&self) -> Vec<String> {
        self.inner().world.holds()
    }

    /// The droplet of a name, as the API shows it.
    pub fn droplet(&self, name: &str) -> Option<Value> {
        self.inner().world.shown(name)
    }

    /// What a droplet's create request said.
    pub fn asked(&self, name: &str) -> Option<Value> {
        self.inner().world.asked(name)
    }

    pub fn firewalls(&self) -> Vec<Value> {
        self.inner().world.firewalls.values().cloned().collect()
    }

    pub fn status_of(&self, id: u64) -> Option<&'static str> {
        self.inner().world.droplets.get(&id).map(|d| d.status)
    }

    /// Whom the first firewall lets to a port.
    pub fn open_to(&self, port: &str) -> Vec<String> {
        let firewalls = self.firewalls();
        let rules = firewalls[0]["inbound_rules"].as_array().cloned().unwrap_or_default();
        let of = rules.iter().filter(|r| r["ports"] == port);
        let sources = of.flat_map(|r| r["sources"]["addresses"].as_array().cloned().unwrap_or_default());
        sources.filter_map(|a| a.as_str().map(str::to_owned)).collect()
    }

    /// Droplets that were there before.
    pub fn populate(&self, count: usize, tags: &[&str]) -> Vec<u64> {
        self.inner().world.populate(count, tags)
    }

    pub fn add_key(&self, name: &str, public_key: &str) -> u64 {
        self.inner().world.add_key(name, public_key)
    }

    pub fn destroy(&self, id: u64) {
        self.inner().world.destroy(id);
    }
}

/// Read once, whatever the number of clouds.
fn spec() -> MutexGuard<'static, Spec> {
    static SPEC: OnceLock<Mutex<Spec>> = OnceLock::new();
    SPEC.get_or_init(|| Mutex::new(Spec::load())).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn call(&mut self, request: &Request) -> Outcome {
        let nth = self.log.len() + 1;
        self.log.push(Logged { method: request.method.clone(), path: request.path.clone(), status: 0 });
        let outcome = self.answered(nth, request);
        if let Outcome::Answer(reply) | Outcome::Slow(_, reply) = &outcome {
            self.log[nth - 1].status = reply.status;
        }
        outcome
    }

    fn answered(&mut self, nth: usize, request: &Request) -> Outcome {
        if let Some(reply) = self.too_many() {
            return Outcome::Answer(reply);
        }
        let found: Vec<String> = spec().request(request);
        self.complain(request, found);
        if let Some(what) = self.due(nth, request, When::Before) {
            return what.outcome(Reply::error(500, "Unexpected server-side error"), request);
        }
        self.world.tick();
        let reply = routes::answer(&mut self.world, request);
        let found = spec().reply(request, &reply);
        self.complain(request, found);
        match self.due(nth, request, When::After) {
            Some(what) => what.outcome(reply, request),
            None => Outcome::Answer(reply),
        }
    }

    fn complain(&mut self, request: &Request, found: Vec<String>) {
        let at = format!("{} {}", request.method, request.path);
        self.violations.extend(found.into_iter().map(|f| format!("{at}: {f}")));
    }

    fn due(&mut self, nth: usize, request: &Request, when: When) -> Option<What> {
        let fault = self.faults.iter_mut().find(|f| f.left > 0 && f.when == when && f.at.is(nth, request))?;
        fault.left -= 1;
        self.hits += 1;
        self.hit.notify_all();
        Some(fault.what.clone())
    }

    fn too_many(&mut self) -> Option<Reply> {
        let limit = self.limit?;
        let now = Instant::now();
        self.recent.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
        if self.recent.len() < limit {
            self.recent.push(now);
            return None;
        }
        let mut reply = Reply::error(429, "API Rate limit exceeded.");
        reply.headers.push(("Retry-After".to_owned(), "1".to_owned()));
        Some(reply)
    }
}
