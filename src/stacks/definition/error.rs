//! What is wrong with a stack or with what was asked of it, in one sentence and a hint.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StackError {
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
}

impl StackError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new() }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// The word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const FARTHEST: usize = 3;
    let distance = |k: &&str| strsim::damerau_levenshtein(word, k);
    let found = known.into_iter().min_by_key(distance)?;
    (distance(&found) <= FARTHEST.min(word.len().saturating_sub(1))).then_some(found)
}

/// `; did you mean X?`, or nothing.
pub(super) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|k| format!("; did you mean {k}?")).unwrap_or_default()
}
