use std::borrow::Cow;

/// A list that a provider offers, such as its regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogSpec {
    /// The subcommand that prints it.
    pub name: Cow<'static, str>,
    pub help: Cow<'static, str>,
    /// The flags of `create` whose values it lists.
    pub options: Vec<Cow<'static, str>>,
}

/// The list as the provider returned it. The first column is the value of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    pub columns: Vec<Cow<'static, str>>,
    pub rows: Vec<Vec<String>>,
}

/// What a machine costs, as the provider prints it on its bills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Like `$0.00893`.
    pub per_hour: String,
    pub per_month: String,
}
