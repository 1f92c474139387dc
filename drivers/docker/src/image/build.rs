//! The two ways to a node image. A registry's Debian image is tried first: it needs nothing but the engine.

use std::time::Duration;

use rmachine_driver::{DriverError, DriverErrorKind, Progress, describe_error};
use rmachine_engine_api::{Connection, EngineError, Method, Payload, filters, with_query};
use serde_json::{Value, json};

use super::recipe::REPOSITORY;
use super::rootfs::{self, Rootfs};
use super::tail::Tail;
use super::{DOCKERFILE, INIT, RECIPE, Recipe, SETUP};
use crate::archive::{Entry, pack};
use crate::engine::{Engine, refused};

pub(super) const SUITE: &str = "rmachine.node.suite";
pub(super) const EXTRA: &str = "rmachine.node.packages";
pub(super) const ENGINE: &str = "rmachine.node.engine";

/// A package manager unpacks in silence for a while; an import says nothing before its end.
const SILENCE: Duration = Duration::from_secs(900);
/// A registry that answers has begun to answer by then.
const REGISTRY: Duration = Duration::from_secs(30);

pub(super) async fn build(
    engine: &mut Engine,
    recipe: &Recipe,
    announce: Progress<'_>,
    progress: Progress<'_>,
) -> Result<(), DriverError> {
    sweep(engine).await;
    let no_base = match base(engine, recipe, progress).await {
        Ok(()) => return from_base(engine, recipe, progress).await,
        Err(e) => e,
    };
    announce(&format!("No base image from a registry ({no_base}); making a root file system here..."));
    match rootfs::start(recipe).await {
        Ok(rootfs) => import(engine, recipe, rootfs, progress).await,
        Err(no_rootfs) => Err(neither(recipe, no_base, no_rootfs)),
    }
}

fn neither(recipe: &Recipe, no_base: EngineError, no_rootfs: DriverError) -> DriverError {
    let (suite, no_base) = (&recipe.suite, refused(no_base).message);
    let message = format!(
        "the node image cannot be built: the engine cannot get debian:{suite} ({no_base}), and {}",
        no_rootfs.message
    );
    DriverError { message, ..no_rootfs }
}

/// Sees to it that the engine has Debian's own image of the suite.
async fn base(engine: &mut Engine, recipe: &Recipe, progress: Progress<'_>) -> Result<(), EngineError> {
    let image = format!("debian:{}", recipe.suite);
    if engine.client.get::<Value>(&format!("/images/{image}/json")).await.is_ok() {
        return Ok(());
    }
    progress(&format!("pulling {image}"));
    let path = with_query("/images/create", &[("fromImage", "debian"), ("tag", &recipe.suite)]);
    // Of its own: one that is cut off by the deadline is of no use afterwards.
    let mut client = engine.host.connect(REGISTRY).await?.client;
    let lines = client.stream(Method::POST, &path, Payload::Empty, REGISTRY).await?;
    let tail = Tail::of(progress);
    lines.each(|line| tell(line, &tail)).await
}

async fn from_base(engine: &mut Engine, recipe: &Recipe, progress: Progress<'_>) -> Result<(), DriverError> {
    let context = pack(&[
        Entry { path: "Dockerfile", mode: 0o644, content: Some(DOCKERFILE.as_bytes()) },
        Entry { path: "init", mode: 0o755, content: Some(INIT.as_bytes()) },
        Entry { path: "setup.sh", mode: 0o644, content: Some(SETUP.as_bytes()) },
    ])
    .map_err(|e| DriverError::invalid(describe_error(&e)).caused_by(e))?;
    let path = build_path(recipe);
    let tail = Tail::of(progress);
    let mut last = None;
    let lines = engine.client.stream(Method::POST, &path, Payload::Tar(context), SILENCE).await;
    let built = match lines {
        Ok(lines) => {
            lines
                .each(|line| {
                    last = made_by_step(line).or(last.take());
                    tell(line, &tail);
                })
                .await
        }
        Err(e) => Err(e),
    };
    match built {
        Ok(()) => Ok(()),
        Err(e) => {
            discard(engine, last).await;
            Err(failed(explained(e, &tail)))
        }
    }
}

/// The image that a step of the build has made.
fn made_by_step(line: &Value) -> Option<String> {
    let id = line.get("stream")?.as_str()?.strip_prefix(" ---> ")?.trim_end();
    (id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
}

/// The engine quotes a whole command and its exit code; what the command said is what helps.
fn explained(error: EngineError, tail: &Tail<'_>) -> DriverError {
    let of_a_command = error.is_failed_build_command();
    let error = refused(error);
    match tail.reason().filter(|_| of_a_command) {
        Some(reason) => DriverError { message: reason, ..error },
        None => error,
    }
}

fn build_path(recipe: &Recipe) -> String {
    let arguments = json!({
        "SUITE": recipe.suite,
        "PACKAGES": recipe.all_packages().join(" "),
        "RECIPE": recipe.hash(),
    });
    let labels: Value = labels(recipe).into_iter().collect::<serde_json::Map<_, _>>().into();
    with_query(
        "/build",
        &[
            ("t", &recipe.image()),
            ("rm", "1"),
            ("forcerm", "1"),
            ("buildargs", &arguments.to_string()),
            ("labels", &labels.to_string()),
        ],
    )
}

fn labels(recipe: &Recipe) -> [(String, Value); 4] {
    [
        (RECIPE, recipe.hash()),
        (SUITE, recipe.suite.clone()),
        (EXTRA, recipe.extra.join(" ")),
        (ENGINE, recipe.engine.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), Value::from(value)))
}

/// What the steps before a failed one left, whose images go with the last. Best effort: the failure is what is told.
async fn discard(engine: &Engine, last: Option<String>) {
    // The connection over which a stream was left before its end is of no use any more.
    let (Some(id), Ok(Connection { mut client, .. })) = (last, engine.host.connect(REGISTRY).await) else {
        return;
    };
    drop(client.delete(&format!("/images/{id}")).await);
}

/// Whether the engine has the image. Asked over a connection of its own, since a stream that ended early spoils its own.
pub(super) async fn is_built(engine: &Engine, image: &str) -> bool {
    let Ok(Connection { mut client, .. }) = engine.host.connect(REGISTRY).await else { return false };
    client.get::<Value>(&format!("/images/{image}/json")).await.is_ok()
}

/// What killed builds left: the next one by the same recipe goes on from there, those by another leave it to this. What is
/// young may be somebody's who builds right now.
async fn sweep(engine: &mut Engine) {
    let filters = filters(&[("dangling", "true"), ("label", RECIPE), ("until", "1h")]);
    drop(engine.client.post::<Value>(&with_query("/images/prune", &[("filters", &filters)]), None).await);
}

/// Removes the image that another user, who does not share our lock, built at the same time: it lost its name to ours. The
/// engine itself decides which image has no name, since one that is about to get it must not be removed by its id. An image
/// that is still being built lacks the labels that come with its last step.
pub(super) async fn sweep_twins(engine: &mut Engine, recipe: &Recipe) {
    let label = format!("{RECIPE}={}", recipe.hash());
    let filters = filters(&[("dangling", "true"), ("label", &label), ("label", SUITE)]);
    drop(engine.client.post::<Value>(&with_query("/images/prune", &[("filters", &filters)]), None).await);
}

async fn import(
    engine: &mut Engine,
    recipe: &Recipe,
    mut rootfs: Rootfs,
    progress: Progress<'_>,
) -> Result<(), DriverError> {
    let path = import_path(recipe);
    let body = Payload::TarStream(rootfs.archive());
    let tail = Tail::of(progress);
    let request = async {
        let lines = engine.client.stream(Method::POST, &path, body, SILENCE).await?;
        lines.each(|line| tell(line, &tail)).await
    };
    let (imported, made) = tokio::join!(request, rootfs.watch(progress));
    // What kept the archive from being made comes before what its end did to the request.
    made.map_err(failed)?;
    imported.map_err(|e| failed(refused(e)))
}

fn import_path(recipe: &Recipe) -> String {
    let mut changes = vec!["CMD [\"/usr/local/sbin/node-init\"]".to_owned()];
    changes.extend(labels(recipe).into_iter().map(|(key, value)| format!("LABEL {key}={value}")));
    let tag = recipe.tag();
    let mut query = vec![("fromSrc", "-"), ("repo", REPOSITORY), ("tag", &tag)];
    query.extend(changes.iter().map(|change| ("changes", change.as_str())));
    with_query("/images/create", &query)
}

fn failed(error: DriverError) -> DriverError {
    let message = format!("the node image cannot be built: {}", error.message);
    let kind = if error.kind == DriverErrorKind::Missing { DriverErrorKind::Provider } else { error.kind };
    DriverError { message, kind, ..error }
}

/// A line of the engine's progress, as far as it is for people.
fn tell(line: &Value, tail: &Tail<'_>) {
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    tail.piece(text("stream"));
    tail.tell(&[text("status"), text("progress")].join(" "));
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn recipe() -> Recipe {
        Recipe { suite: "trixie".into(), extra: vec!["g++".into(), "vim".into()], engine: true }
    }

    #[test]
    fn the_paths_say_it_all() {
        let hash = recipe().hash();
        let path = import_path(&recipe());
        assert_eq!(
            path,
            format!(
                "/images/create?fromSrc=-&repo=rmachine-node&tag=trixie-{hash}\
                 &changes=CMD%20%5B%22%2Fusr%2Flocal%2Fsbin%2Fnode-init%22%5D\
                 &changes=LABEL%20rmachine.node.recipe%3D%22{hash}%22\
                 &changes=LABEL%20rmachine.node.suite%3D%22trixie%22\
                 &changes=LABEL%20rmachine.node.packages%3D%22g%2B%2B%20vim%22\
                 &changes=LABEL%20rmachine.node.engine%3D%22true%22"
            )
        );
        let path = build_path(&recipe());
        assert!(
            path.starts_with(&format!("/build?t=rmachine-node%3Atrixie-{hash}&rm=1&forcerm=1&buildargs=")),
            "{path}"
        );
        assert!(path.contains("docker.io%20docker-cli%20g%2B%2B%20vim"), "{path}");
    }

    #[test]
    fn a_step_tells_what_it_made() {
        let of = |text: &str| made_by_step(&json!({"stream": text}));
        assert_eq!(of(" ---> c6ee89b89e4c\n").as_deref(), Some("c6ee89b89e4c"));
        for other in [" ---> Running in 07bbf7dd0ee9\n", " ---> Using cache\n", "Step 1/7 : ARG SUITE\n", ""]
        {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(made_by_step(&json!({"status": " ---> c6ee89b89e4c"})), None);
    }

    #[test]
    fn progress_is_for_people() {
        let said = Mutex::new(Vec::new());
        let hear = |text: &str| said.lock().unwrap().push(text.to_owned());
        let tail = Tail::of(&hear);
        for line in [
            json!({"stream": "Step 1/7 : ARG SUITE\n"}),
            json!({"stream": "\n"}),
            json!({"stream": "\u{1b}[91mE: "}),
            json!({"stream": "no such\n\u{1b}[0m"}),
            json!({"status": "Downloading", "progress": "[==> ] 1MB/4MB", "id": "x"}),
            json!({"aux": {"ID": "sha256:1"}}),
        ] {
            tell(&line, &tail);
        }
        assert_eq!(
            *said.lock().unwrap(),
            ["Step 1/7 : ARG SUITE", "E: no such", "Downloading [==> ] 1MB/4MB"]
        );
    }
}
