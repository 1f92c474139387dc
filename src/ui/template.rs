//! Go templates over JSON, for `--format`. The engine is gtmpl-ng; the functions `json` and `prettyjson` are ours.

mod moments;

use std::collections::HashMap;

use gtmpl_ng::{Context, FuncError, Number, Template, Value};

pub(crate) use moments::duration;

/// What the data of a template was to docker-machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// JSON: any key may be asked for, and there are functions that write JSON.
    Json,
    /// A struct: a field that it does not have is an error. Its durations and states are numbers underneath.
    Struct,
}

/// The parser calls itself for each level, and there is only so much stack.
fn too_deep(template: &str) -> bool {
    const DEEPEST: usize = 200;
    template.matches('(').count() > DEEPEST || template.matches("{{").count() > 10 * DEEPEST
}

/// Renders a template; errors come in Go's sentence.
pub(crate) fn render(template: &str, data: &serde_json::Value, shape: Shape) -> Result<String, String> {
    if too_deep(template) {
        return Err("template parsing error: template: it is nested too deeply".to_owned());
    }
    let mut parsed = Template::with_name("");
    parsed.add_func("json", json);
    parsed.add_func("prettyjson", pretty_json);
    if shape == Shape::Struct {
        parsed.add_func("printf", moments::printf);
    }
    parsed.parse(template).map_err(|e| format!("template parsing error: {}", parse_error(&e.to_string())))?;
    parsed.render(&Context::from(to_go(data, shape))).map_err(|e| render_error(&e.to_string(), template))
}

/// Where in a template something is wrong, as gtmpl tells it: `NAME:LINE:COLUMN:LENGTH: what`.
struct Place<'a> {
    line: usize,
    /// From 1.
    column: usize,
    length: usize,
    what: &'a str,
}

fn place(error: &str) -> Option<Place<'_>> {
    let mut parts = error.strip_prefix("template: ").unwrap_or(error).splitn(5, ':');
    let _name = parts.next()?;
    let mut number = || parts.next()?.parse().ok();
    let (line, column, length) = (number()?, number()?, number()?);
    // The value itself can be as long as a machine's configuration.
    let what = parts.next()?.trim().split(" in map[").next().unwrap_or_default();
    Some(Place { line, column, length, what })
}

/// `template: NAME:LINE: what`; ours have no name.
fn parse_error(error: &str) -> String {
    match place(error) {
        Some(Place { line, what, .. }) => format!("template: :{line}: {what}"),
        None => format!("template: {}", error.strip_prefix("template: ").unwrap_or(error)),
    }
}

/// Go adds the column, which it counts from 0, and the construct that stands there.
fn render_error(error: &str, template: &str) -> String {
    let Some(Place { line, column, length, what }) = place(error) else { return parse_error(error) };
    let column = column.saturating_sub(1);
    let text = template.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let construct = text.get(column..column + length).unwrap_or_default();
    let what = match what.strip_prefix("no field `").and_then(|w| w.split('`').next()) {
        // The fields of a row are docker-machine's.
        Some(field) if construct == format!(".{field}") => {
            format!("can't evaluate field {field} in type commands.HostListItem")
        }
        Some(field) => format!("can't evaluate field {field}"),
        None => what.to_owned(),
    };
    format!("template: :{line}:{column}: executing \"\" at <{construct}>: {what}")
}

fn to_go(data: &serde_json::Value, shape: Shape) -> Value {
    use serde_json::Value as Json;
    match data {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::Number(number(n)),
        Json::String(s) => Value::String(s.clone()),
        Json::Array(items) => Value::Array(items.iter().map(|item| to_go(item, shape)).collect()),
        Json::Object(map) => {
            let fields: HashMap<_, _> = map.iter().map(|(k, v)| (k.clone(), to_go(v, shape))).collect();
            if shape == Shape::Struct { Value::Object(fields) } else { Value::Map(fields) }
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
pub(crate) fn pretty(value: &serde_json::Value) -> String {
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
        render(template, &data, Shape::Json).unwrap_or_else(|e| format!("ERR {e}"))
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
        assert_eq!(run("{{.Name"), "ERR template parsing error: template: :1: unclosed action");
    }

    #[test]
    fn a_struct_has_its_own_fields_alone() {
        let data = serde_json::json!({"Name": "x", "Options": {"Image": "i"}, "State": "Running"});
        let run = |template| render(template, &data, Shape::Struct);
        assert_eq!(run("{{.Options.Image}}").unwrap(), "i");
        assert_eq!(
            run("{{.Name}} {{.Nope}}").unwrap_err(),
            "template: :1:12: executing \"\" at <.Nope>: can't evaluate field Nope in type commands.HostListItem"
        );
        assert_eq!(
            run("{{.Options.Nope}}").unwrap_err(),
            "template: :1:2: executing \"\" at <.Options.Nope>: can't evaluate field Nope"
        );
        assert_eq!(run("{{json .Name}}").unwrap(), "\"x\"", "docker-machine's `ls` has no such function");
    }

    #[test]
    fn depth_is_refused_before_the_stack_ends() {
        let deep = format!("{{{{{}1{}}}}}", "(".repeat(50_000), ")".repeat(50_000));
        assert!(run(&deep).contains("nested too deeply"));
        let blocks = format!("{}{}", "{{if .T}}".repeat(20_000), "{{end}}".repeat(20_000));
        assert!(run(&blocks).contains("nested too deeply"));
    }
}
