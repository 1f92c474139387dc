use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rmachine_driver::DriverError;

/// Everything but RFC 3986's unreserved characters and the colon, which tags contain and which has no meaning inside a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The path and the query of a request. Only its fixed parts can add a `/`, `?` or `&`: whatever comes from a provider's answer,
/// from a file or from a flag is one segment or one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath {
    path: String,
    query: String,
}

impl RequestPath {
    /// From a fixed path that begins with `/`.
    pub fn new(path: &'static str) -> Self {
        Self { path: path.to_owned(), query: String::new() }
    }

    /// Adds a fixed path that begins with `/`.
    #[must_use]
    pub fn join(mut self, path: &'static str) -> Self {
        self.path.push_str(path);
        self
    }

    #[must_use]
    pub fn number(mut self, id: u64) -> Self {
        self.path.push_str(&format!("/{id}"));
        self
    }

    /// Refuses what would name the parent, and no encoding prevents: URL parsers read `%2e%2e` as `..`.
    pub fn segment(mut self, text: &str) -> Result<Self, DriverError> {
        if matches!(text, "" | "." | "..") {
            let path = &self.path;
            return Err(DriverError::invalid(format!(
                "{text:?} is not a valid id in the API path {path}/<id>"
            )));
        }
        self.path.push('/');
        self.path.extend(utf8_percent_encode(text, ENCODED));
        Ok(self)
    }

    #[must_use]
    pub fn query(mut self, key: &'static str, value: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(key);
        self.query.push('=');
        self.query.extend(utf8_percent_encode(value, ENCODED));
        self
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, self.query)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;

    fn firewall(id: &str) -> Result<RequestPath, DriverError> {
        Ok(RequestPath::new("/v2/firewalls").segment(id)?.join("/rules"))
    }

    #[test]
    fn ordinary_ids_and_tags_stay_readable() {
        let path = firewall("bb4b2611-3d72-467b-8602-280330ecd65c").unwrap();
        assert_eq!(path.to_string(), "/v2/firewalls/bb4b2611-3d72-467b-8602-280330ecd65c/rules");
        let tagged = RequestPath::new("/v2/droplets").query("tag_name", "rmachine:uuid:7").query("page", "2");
        assert_eq!(tagged.to_string(), "/v2/droplets?tag_name=rmachine:uuid:7&page=2");
        assert_eq!(RequestPath::new("/v2/droplets").number(7).to_string(), "/v2/droplets/7");
    }

    #[test]
    fn an_id_cannot_change_the_path() {
        for id in [
            "../../droplets",
            "a/b",
            "a?b=c",
            "a#b",
            "a\\b",
            "%2e%2e",
            "%2F",
            "a b",
            "..;/",
            "é",
            "\r\n",
            "x&y=z",
        ] {
            let path = firewall(id).unwrap().to_string();
            let url = Url::parse(&format!("https://api.example.com{path}")).unwrap();
            let segments: Vec<&str> = url.path_segments().unwrap().collect();
            assert_eq!(
                (segments.len(), segments[0], segments[1], segments[3]),
                (4, "v2", "firewalls", "rules"),
                "{id:?}"
            );
            let decoded = percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap();
            assert_eq!((decoded.as_ref(), url.query(), url.fragment()), (id, None, None));
        }
        for id in ["", ".", ".."] {
            let error = firewall(id).unwrap_err();
            assert!(error.message.contains("/v2/firewalls/<id>"), "{error}");
        }
    }

    #[test]
    fn a_value_cannot_add_parameters_to_the_query() {
        let path =
            RequestPath::new("/v2/droplets").query("tag_name", "a&page=7+#").query("page", "1").to_string();
        let url = Url::parse(&format!("https://api.example.com{path}")).unwrap();
        let pairs: Vec<_> = url.query_pairs().collect();
        assert_eq!(pairs, [("tag_name".into(), "a&page=7+#".into()), ("page".into(), "1".into())]);
    }
}
