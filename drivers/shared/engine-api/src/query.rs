//! Paths with a query, encoded.

use std::fmt::Write;

use serde_json::{Value, json};

/// `path?key=value&...`; without pairs the path alone.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    for (i, (key, value)) in pairs.iter().enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        encode(key, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

/// One segment of a path.
pub fn segment(text: &str) -> String {
    let mut out = String::new();
    encode(text, &mut out);
    out
}

/// The value of `filters=`: every pair must hold.
pub fn filters(pairs: &[(&str, &str)]) -> String {
    let mut all = serde_json::Map::new();
    for (key, value) in pairs {
        if let Value::Array(list) = all.entry(*key).or_insert_with(|| json!([])) {
            list.push(json!(value));
        }
    }
    Value::Object(all).to_string()
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(with_query("/x", &[]), "/x");
        assert_eq!(
            with_query("/build", &[("t", "a:b"), ("labels", r#"{"k":"ü &"}"#)]),
            "/build?t=a%3Ab&labels=%7B%22k%22%3A%22%C3%BC%20%26%22%7D"
        );
        assert_eq!(segment("a/b"), "a%2Fb");
    }

    #[test]
    fn filters_collect_values() {
        assert_eq!(
            filters(&[("label", "a=1"), ("name", "^/x$"), ("label", "b")]),
            r#"{"label":["a=1","b"],"name":["^/x$"]}"#
        );
    }
}
