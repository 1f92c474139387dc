//! VirtualBox's states in docker-machine's words.

use rmachine_driver::State;

/// As VirtualBox writes them for programs, or for people: `poweroff` and `powered off` are one.
pub(crate) fn state(text: &str) -> State {
    let plain: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    match plain.to_ascii_lowercase().as_str() {
        "poweroff" | "poweredoff" | "aborted" => State::Stopped,
        "running" | "livesnapshotting" | "onlinesnapshotting" | "deletingsnapshotlive" | "teleporting" => {
            State::Running
        }
        "paused" | "deletingsnapshotlivepaused" | "teleportingpausedvm" => State::Paused,
        "saved" | "abortedsaved" => State::Saved,
        "starting" | "restoring" | "settingup" | "faulttolerantsyncing" => State::Starting,
        "stopping"
        | "saving"
        | "restoringsnapshot"
        | "deletingsnapshot"
        | "snapshotting"
        | "offlinesnapshotting" => State::Stopping,
        // gurumeditation, which is also called stuck: the machine crashed.
        _ => State::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        for (texts, expected) in [
            (&["poweroff", "powered off", "aborted"][..], State::Stopped),
            (&["running", "live snapshotting"], State::Running),
            (&["paused"], State::Paused),
            (&["saved", "aborted-saved"], State::Saved),
            (&["starting", "restoring", "setting up"], State::Starting),
            (&["stopping", "saving", "deleting snapshot"], State::Stopping),
            (&["gurumeditation", "guru meditation", "stuck", "", "<inaccessible>"], State::Error),
        ] {
            for text in texts {
                assert_eq!(state(text), expected, "{text}");
            }
        }
    }
}
