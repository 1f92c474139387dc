//! How errors of other crates and of the operating system are worded.

use std::error::Error;
use std::io;

const NUMBER: &str = " (os error ";

/// Any error as the cause of another one. A text becomes a cause with `into()`.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The text of an error without the error number of the operating system. An [`io::Error`] reads as Go prints it, for
/// scripts that look for docker-machine's messages: "no such file or directory", "permission denied".
pub fn describe_error(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    match error.downcast_ref::<io::Error>() {
        Some(error) if error.get_ref().is_none() || text.contains(NUMBER) => describe_io(error.kind(), &text),
        _ => without_number(&text),
    }
}

/// What follows the number is the path of a temporary file, which means nothing to users.
fn describe_io(kind: io::ErrorKind, text: &str) -> String {
    if kind == io::ErrorKind::NotFound {
        return "no such file or directory".to_owned();
    }
    let mut chars = text.split(NUMBER).next().unwrap_or_default().chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn without_number(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once(NUMBER) {
        out.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read /x: {0}; nothing was changed")]
    struct Outer(io::Error);

    #[test]
    fn errors_of_the_system_read_plainly() {
        for (number, text) in [
            (2, "no such file or directory"),
            (13, "permission denied"),
            (28, "no space left on device"),
            (113, "no route to host"),
        ] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(describe_error(&error), text);
            let upper = error.to_string().split(" (").next().unwrap().to_owned();
            assert_eq!(describe_error(&Outer(error)), format!("read /x: {upper}; nothing was changed"));
        }
        assert_eq!(describe_error(&io::Error::from(io::ErrorKind::NotFound)), "no such file or directory");
        let temporary = "Permission denied (os error 13) at path \"/tmp/.x1\"";
        assert_eq!(describe_error(&io::Error::other(temporary)), "permission denied");
        assert_eq!(describe_error(&io::Error::other("GET /x: Broken")), "GET /x: Broken");
    }
}
