//! JSON as Go's encoder writes it, so that docker-machine's files come back byte for byte.
//!
//! Differs from serde_json in the escapes of `<`, `>`, `&`, U+2028, U+2029, backspace and form feed, and in floats.

use std::io;
use std::io::Write;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};
use serde_json::{Result, Serializer};

/// Indented by four blanks, without a newline at the end: config.json and `inspect`.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String> {
    render(value, PrettyFormatter::with_indent(b"    "))
}

fn render(value: &impl Serialize, layout: impl Formatter) -> Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Go(layout)))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Go's scalars in another formatter's layout.
struct Go<F>(F);

type Done = io::Result<()>;

impl<F: Formatter> Formatter for Go<F> {
    fn write_f64<W: Write + ?Sized>(&mut self, w: &mut W, value: f64) -> Done {
        let size = value.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            return write!(w, "{value}");
        }
        let text = format!("{value:e}");
        w.write_all(if size < 1.0 { text } else { text.replace('e', "e+") }.as_bytes())
    }

    fn write_string_fragment<W: Write + ?Sized>(&mut self, w: &mut W, fragment: &str) -> Done {
        for piece in fragment.split_inclusive(escaped) {
            let plain = piece.trim_end_matches(escaped);
            w.write_all(plain.as_bytes())?;
            if let Some(c) = piece[plain.len()..].chars().next() {
                write!(w, "\\u{:04x}", u32::from(c))?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: Write + ?Sized>(&mut self, w: &mut W, escape: CharEscape) -> Done {
        match escape {
            CharEscape::Backspace => w.write_all(b"\\u0008"),
            CharEscape::FormFeed => w.write_all(b"\\u000c"),
            other => self.0.write_char_escape(w, other),
        }
    }

    fn begin_array<W: Write + ?Sized>(&mut self, w: &mut W) -> Done {
        self.0.begin_array(w)
    }

    fn end_array<W: Write + ?Sized>(&mut self, w: &mut W) -> Done {
        self.0.end_array(w)
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, w: &mut W, first: bool) -> Done {
        self.0.begin_array_value(w, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, w: &mut W) -> Done {
        self.0.end_array_value(w)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, w: &mut W) -> Done {
        self.0.begin_object(w)
    }

    fn end_object<W: Write + ?Sized>(&mut self, w: &mut W) -> Done {
        self.0.end_object(w)
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, w: &mut W, first: bool) -> Done {
        self.0.begin_object_key(w, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, w: &mut W) -> Done {
        self.0.begin_object_value(w)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, w: &mut W) -> Done {
        self.0.end_object_value(w)
    }
}

/// What Go escapes beyond JSON's own rules, so that JSON can stand in HTML and in JavaScript.
fn escaped(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

/// On one line without blanks.
#[cfg(test)]
pub(crate) fn compact(value: &impl Serialize) -> Result<String> {
    render(value, serde_json::ser::CompactFormatter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        for (text, go) in [
            ("a<b>&c", r#""a\u003cb\u003e\u0026c""#),
            ("<<>>", r#""\u003c\u003c\u003e\u003e""#),
            ("\u{2028}x\u{2029}", r#""\u2028x\u2029""#),
            ("\u{8}\u{c}\n\r\t\u{1}\u{7f}", "\"\\u0008\\u000c\\n\\r\\t\\u0001\u{7f}\""),
            ("\"\\/é🦀", r#""\"\\/é🦀""#),
        ] {
            assert_eq!(compact(&text).unwrap(), go);
            assert_eq!(serde_json::from_str::<String>(go).unwrap(), text);
        }
        assert_eq!(compact(&json!({"<": 1})).unwrap(), r#"{"\u003c":1}"#, "keys too");
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        for (number, go) in [
            (json!(0.0), "0"),
            (json!(-0.0), "-0"),
            (json!(1.0), "1"),
            (json!(0.05), "0.05"),
            (json!(1e20), "100000000000000000000"),
            (json!(1e21), "1e+21"),
            (json!(-2.5e300), "-2.5e+300"),
            (json!(0.000001), "0.000001"),
            (json!(1e-7), "1e-7"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(i64::MIN), "-9223372036854775808"),
        ] {
            assert_eq!(compact(&number).unwrap(), go);
        }
    }

    #[test]
    fn the_layout_is_gos() {
        let value = json!({"a": {}, "b": [], "c": [1, {"d": null}]});
        let go = "{\n    \"a\": {},\n    \"b\": [],\n    \"c\": [\n        1,\n        {\n            \"d\": null\n        }\n    ]\n}";
        assert_eq!(pretty(&value).unwrap(), go);
    }
}
