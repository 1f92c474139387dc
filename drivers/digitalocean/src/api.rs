//! Requests that end: each with a limit, repeated where that can do no harm, and told apart where nobody knows what
//! they did.

use std::sync::Arc;
use std::time::Duration;

use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{DriverError, DriverErrorKind, Uuid};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::gate::Gate;
use crate::transport::{Answer, Call, Lost, Method, Transport};

/// Patience with one request.
const REQUEST: Duration = Duration::from_secs(30);
/// Patience with one call, its repetitions and pauses together.
const CALL: Duration = Duration::from_secs(180);
/// Patience with a network that takes no request at all.
const UNSENT: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(20);
/// A refusal for the rate that says no time.
const UNSAID_PAUSE: Duration = Duration::from_secs(5);
/// How often something is deleted that is said not to be there, and is.
const DELETES: usize = 3;
const PER_PAGE: usize = 200;
/// No account has so many pages of anything; a provider that always names a next one is broken.
const MOST_PAGES: usize = 500;

/// The provider, entered with one token.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) token: SecretString,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// It said no, and nothing happened.
    Refused { status: u16, message: String },
    /// It did not say; what was asked for may have happened.
    Lost(String),
}

type ApiResult<T> = Result<T, ApiError>;

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize, Default)]
struct Paged {
    #[serde(default)]
    links: Links,
}

#[derive(Deserialize, Default)]
struct Links {
    #[serde(default)]
    pages: Option<Pages>,
}

#[derive(Deserialize)]
struct Pages {
    next: Option<String>,
}

impl ApiError {
    pub(crate) fn is(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == wanted)
    }

    /// Refused because something else is still under way.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self, Self::Refused { status: 409 | 422, message } if message.to_ascii_lowercase().contains("pending"))
    }
}

impl From<ApiError> for DriverError {
    fn from(error: ApiError) -> Self {
        let new = |kind, text: String| Self::new(kind, text);
        match error {
            ApiError::Refused { status: 401, .. } => {
                new(DriverErrorKind::Denied, "DigitalOcean does not know the access token (401)".to_owned())
                    .hint("rmachine credentials set digitalocean")
                    .hint("or give a new one with --digitalocean-access-token or DIGITALOCEAN_ACCESS_TOKEN")
            }
            ApiError::Refused { status: 403, message } => {
                new(DriverErrorKind::Denied, format!("the access token may not do that (403): {message}")).hint(
                    "the token needs the scopes account, droplet, ssh_key, tag and sizes, and those of what the flags ask for",
                )
            }
            ApiError::Refused { status: 404, message } => {
                new(DriverErrorKind::Missing, format!("DigitalOcean has no such thing (404): {message}"))
            }
            ApiError::Refused { status: 429, message } => {
                new(DriverErrorKind::Provider, format!("DigitalOcean's rate limit is used up (429): {message}"))
                    .hint("wait a while, and go on with `rmachine create --resume`")
            }
            ApiError::Refused { status, message } => {
                new(DriverErrorKind::Provider, format!("DigitalOcean refused that ({status}): {message}"))
            }
            ApiError::Lost(why) => {
                new(DriverErrorKind::Unreachable, format!("DigitalOcean did not answer as it should: {why}"))
            }
        }
    }
}

impl Api {
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> ApiResult<T> {
        self.until_answered(Method::Get, path, parse).await
    }

    /// What is gone already is done.
    pub(crate) async fn delete(&self, path: &str) -> ApiResult<()> {
        for _ in 0..DELETES {
            match self.until_answered(Method::Delete, path, |_| Ok(())).await {
                Err(e) if e.is(404) => {}
                done => return done,
            }
            // Whatever stays there costs money, so one word is not enough.
            match self.get::<Value>(path).await {
                Err(e) if e.is(404) => return Ok(()),
                Err(e) => return Err(e),
                Ok(_) => sleep(jittered(FIRST_BACKOFF)).await,
            }
        }
        Err(ApiError::Lost(format!("{path} is there and is not there")))
    }

    /// Not repeated when its answer is lost: whoever asked looks first what it did.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> ApiResult<T> {
        let answer = self.attempts(self.call(Method::Post, path, Some(body)), false).await?;
        parse(&answer.body)
    }

    /// The whole of something that is there: done twice, it is the same.
    pub(crate) async fn put(&self, path: &str, body: Value) -> ApiResult<()> {
        self.attempts(self.call(Method::Put, path, Some(body)), true).await.map(drop)
    }

    /// All pages of a list.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str, key: &str) -> ApiResult<Vec<T>> {
        let mut all = Vec::new();
        let sign = if path.contains('?') { '&' } else { '?' };
        for page in 1..=MOST_PAGES {
            let path = format!("{path}{sign}per_page={PER_PAGE}&page={page}");
            let mut body: Value = self.get(&path).await?;
            let items = body.get_mut(key).map(Value::take).unwrap_or_default();
            let items: Vec<T> = serde_json::from_value(items).map_err(|e| garbage(&e))?;
            all.extend(items);
            let paged: Paged = serde_json::from_value(body).unwrap_or_default();
            if paged.links.pages.and_then(|p| p.next).is_none() {
                return Ok(all);
            }
        }
        Err(ApiError::Lost(format!("the list {path} has no end")))
    }

    fn call(&self, method: Method, path: &str, body: Option<Value>) -> Call {
        Call { method, path: path.to_owned(), body, token: self.token.clone() }
    }

    /// Asks again as long as nothing readable comes back.
    async fn until_answered<T>(
        &self,
        method: Method,
        path: &str,
        read: impl Fn(&[u8]) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let deadline = Instant::now() + CALL;
        let mut backoff = FIRST_BACKOFF;
        loop {
            let answer = self.attempts(self.call(method, path, None), true).await?;
            match read(&answer.body) {
                Err(e @ ApiError::Lost(_)) if Instant::now() + backoff < deadline => {
                    tracing::debug!(path, ?e, "not readable");
                    sleep(jittered(backoff)).await;
                    backoff = LONGEST_BACKOFF.min(backoff * 2);
                }
                done => return done,
            }
        }
    }

    /// Until the provider says yes or no. Without an effect, or with one that may happen twice, it is asked again.
    async fn attempts(&self, call: Call, harmless: bool) -> ApiResult<Answer> {
        let began = Instant::now();
        let deadline = began + CALL;
        let mut backoff = FIRST_BACKOFF;
        loop {
            let epoch = self.gate.pass().await;
            let outcome = match timeout(REQUEST, self.transport.send(&call)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Lost::Perhaps(format!("nothing came back in {} s", REQUEST.as_secs()))),
            };
            tracing::debug!(?call, status = outcome.as_ref().map(|a| a.status).ok(), "asked");
            let error = match outcome {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
                Ok(answer) if answer.status == 429 => {
                    let pause = answer.pause.unwrap_or(UNSAID_PAUSE);
                    self.gate.refused(epoch, pause);
                    if Instant::now() + pause > deadline {
                        return Err(too_many(&answer, pause));
                    }
                    if !harmless {
                        // It should have had no effect; looking costs less than making something twice.
                        return Err(ApiError::Lost(said(&answer)));
                    }
                    continue;
                }
                Ok(answer) if answer.status >= 500 => ApiError::Lost(said(&answer)),
                Ok(answer) => return Err(refused(&answer)),
                Err(Lost::Perhaps(why)) => ApiError::Lost(why),
                Err(Lost::Before(why)) if Instant::now() + backoff < began + UNSENT => {
                    tracing::debug!(why, "not sent");
                    sleep(jittered(backoff)).await;
                    backoff = LONGEST_BACKOFF.min(backoff * 2);
                    continue;
                }
                Err(Lost::Before(why)) => return Err(ApiError::Lost(why)),
            };
            if !harmless || Instant::now() + backoff > deadline {
                return Err(error);
            }
            sleep(jittered(backoff)).await;
            backoff = LONGEST_BACKOFF.min(backoff * 2);
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> ApiResult<T> {
    serde_json::from_slice(body).map_err(|e| garbage(&e))
}

/// The text itself is not told: it may hold what nobody should see.
fn garbage(error: &serde_json::Error) -> ApiError {
    ApiError::Lost(format!("its answer cannot be read: {error}"))
}

fn said(answer: &Answer) -> String {
    let body: ErrorBody =
        serde_json::from_slice(&answer.body).unwrap_or(ErrorBody { message: String::new() });
    if body.message.is_empty() { format!("status {}", answer.status) } else { body.message }
}

fn refused(answer: &Answer) -> ApiError {
    ApiError::Refused { status: answer.status, message: said(answer) }
}

fn too_many(answer: &Answer, pause: Duration) -> ApiError {
    let message = format!("{}; it asks for {} s of patience", said(answer), pause.as_secs());
    ApiError::Refused { status: 429, message }
}

/// Between half and the whole, so that those who failed together do not come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let thousandths = u32::try_from(Uuid::new_v4().as_u128() % 500).unwrap_or_default();
    pause * (500 + thousandths) / 1000
}

/// Pauses between looks at something that takes its time: from one second to five.
#[derive(Debug)]
pub(crate) struct Polls {
    pause: Duration,
    deadline: Instant,
}

impl Polls {
    pub(crate) fn within(limit: Duration) -> Self {
        Self { pause: Duration::from_secs(1), deadline: Instant::now() + limit }
    }

    /// False once the time is over.
    pub(crate) async fn wait(&mut self) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        sleep(self.pause).await;
        self.pause = Duration::from_secs(5).min(self.pause * 3 / 2);
        true
    }
}
