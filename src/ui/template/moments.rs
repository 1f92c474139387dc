//! Values that are numbers to Go and read as words: durations and machine states. Here they are words, so `printf "%d"`
//! gets its number back.

use std::time::Duration;

use gtmpl_ng::{FuncError, Number, Value, funcs};

/// docker-machine's states, in the order of their numbers; the first is empty.
const STATES: [&str; 8] =
    ["Running", "Paused", "Saved", "Stopped", "Stopping", "Starting", "Error", "Timeout"];

/// As Go prints one that is rounded to milliseconds: `52ms`, `1.072s`, `1m2.5s`.
pub(crate) fn duration(took: Duration) -> String {
    let millis = (took.as_nanos() + 500_000) / 1_000_000;
    if (1..1000).contains(&millis) {
        return format!("{millis}ms");
    }
    let (minutes, millis) = (millis / 60_000, millis % 60_000);
    let seconds = format!("{}.{:03}", millis / 1000, millis % 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    if minutes > 0 { format!("{minutes}m{seconds}s") } else { format!("{seconds}s") }
}

/// Go's `printf`, which prints what stands behind a word where the verb wants a number.
pub(super) fn printf(args: &[Value]) -> Result<Value, FuncError> {
    let mut args = args.to_vec();
    if let Some((Value::String(format), values)) = args.split_first_mut() {
        for (verb, value) in verbs(format).zip(values) {
            if let ('d', Value::String(word)) = (verb, &*value)
                && let Some(number) = number(word)
            {
                *value = Value::Number(Number::signed(number));
            }
        }
    }
    funcs::printf(&args)
}

/// The letter of each verb, in the order of the arguments they take.
fn verbs(format: &str) -> impl Iterator<Item = char> + use<> {
    let pieces: Vec<&str> = format.split('%').skip(1).collect();
    let letters = pieces.into_iter().filter_map(|piece| piece.chars().find(char::is_ascii_alphabetic));
    letters.collect::<Vec<_>>().into_iter()
}

fn number(word: &str) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    let state = STATES.iter().position(|s| *s == word).and_then(|n| i64::try_from(n + 1).ok());
    state.or_else(|| nanoseconds(word))
}

fn nanoseconds(word: &str) -> Option<i64> {
    if let Some(millis) = word.strip_suffix("ms") {
        return Some(millis.parse::<i64>().ok()? * 1_000_000);
    }
    let (minutes, seconds) = word.split_once('m').unwrap_or(("0", word));
    let (whole, fraction) =
        seconds.strip_suffix('s')?.split_once('.').unwrap_or((seconds.strip_suffix('s')?, ""));
    let millis: i64 = format!("{fraction:0<3}").parse().ok()?;
    let seconds = minutes.parse::<i64>().ok()? * 60 + whole.parse::<i64>().ok()?;
    Some((seconds * 1000 + millis) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_gos_and_lead_back_to_their_number() {
        for (nanos, text, back) in [
            (0, "0s", 0),
            (400_000, "0s", 0),
            (52_300_000, "52ms", 52_000_000),
            (999_600_000, "1s", 1_000_000_000),
            (1_072_000_000, "1.072s", 1_072_000_000),
            (10_000_000_000, "10s", 10_000_000_000),
            (62_500_000_000, "1m2.5s", 62_500_000_000),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
            assert_eq!(number(text), Some(back), "{text}");
        }
    }

    #[test]
    fn printf_gives_words_their_number_where_it_is_wanted() {
        let say = |format: &str, values: &[&str]| {
            let args: Vec<Value> = [format].iter().chain(values).map(|t| Value::from(*t)).collect();
            match printf(&args) {
                Ok(Value::String(said)) => said,
                other => format!("{other:?}"),
            }
        };
        assert_eq!(say("%d", &["52ms"]), "52000000");
        assert_eq!(say("%d", &["Stopped"]), "4");
        assert_eq!(say("%d", &[""]), "0");
        assert_eq!(say("%s %d 100%%", &["Running", "Running"]), "Running 1 100%");
        assert_eq!(say("%-5s|%3d", &["a", "Timeout"]), "a    |  8");
        assert_eq!(say("%d", &["word"]), "%!d(string=word)");
    }
}
