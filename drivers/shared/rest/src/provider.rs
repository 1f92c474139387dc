use std::fmt;

use serde_json::Value;

/// In what one provider's API differs from another's.
pub struct Provider {
    /// The name that error messages give it.
    pub name: &'static str,
    /// The header that says how many requests the rate limit still allows.
    pub rate_remaining: &'static str,
    /// The header that says when the rate limit starts anew, in seconds since 1970.
    pub rate_reset: &'static str,
    pub items_per_page: usize,
    /// Reads the message of an error's body.
    pub error_message: fn(&[u8]) -> Option<String>,
    /// Reads from a page of a list whether another one follows.
    pub has_next_page: fn(&Value) -> bool,
    /// Hints for a token that the provider does not know, status 401.
    pub unknown_token_hints: &'static [&'static str],
    /// Hints for a token without the permission that a request needs, status 403.
    pub missing_permission_hints: &'static [&'static str],
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
