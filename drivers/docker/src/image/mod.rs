//! Node images: built on first use, from a Debian base image or from a root file system made here.

mod build;
mod recipe;
mod rootfs;
mod tail;

use std::path::Path;
use std::time::Duration;

use rmachine_driver::{DriverError, NodeImage, Options, Progress};
use rmachine_engine_api::{filters, with_query};
use rmachine_host::lock_shared;
use serde::Deserialize;

use crate::engine::{Engine, Labels, refused};
pub(crate) use recipe::Recipe;
use recipe::{DOCKERFILE, INIT, PACKAGES, REPOSITORY, ROOTFS, SETUP};

/// The label of every image that was built here: the recipe's hash.
pub(crate) const RECIPE: &str = "rmachine.node.recipe";
/// Two users who build at the same instant may remove each other's image once.
const BUILDS: usize = 2;
/// Another process may be building the same.
const BUILD: Duration = Duration::from_secs(1800);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    labels: Option<Labels>,
}

/// The image of a recipe, built if it is not there. `announce` is called before work that takes a while.
pub(crate) async fn ensure(
    engine: &mut Engine,
    recipe: &Recipe,
    locks: &Path,
    announce: Progress<'_>,
    progress: Progress<'_>,
) -> Result<String, DriverError> {
    let image = recipe.image();
    if engine.image_id(&image).await?.is_some() {
        return Ok(image);
    }
    announce(&format!("Building the node image {image}, which is done once and takes a minute..."));
    let _lock = lock_shared(locks, &format!("node-image-{}", recipe.tag()), BUILD).await?;
    for _ in 0..BUILDS {
        if engine.image_id(&image).await?.is_some() {
            return Ok(image);
        }
        match build::build(engine, recipe, announce, progress).await {
            Ok(()) => build::sweep_twins(engine, recipe).await,
            // Another user, who does not share our lock, has built the image meanwhile and removed ours as a twin.
            Err(_) if build::is_built(engine, &image).await => return Ok(image),
            Err(error) => return Err(error),
        }
    }
    Ok(image)
}

/// All that were built here, the newest first.
pub(crate) async fn list(engine: &mut Engine) -> Result<Vec<NodeImage>, DriverError> {
    let path = with_query("/images/json", &[("filters", &filters(&[("label", RECIPE)]))]);
    let images: Vec<Listed> = engine.client.get(&path).await.map_err(refused)?;
    let containers = engine.list(&[]).await?;
    let users = |id: &str| containers.iter().filter(|c| c.image_id == id).count();
    let mut list: Vec<NodeImage> =
        images.into_iter().flat_map(|image| named(&image, users(&image.id))).collect();
    list.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.cmp(&b.name)));
    Ok(list)
}

fn named(image: &Listed, users: usize) -> Vec<NodeImage> {
    let tags = image.repo_tags.iter().flatten();
    let ours = tags.filter(|t| t.starts_with(&format!("{REPOSITORY}:")));
    ours.map(|tag| NodeImage {
        name: tag.clone(),
        id: image.id.clone(),
        bytes: image.size,
        created: image.created,
        users,
        current: is_current(tag, image.labels.as_ref()),
    })
    .collect()
}

/// Whether this program's recipe for the same suite and packages is still the one that it was built by.
fn is_current(tag: &str, labels: Option<&Labels>) -> bool {
    let text = |key: &str| labels.and_then(|l| l.get(key)).map(String::as_str).unwrap_or_default();
    let extra = text(build::EXTRA).split(' ').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let suite = text(build::SUITE).to_owned();
    Recipe { suite, extra, engine: text(build::ENGINE) == "true" }.image() == tag
}

/// False when there is none of that name.
pub(crate) async fn remove(engine: &mut Engine, name: &str) -> Result<bool, DriverError> {
    let list = list(engine).await?;
    let full = format!("{REPOSITORY}:{name}");
    let Some(image) = list.into_iter().find(|i| i.name == name || i.name == full) else { return Ok(false) };
    if image.users > 0 {
        let users = image.users;
        return Err(DriverError::invalid(format!(
            "the image {} is in use by {users} containers",
            image.name
        ))
        .hint("remove the machines that were made from it first"));
    }
    engine.delete(&format!("/images/{}", image.name)).await?;
    Ok(true)
}

/// What `create` with these options would use.
pub(crate) async fn build_now(
    engine: &mut Engine,
    options: &Options,
    locks: &Path,
    announce: Progress<'_>,
    progress: Progress<'_>,
) -> Result<NodeImage, DriverError> {
    let name = ensure(engine, &Recipe::from_options(options)?, locks, announce, progress).await?;
    let built = list(engine).await?.into_iter().find(|i| i.name == name);
    built.ok_or_else(|| DriverError::invalid(format!("the image {name} is gone again")))
}
