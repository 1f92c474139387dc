//! The whole terminal for one picture that changes, until it is given back as it was.

use std::io;
use std::io::IsTerminal;
use std::sync::Once;
use std::time::Duration;

use crossterm::event;
use crossterm::event::{Event, KeyCode, KeyModifiers};
use crossterm::terminal;
use tokio::sync::mpsc;

use crate::ui::Printer;

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// How often the thread that reads the keyboard sees whether anybody still listens.
const LISTEN: Duration = Duration::from_millis(200);

/// What a user does at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Quit,
    Interrupt,
    /// The terminal has another size now.
    Resize,
}

/// Given back on every way out: return, error, signal, and a panic, which in the released program runs no destructors.
pub(crate) struct Screen {
    printer: Printer,
    acts: mpsc::Receiver<Act>,
    raw: bool,
}

impl Screen {
    pub(crate) fn on(printer: Printer) -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let earlier = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let _ = terminal::disable_raw_mode();
                Printer.raw(LEAVE);
                earlier(panic);
            }));
        });
        // Without a keyboard there is nothing to read, and Ctrl-C is a signal.
        let raw = io::stdin().is_terminal() && terminal::enable_raw_mode().is_ok();
        let (sender, acts) = mpsc::channel(8);
        if raw {
            std::thread::spawn(move || listen(&sender));
        }
        printer.raw(ENTER);
        Self { printer, acts, raw }
    }

    /// Never ends where there is no keyboard.
    pub(crate) async fn act(&mut self) -> Act {
        match self.acts.recv().await {
            Some(act) => act,
            None => std::future::pending().await,
        }
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        (columns.max(1).into(), rows.max(1).into())
    }

    /// What was there is written over, not wiped first, so that nothing flickers. Lines must fit.
    pub(crate) fn draw(&self, lines: &[String]) {
        let text = lines.iter().map(|line| format!("{line}\x1b[K")).collect::<Vec<_>>().join("\r\n");
        self.printer.raw(&format!("\x1b[H{text}\x1b[J"));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.raw {
            let _ = terminal::disable_raw_mode();
        }
        self.printer.raw(LEAVE);
    }
}

fn listen(sender: &mpsc::Sender<Act>) {
    while !sender.is_closed() {
        match event::poll(LISTEN) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(_) => return,
        }
        let act = match event::read() {
            Ok(Event::Resize(..)) => Act::Resize,
            Ok(Event::Key(key)) => match (key.code, key.modifiers) {
                (KeyCode::Char('c'), KeyModifiers::CONTROL) => Act::Interrupt,
                (KeyCode::Char('q') | KeyCode::Esc, _) => Act::Quit,
                _ => continue,
            },
            Ok(_) => continue,
            Err(_) => return,
        };
        if sender.blocking_send(act).is_err() {
            return;
        }
    }
}
