//! Whole numbers as Go reads them in flags.

/// A whole number as Go's flags take it: 10, -1, 0x1f, 0b101, 0o17 and 017.
pub(crate) fn go_int(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) if text.starts_with('-') => ("-", digits),
        Some(digits) => ("", digits),
        None => ("", text),
    };
    let lower = digits.to_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    // One sign is enough.
    let plain = digits.starts_with(|c: char| c.is_ascii_alphanumeric());
    let number = plain.then(|| i64::from_str_radix(&format!("{sign}{digits}"), base).ok()).flatten();
    number.ok_or_else(|| "it is not a whole number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gos() {
        for (text, number) in
            [("10", 10), ("-1", -1), ("+2", 2), ("0x1F", 31), ("017", 15), ("0b11", 3), ("0", 0)]
        {
            assert_eq!(go_int(text), Ok(number), "{text}");
        }
        for text in ["", "-", "x", "1.5", "--1", "0x", "0x-1", "08", "9223372036854775808", " 1"] {
            assert!(go_int(text).is_err(), "{text:?}");
        }
    }
}
