//! Commands about rmachine itself and the accounts it uses.

pub(crate) mod catalog;
pub(crate) mod completion;
pub(crate) mod credentials;
pub(crate) mod man;
pub(crate) mod version;
