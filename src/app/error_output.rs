//! The one place where errors are printed.

use crate::model::Failure;
use crate::ui::Printer;

/// Prints a failure to standard error, under the name that the program was called by. The causes are for `--debug`.
pub(crate) fn print_failure(failure: &Failure, printer: Printer, program: &str, debug: bool) {
    if failure.message.is_empty() {
        return;
    }
    let (red, plain) = if printer.stderr_is_terminal() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    printer.error_line(&format!("{red}{}{plain}", called(&failure.message, program)));
    for line in &failure.details {
        printer.error_line(&format!("  {}", called(line, program)));
    }
    if debug {
        for cause in failure.causes() {
            printer.error_line(&format!("  caused by: {cause}"));
        }
    }
    for hint in &failure.hints {
        printer.error_line(&format!("Hint: {}", called(hint, program)));
    }
}

/// Puts the called name in place of `rmachine` where a command to type follows.
fn called(text: &str, program: &str) -> String {
    const OWN: &str = "rmachine ";
    if program == "rmachine" {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(OWN) {
        let is_word =
            !rest[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        out.push_str(&rest[..at]);
        out.push_str(if is_word { program } else { "rmachine" });
        out.push(' ');
        rest = &rest[at + OWN.len()..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::called;

    #[test]
    fn hints_name_the_program_as_it_was_called() {
        let hint = "`rmachine ls` lists them; /opt/rmachine ls stays, as does rmachine.json";
        assert_eq!(called(hint, "rmachine"), hint);
        let expected = "`docker-machine ls` lists them; /opt/rmachine ls stays, as does rmachine.json";
        assert_eq!(called(hint, "docker-machine"), expected);
    }
}
