/// A list of what a provider offers, like its regions, that a driver can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogSpec {
    /// The word by which the user asks for it.
    pub name: &'static str,
    pub help: &'static str,
    /// The flags of `create` whose values it lists.
    pub options: &'static [&'static str],
}

/// Such a list as the provider told it. The first column is the value that a flag takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    pub columns: &'static [&'static str],
    pub rows: Vec<Vec<String>>,
}

/// What a machine costs, as the provider prints it on its bills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Like `$0.00893`.
    pub per_hour: String,
    pub per_month: String,
}
