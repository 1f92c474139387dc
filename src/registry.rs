//! Driver name to driver: the only list of drivers in the program.

use std::sync::Arc;

use rmachine_driver::Driver;

/// docker-machine's own default, kept until a driver that needs nothing but this computer takes its place.
pub const DEFAULT_DRIVER: &str = "virtualbox";

#[derive(Clone)]
pub struct Registry(Vec<Arc<dyn Driver>>);

impl Default for Registry {
    fn default() -> Self {
        Self(vec![Arc::new(rmachine_driver_generic_ssh::Generic), Arc::new(rmachine_driver_none::NoDriver)])
    }
}

impl Registry {
    pub fn find(&self, name: &str) -> Option<Arc<dyn Driver>> {
        self.0.iter().find(|d| d.name() == name || d.aliases().contains(&name)).cloned()
    }

    pub fn all(&self) -> &[Arc<dyn Driver>] {
        &self.0
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|d| d.name()).collect()
    }

    /// The driver that owns a flag of `create`, for hints.
    pub fn owner_of(&self, option: &str) -> Option<&'static str> {
        self.0.iter().find(|d| d.options().iter().any(|o| o.name == option)).map(|d| d.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_name_and_alias() {
        let registry = Registry::default();
        assert_eq!(registry.find("generic-ssh").unwrap().name(), "generic");
        assert!(registry.find("Generic").is_none());
        assert_eq!(registry.owner_of("generic-ssh-key"), Some("generic"));
    }

    /// Rancher finds a driver's fields by this prefix; docker-machine's `none` is the one exception.
    #[test]
    fn flags_begin_with_their_drivers_name() {
        for driver in Registry::default().0 {
            for option in driver.options() {
                let prefixed = option.name.starts_with(&format!("{}-", driver.name()));
                assert!(prefixed || driver.name() == "none", "{} of {}", option.name, driver.name());
            }
        }
    }
}
