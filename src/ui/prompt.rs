//! Questions to a person: yes or no, and passphrases.

use std::io;
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rmachine_driver::secrecy::SecretString;

use crate::ssh::Prompter;
use crate::ui::Printer;

/// Asks on stdout and reads one word from stdin, as docker-machine does: any word that begins with y is a yes.
pub fn confirm(printer: Printer, question: &str) -> io::Result<bool> {
    printer.raw(question);
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "EOF"));
    }
    let mut words = answer.split_whitespace();
    let yes = words.next().is_some_and(|word| word.starts_with(['y', 'Y']));
    Ok(yes && words.next().is_none())
}

/// Asks on the terminal itself, wherever the streams lead.
pub fn ask_secret(question: &str) -> io::Result<SecretString> {
    rpassword::prompt_password(question).map(SecretString::from)
}

/// Asks for passphrases on the terminal, when there is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminalPrompter;

impl Prompter for TerminalPrompter {
    fn passphrase(&self, key: &Path) -> Option<SecretString> {
        if !io::stdin().is_terminal() {
            return None;
        }
        // Machines are worked on at once; questions come one after the other.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let question = format!("Passphrase for {}: ", key.display());
        rpassword::prompt_password(question).ok().map(SecretString::from)
    }
}
