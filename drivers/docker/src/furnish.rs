//! What a machine's container is given before it starts for the first time: the key that lets the core in, and what
//! the core wants its engine to find.

use std::collections::BTreeSet;

use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{CreateRequest, DriverError, EngineUnit, FirstFile, MachineHandle, describe_error};
use rmachine_engine_api::{Method, Payload, with_query};

use crate::archive::{Entry, pack};
use crate::engine::{Engine, PATIENCE, refused};
use crate::network::Place;
use crate::options::Wanted;
use crate::reach::will_answer;

const CONFIGURED_FIRST: &str = include_str!("../../../templates/node/configured-first.conf");
/// As Debian's package has it, in all suites. Reading it out of the container would take longer than all else here; of
/// another one provisioning finds out.
const UNIT: EngineUnit<'static> = EngineUnit {
    path: "/usr/lib/systemd/system/docker.service",
    text: "[Service]\n\
           ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS\n",
};
/// An engine that the image brings does not start before it is configured, which would only be to start again.
const HELD: [&str; 2] = [
    "etc/systemd/system/docker.service.d/05-configured-first.conf",
    "etc/systemd/system/docker.socket.d/05-configured-first.conf",
];

pub(crate) async fn furnish(
    machine: &MachineHandle<'_>,
    engine: &mut Engine,
    id: &str,
    wanted: &Wanted,
    request: &CreateRequest<'_>,
    place: &Place,
) -> Result<(), DriverError> {
    let line = request.public_key.map(|key| format!("{}\n", key.trim()));
    let mut files = Vec::new();
    if let Some(line) = &line {
        let content = Some(line.as_bytes());
        files.push(Entry { path: "root/.ssh/authorized_keys", mode: 0o600, content });
    }
    let mut first = Vec::new();
    // Of an image of the user's own nothing is known.
    if wanted.image.is_none() && wanted.recipe.engine {
        let content = Some(CONFIGURED_FIRST.as_bytes());
        files.extend(HELD.map(|path| Entry { path, mode: 0o644, content }));
        first = first_files(machine, engine, request, place).await?;
    }
    files.extend(first.iter().map(|file| Entry {
        path: file.path.trim_start_matches('/'),
        mode: file.mode,
        content: Some(file.content.expose_secret().as_bytes()),
    }));
    put(engine, id, &files).await
}

/// None where it is not known yet where the machine will answer: its certificate would not fit.
async fn first_files(
    machine: &MachineHandle<'_>,
    engine: &Engine,
    request: &CreateRequest<'_>,
    place: &Place,
) -> Result<Vec<FirstFile>, DriverError> {
    let remote = engine.host.remote().map(ToString::to_string);
    let state = will_answer(machine.state, place, remote.as_deref());
    match (request.first_boot, state) {
        (Some(first_boot), Some(state)) => first_boot.files(&state, UNIT).await,
        _ => Ok(Vec::new()),
    }
}

async fn put(engine: &mut Engine, id: &str, files: &[Entry<'_>]) -> Result<(), DriverError> {
    let folders: BTreeSet<&str> =
        files.iter().filter_map(|f| f.path.rsplit_once('/')).map(|(at, _)| at).collect();
    let folders = folders.into_iter().map(|path| Entry {
        path,
        mode: if path == "root/.ssh" { 0o700 } else { 0o755 },
        content: None,
    });
    let entries: Vec<Entry<'_>> = folders.chain(files.iter().copied()).collect();
    let archive = pack(&entries).map_err(|e| DriverError::invalid(describe_error(&e)).caused_by(e))?;
    let path = with_query(&format!("/containers/{id}/archive"), &[("path", "/")]);
    let put = engine.client.exchange(Method::PUT, &path, Payload::Tar(archive), PATIENCE).await;
    put.map(drop).map_err(refused)
}
