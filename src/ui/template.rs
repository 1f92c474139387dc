//! Go templates over JSON, for `--format`. The engine is gtmpl-ng; the functions `json` and `prettyjson` are ours.

use std::collections::HashMap;

use gtmpl_ng::{Context, FuncError, Number, Template, Value};

/// Renders a template; errors come in Go's sentence.
pub fn render(template: &str, data: &serde_json::Value, json_functions: bool) -> Result<String, String> {
    let mut parsed = Template::with_name("");
    if json_functions {
        parsed.add_func("json", json);
        parsed.add_func("prettyjson", pretty_json);
    }
    let said = |e: &dyn std::fmt::Display| format!("template parsing error: template: {e}");
    parsed.parse(template).map_err(|e| said(&e))?;
    parsed.render(&Context::from(to_go(data))).map_err(|e| format!("template: {e}"))
}

fn to_go(data: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match data {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::Number(number(n)),
        Json::String(s) => Value::String(s.clone()),
        Json::Array(items) => Value::Array(items.iter().map(to_go).collect()),
        Json::Object(map) => {
            Value::Map(map.iter().map(|(k, v)| (k.clone(), to_go(v))).collect::<HashMap<_, _>>())
        }
    }
}

fn number(n: &serde_json::Number) -> Number {
    if let Some(n) = n.as_i64() {
        Number::signed(n)
    } else if let Some(n) = n.as_u64() {
        Number::unsigned(n)
    } else {
        Number::float(n.as_f64().unwrap_or_default())
    }
}

/// Go's encoder sorts the keys of a map.
fn from_go(value: &Value) -> serde_json::Value {
    use gtmpl_ng::NumberKind;
    match value {
        Value::Bool(b) => (*b).into(),
        Value::String(s) => s.clone().into(),
        Value::Number(n) => match n.kind() {
            NumberKind::Unsigned(n) => n.into(),
            NumberKind::Signed(n) => n.into(),
            NumberKind::Float(n) => n.into(),
        },
        Value::Array(items) => items.iter().map(from_go).collect(),
        Value::Object(map) | Value::Map(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            keys.into_iter().filter_map(|k| map.get(k).map(|v| (k.clone(), from_go(v)))).collect()
        }
        _ => serde_json::Value::Null,
    }
}

fn only(args: &[Value], name: &str) -> Result<serde_json::Value, FuncError> {
    match args {
        [one] => Ok(from_go(one)),
        _ => Err(FuncError::ExactlyXArgs(name.to_owned(), 1)),
    }
}

fn json(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(go_escape(&only(args, "json")?.to_string())))
}

fn pretty_json(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(go_escape(&pretty(&only(args, "prettyjson")?))))
}

/// Four blanks a level, as docker-machine indents.
pub fn pretty(value: &serde_json::Value) -> String {
    let mut out = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, indent);
    // A Value in memory always serializes.
    let _ = serde::Serialize::serialize(value, &mut serializer);
    String::from_utf8(out).unwrap_or_default()
}

/// Go writes these characters escaped; outside of strings they do not occur in JSON.
fn go_escape(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(template: &str) -> String {
        let data = serde_json::json!({
            "Name": "x", "Driver": {"IPAddress": "10.0.0.5", "DropletID": 312_345_678, "Tags": ["b", "a"], "N": null},
            "T": true, "H": "<&>",
        });
        render(template, &data, true).unwrap_or_else(|e| format!("ERR {e}"))
    }

    #[test]
    fn templates_that_clients_use() {
        for (template, expected) in [
            ("{{.Driver.IPAddress}}", "10.0.0.5"),
            ("{{ .Name | urlquery }}", "x"),
            ("{{.Driver.DropletID}}", "312345678"),
            ("{{json .Driver.Tags}}", r#"["b","a"]"#),
            ("{{json .H}}", r#""\u003c\u0026\u003e""#),
            ("{{.Driver.N}}", "<no value>"),
            ("{{.Driver.Missing}}", "<no value>"),
            ("{{if .T}}yes{{else}}no{{end}}", "yes"),
            ("{{range .Driver.Tags}}{{.}};{{end}}", "b;a;"),
            ("{{index .Driver.Tags 1}}", "a"),
            (r#"{{printf "%s-%v" .Name .T}}"#, "x-true"),
            ("{{prettyjson .Driver.Tags}}", "[\n    \"b\",\n    \"a\"\n]"),
            (
                "{{json .Driver}}",
                r#"{"DropletID":312345678,"IPAddress":"10.0.0.5","N":null,"Tags":["b","a"]}"#,
            ),
        ] {
            assert_eq!(run(template), expected, "{template}");
        }
    }

    #[test]
    fn errors_are_gos() {
        assert!(run("{{.Name").starts_with("ERR template parsing error: template: "), "{}", run("{{.Name"));
    }
}
