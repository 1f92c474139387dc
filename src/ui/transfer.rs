//! How far a copy is: a bar on a terminal, nothing elsewhere.

use std::sync::Arc;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::transfer::Watcher;

/// All clones are the same bar.
#[derive(Clone)]
pub(crate) struct TransferBar {
    bar: Arc<ProgressBar>,
    began: Instant,
}

impl TransferBar {
    pub(crate) fn new(hidden: bool) -> Self {
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = "{bar:24.cyan} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar: Arc::new(bar), began: Instant::now() }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

impl Watcher for TransferBar {
    fn begin(&self, _files: u64, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn file(&self, name: &str) {
        self.bar.set_message(name.to_owned());
    }

    fn moved(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}
