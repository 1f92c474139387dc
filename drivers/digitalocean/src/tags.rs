//! The contract's tags as DigitalOcean's, which are letters, digits, colons, dashes and underscores, and which do not
//! tell capitals from small letters.

use std::collections::BTreeMap;

use rmachine_driver::{Tags, Uuid};

/// On everything that is ours.
pub(crate) const OURS: &str = "rmachine";
/// On droplets whose reserved address goes with them.
pub(crate) const WITH_ADDRESS: &str = "rmachine:with:address";
const LONGEST: usize = 255;

/// What can be found by it is one machine's.
pub(crate) fn of_machine(uuid: Uuid) -> String {
    format!("rmachine:uuid:{uuid}")
}

/// All tags of a machine. One that would be too long is left out: what lacks it is not taken for a leftover.
pub(crate) fn written(tags: &Tags) -> Vec<String> {
    let pairs = tags.pairs();
    let ours = pairs.iter().map(|(key, value)| format!("{}:{}", key.replace('.', ":"), escaped(value)));
    std::iter::once(OURS.to_owned()).chain(ours.filter(|tag| tag.len() <= LONGEST)).collect()
}

pub(crate) fn read<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Tags> {
    let pairs: BTreeMap<String, String> = tags
        .into_iter()
        .filter_map(|tag| {
            let (key, value) = tag.strip_prefix("rmachine:")?.split_once(':')?;
            Some((format!("rmachine.{key}"), unescaped(value)?))
        })
        .collect();
    Tags::read(|key| pairs.get(key).map(String::as_str))
}

/// Everything but small letters, digits and dashes as its bytes: `/Us` becomes `_2f_55s`.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => out.push(char::from(byte)),
            other => out.push_str(&format!("_{other:02x}")),
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'_' {
            let hex = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use rmachine_driver::MachineName;

    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for store in ["/root/.docker/machine", "/Users/Änn B/.docker/machine", "relative_x"] {
            let tags = Tags {
                uuid: Uuid::from_u128(7),
                machine: MachineName::parse("Web.1").unwrap(),
                store: store.to_owned(),
                computer: "Laptop.local".to_owned(),
                expires: Some(1_800_000_000),
            };
            let written = written(&tags);
            assert!(written.contains(&of_machine(tags.uuid)) && written[0] == OURS);
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-:".contains(c);
            assert!(written.iter().all(|tag| tag.chars().all(allowed)), "{written:?}");
            assert_eq!(read(written.iter().map(String::as_str)), Some(tags));
        }
        assert_eq!(read(["rmachine", "web"]), None);
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let tags = Tags {
            uuid: Uuid::nil(),
            machine: MachineName::parse("m").unwrap(),
            store: "/X".repeat(100),
            computer: String::new(),
            expires: None,
        };
        let written = written(&tags);
        assert!(written.iter().all(|tag| tag.len() <= LONGEST));
        assert_eq!(read(written.iter().map(String::as_str)), None);
    }
}
