//! A plan as people and programs read it.

use serde_json::json;

use crate::cluster::{Action, Fixed, Plan, Step, Subject, Wanted};
use crate::ui::table;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    #[default]
    Text,
    Json,
}

pub(super) fn plan(wanted: &Wanted, plan: &Plan, output: Output) -> String {
    match output {
        Output::Text => text(wanted, plan),
        Output::Json => format!("{:#}\n", as_json(wanted, plan)),
    }
}

fn text(wanted: &Wanted, plan: &Plan) -> String {
    let mut text = String::new();
    if plan.is_empty() {
        text.push_str(&format!("{}\n", nothing(plan, &format!("the cluster {}", wanted.name))));
    } else {
        let rows: String = plan.steps.iter().map(row).collect();
        text.push_str(&format!("Cluster {}:\n{}", wanted.name, table::align(&rows)));
        let count = |action| plan.count(action);
        text.push_str(&format!(
            "{} to add, {} to change, {} to replace, {} to remove\n",
            count(Action::Add),
            count(Action::Change),
            count(Action::Replace),
            count(Action::Remove)
        ));
    }
    text + &remarks(plan)
}

/// When there is nothing to do.
pub(super) fn nothing(plan: &Plan, cluster: &str) -> String {
    if plan.fixed.is_empty() {
        format!("No changes: {cluster} is as its file says.")
    } else {
        format!("No changes: {cluster} is as its file says, but for what cannot be changed.")
    }
}

/// What is no step.
pub(super) fn remarks(plan: &Plan) -> String {
    let fixed = plan.fixed.iter().map(|f| {
        let Fixed { setting, is, wanted, reason, remedy } = f;
        format!("Cannot be changed: {setting} is {is}, the file says {wanted}: {reason}; {remedy}\n")
    });
    fixed.chain(plan.notes.iter().map(|note| format!("Note: {note}\n"))).collect()
}

fn row(step: &Step) -> String {
    let (kind, name) = subject(step);
    format!("  {}\t{kind}\t{name}\t{}\n", action(step.action), step.reasons.join("; "))
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Add => "add",
        Action::Change => "change",
        Action::Replace => "replace",
        Action::Remove => "remove",
    }
}

fn subject(step: &Step) -> (String, String) {
    match &step.subject {
        Subject::Machine(name, role) => (role.to_string(), name.to_string()),
        Subject::Network(name) => ("network".to_owned(), name.clone()),
        Subject::Stack(name) => ("stack".to_owned(), name.clone()),
        Subject::Swarm => ("swarm".to_owned(), String::new()),
    }
}

fn as_json(wanted: &Wanted, plan: &Plan) -> serde_json::Value {
    let step = |step: &Step| {
        let (kind, name) = subject(step);
        json!({"action": step.action, "kind": kind, "name": name, "reasons": step.reasons})
    };
    json!({
        "cluster": wanted.name.as_str(),
        "changes": !plan.is_empty(),
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "unchangeable": plan.fixed,
        "notes": plan.notes,
    })
}
