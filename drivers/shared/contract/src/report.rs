use crate::MachineName;

/// How work tells what it is doing. Whoever draws decides what of it is seen.
pub trait Reporter: Send + Sync {
    /// A step of a machine begins; the one before it ends.
    fn step(&self, machine: &MachineName, text: &str);

    /// Something in passing: the last line of a long step.
    fn detail(&self, machine: &MachineName, text: &str);

    /// Worth a line of its own.
    fn info(&self, machine: &MachineName, text: &str);

    fn warn(&self, machine: &MachineName, text: &str);

    /// The last step ended well, or did not.
    fn finish(&self, machine: &MachineName, done: bool);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn step(&self, _: &MachineName, _: &str) {}
    fn detail(&self, _: &MachineName, _: &str) {}
    fn info(&self, _: &MachineName, _: &str) {}
    fn warn(&self, _: &MachineName, _: &str) {}
    fn finish(&self, _: &MachineName, _: bool) {}
}
