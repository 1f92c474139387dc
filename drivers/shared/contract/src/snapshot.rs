/// A machine as it was at one moment, kept at its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// As the user called it.
    pub name: String,
    /// The provider's own name for it; what a flag of `create` takes, where new machines can be made from it.
    pub id: String,
    pub bytes: u64,
    /// Seconds since 1970.
    pub created: i64,
}
