//! Text for systemd's unit files.

/// An `Environment=` line that gives the engine exactly this value.
///
/// Inside double quotes systemd undoes C escapes and then expands `%`; `$` means nothing there.
pub(crate) fn systemd_environment(name: &str, value: &str) -> String {
    let mut line = format!("Environment=\"{name}=");
    for c in value.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '%' => line.push_str("%%"),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            _ => line.push(c),
        }
    }
    line.push('"');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_arrive_as_they_are() {
        for (value, line) in [
            ("plain", r#"Environment="K=plain""#),
            ("", r#"Environment="K=""#),
            ("a b", r#"Environment="K=a b""#),
            (r#"q"q"#, r#"Environment="K=q\"q""#),
            (r"back\slash\", r#"Environment="K=back\\slash\\""#),
            ("$HOME ${X} $(id)", r#"Environment="K=$HOME ${X} $(id)""#),
            ("50%", r#"Environment="K=50%%""#),
            ("%n", r#"Environment="K=%%n""#),
            ("it's #1; a=b", r#"Environment="K=it's #1; a=b""#),
            ("two\nlines\tx", r#"Environment="K=two\nlines\tx""#),
            ("grün", r#"Environment="K=grün""#),
        ] {
            assert_eq!(systemd_environment("K", value), line);
        }
    }
}
