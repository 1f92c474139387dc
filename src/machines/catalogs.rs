//! Lists of what providers offer; the last answer is kept, for completion that asks no network.

use std::path::PathBuf;

use rmachine_driver::{Catalog, Catalogs, Driver, require};

use crate::machines::Machines;
use crate::model::Failure;
use crate::store::Store;

impl Machines {
    pub(crate) async fn catalog(&self, driver: &dyn Driver, list: &str) -> Result<Catalog, Failure> {
        let catalogs = require(driver, driver.catalogs())?;
        let catalog = catalogs.fetch_catalog(list, &self.keyring(driver.name())).await?;
        let values: Vec<&str> =
            catalog.rows.iter().filter_map(|row| row.first()).map(String::as_str).collect();
        let path = path(&self.store, driver, list);
        // A help for completion alone.
        let kept = self
            .store
            .make_dir(&self.store.cache_dir())
            .and_then(|()| self.store.write_file(&path, values.join("\n").as_bytes(), 0o644));
        if let Err(e) = kept {
            tracing::debug!(%e, "the list is not kept");
        }
        Ok(catalog)
    }
}

/// The values that a flag of a driver's takes, as the provider told them last. Asks nobody.
pub(crate) fn known_values(store: &Store, driver: &dyn Driver, option: &str) -> Vec<String> {
    let specs = driver.catalogs().map(Catalogs::catalog_specs).unwrap_or_default();
    let lists = specs.iter().filter(|spec| spec.options.iter().any(|name| name == option));
    let read = |list: &str| std::fs::read_to_string(path(store, driver, list)).unwrap_or_default();
    lists.flat_map(|c| read(&c.name).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn path(store: &Store, driver: &dyn Driver, list: &str) -> PathBuf {
    store.cache_dir().join(format!("{}-{list}", driver.name()))
}
