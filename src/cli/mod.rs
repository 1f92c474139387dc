//! The grammar that clap lacks, the help screens, and the errors about a command line. Works on a built clap command and
//! knows no single command.

pub(crate) mod go;
pub(crate) mod help;
pub(crate) mod refused;
