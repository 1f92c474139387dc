//! Filling in: `${{ expression }}` for values, lines that begin with `#%` for conditions and loops.
//!
//! Both leave a template what it is: YAML stays YAML, a configuration file with `#` for comments stays one, and neither
//! `{{ }}` (docker's, Prometheus') nor `${ }` (compose's, Grafana's) means anything here.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use crate::stacks::definition::StackError;

const BEGIN: &str = "${{";
const END: &str = "}}";

/// A whole file. A value gets into it only where it cannot be taken for anything but a word.
pub(super) fn file(name: &str, text: &str, values: &Value) -> Result<String, StackError> {
    let mut env = environment((BEGIN, END))?;
    env.set_formatter(words_only);
    env.render_named_str(name, text, values).map_err(|e| explain(name, &e))
}

/// The lines that apply; values stay as they are written.
pub(super) fn lines(name: &str, text: &str, values: &Value) -> Result<String, StackError> {
    // Delimiters that no file has: values are filled in when it is known what is a string.
    let env = environment(("\u{1}[", "]\u{1}"))?;
    env.render_named_str(name, text, values).map_err(|e| explain(name, &e))
}

/// One string of a document that was parsed already. One that is nothing but a value becomes that value.
pub(super) fn scalar(text: &str, values: &Value) -> Result<serde_json::Value, StackError> {
    let env = environment((BEGIN, END))?;
    let evaluate = |expression: &str| {
        let compiled = env.compile_expression(expression.trim());
        let value = compiled.and_then(|e| e.eval(values)).and_then(defined);
        value.map_err(|e| explain(&format!("{BEGIN}{expression}{END}"), &e))
    };
    if let Some(expression) = text.strip_prefix(BEGIN).and_then(|t| t.strip_suffix(END))
        && !expression.contains(END)
    {
        return Ok(match evaluate(expression)? {
            value if value.as_str().is_some() => value.to_string().replace('$', "$$").into(),
            value => serde_json::to_value(value).map_err(|e| StackError::new(e.to_string()))?,
        });
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let unclosed = || StackError::new(format!("{text:?}: {BEGIN} without {END}"));
        let (expression, after) = after.split_once(END).ok_or_else(unclosed)?;
        out.push_str(before);
        // Compose would take a dollar for the beginning of a variable.
        out.push_str(&evaluate(expression)?.to_string().replace('$', "$$"));
        rest = after;
    }
    out.push_str(rest);
    Ok(out.into())
}

fn defined(value: Value) -> Result<Value, Error> {
    if value.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(value) }
}

fn environment((begin, end): (&'static str, &'static str)) -> Result<Environment<'static>, StackError> {
    let syntax = SyntaxConfig::builder()
        .block_delimiters("\u{1}%", "%\u{1}")
        .variable_delimiters(begin, end)
        .comment_delimiters("\u{1}#", "#\u{1}")
        .line_statement_prefix("#%")
        .keep_trailing_newline(true)
        .build()
        .map_err(|e| StackError::new(e.to_string()))?;
    let mut env = Environment::new();
    env.set_syntax(syntax);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    Ok(env)
}

fn words_only(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = defined(value.clone())?.to_string();
    let harmless = |c: char| c.is_ascii_alphanumeric() || " ._/:@%+,=~-[]".contains(c);
    if !text.chars().all(harmless) {
        let why = format!("the value {text:?} has characters that could mean something in this file");
        return Err(Error::new(ErrorKind::InvalidOperation, why));
    }
    out.write_str(&text).map_err(Error::from)
}

fn explain(name: &str, error: &Error) -> StackError {
    let line = error.line().map(|l| format!(", line {l}")).unwrap_or_default();
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    StackError::new(format!("{name}{line}: {detail}"))
}
