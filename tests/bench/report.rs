//! The table, and the raw numbers below it.

use std::fmt::Write;
use std::fs;
use std::thread::available_parallelism;

use crate::sample::Samples;

#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    raw: Vec<(String, Samples)>,
    load: Option<String>,
}

#[derive(Debug)]
struct Row {
    what: String,
    goal: String,
    measured: String,
    /// Nothing where there is no goal.
    met: Option<bool>,
}

impl Report {
    pub(crate) fn goal(&mut self, what: &str, goal: &str, measured: String, met: bool) {
        self.row(what, goal, measured, Some(met));
    }

    pub(crate) fn interest(&mut self, what: &str, measured: String) {
        self.row(what, "", measured, None);
    }

    pub(crate) fn raw(&mut self, what: &str, samples: &Samples) {
        self.raw.push((what.to_owned(), samples.clone()));
    }

    pub(crate) fn all_met(&self) -> bool {
        self.rows.iter().all(|row| row.met != Some(false))
    }

    pub(crate) fn table(&self, suite: &str) -> String {
        let mut text = String::from("| what | goal | measured | met |\n|---|---|---|---|\n");
        for Row { what, goal, measured, met } in &self.rows {
            let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
            writeln!(text, "| {what} | {goal} | {measured} | {met} |").expect("a string");
        }
        let cores = available_parallelism().map_or(0, usize::from);
        let load = self.load.as_deref().unwrap_or("unknown");
        writeln!(
            text,
            "\nMedians; {cores} cores, load {load} at the start, host: Debian {suite} as a container on the same \
             machine; {}.\n",
            today()
        )
        .expect("a string");
        for (what, samples) in &self.raw {
            writeln!(text, "- {what}: {samples}").expect("a string");
        }
        text
    }

    fn row(&mut self, what: &str, goal: &str, measured: String, met: Option<bool>) {
        eprintln!("{what}: {measured}");
        self.load.get_or_insert_with(load);
        self.rows.push(Row { what: what.to_owned(), goal: goal.to_owned(), measured, met });
    }
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// Of the last minute: how much else was going on.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
