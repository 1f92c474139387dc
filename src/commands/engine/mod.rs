//! Commands for the Docker engine of a machine and its certificates.

pub(crate) mod certs;
pub(crate) mod node_image;
pub(crate) mod provision;
pub(crate) mod regenerate_certs;
pub(crate) mod upgrade;
