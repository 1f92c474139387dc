//! Everything that a user said of an engine, understood at once.

use crate::engine::options::OptionError;
use crate::engine::options::parse::EngineOpt;
use crate::engine::options::value::Piece;

/// The raw texts of docker-machine's `--engine-*` flags.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EngineFlags<'a> {
    pub(crate) opts: &'a [String],
    pub(crate) labels: &'a [String],
    pub(crate) insecure_registries: &'a [String],
    pub(crate) registry_mirrors: &'a [String],
    /// Empty leaves the choice to the engine.
    pub(crate) storage_driver: &'a str,
    pub(crate) env: &'a [String],
    /// The driver's name, for the label that docker-machine adds; empty adds none.
    pub(crate) provider: &'a str,
}

/// What an engine is to be told, each piece known to be well-formed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct EngineSettings {
    pub(super) opts: Vec<EngineOpt>,
    env: Vec<(String, String)>,
}

impl EngineSettings {
    /// What was understood in another way than it was said.
    #[cfg(test)]
    pub(crate) fn notes(&self) -> impl Iterator<Item = &str> {
        self.opts.iter().filter_map(|o| o.note.as_deref())
    }

    /// Refuses the first value that no engine could take.
    ///
    /// What stands later wins where a setting holds one value, as with dockerd's own flags; only two labels of one name
    /// are refused, since dockerd would.
    pub(crate) fn parse(flags: &EngineFlags<'_>) -> Result<Self, OptionError> {
        let mut opts = Vec::new();
        if !flags.storage_driver.is_empty() {
            opts.push(EngineOpt::of("storage-driver", flags.storage_driver, "--engine-storage-driver")?);
        }
        for (name, values, origin) in [
            ("label", flags.labels, "--engine-label"),
            ("insecure-registry", flags.insecure_registries, "--engine-insecure-registry"),
            ("registry-mirror", flags.registry_mirrors, "--engine-registry-mirror"),
        ] {
            for value in values {
                opts.push(EngineOpt::of(name, value, origin)?);
            }
        }
        for text in flags.opts {
            opts.push(EngineOpt::parse(text)?);
        }
        label_provider(&mut opts, flags.provider)?;
        one_label_a_key(&opts)?;
        let env = flags.env.iter().map(|text| variable(text)).collect::<Result<_, _>>()?;
        Ok(Self { opts, env })
    }

    /// Variables for the engine's process, in order.
    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// Whether there are engines that cannot take all of it.
    pub(crate) fn wants_some_version(&self) -> bool {
        self.opts.iter().any(|o| o.flag.since.max(o.flag.settled) > (0, 0))
    }

    /// Whether the engine of a host can take all of it. A version that is none (`dev`) passes.
    pub(crate) fn check_engine(&self, version: &str) -> Result<(), OptionError> {
        let Some(number) = major_minor(version) else { return Ok(()) };
        let experimental = self.opts.iter().rev().find(|o| o.flag.name == "experimental").map(|o| &o.piece);
        let experimental = experimental == Some(&Piece::Scalar(true.into()));
        for flag in self.opts.iter().map(|o| o.flag) {
            if number < flag.since {
                let since = format!("{}.{}", flag.since.0, flag.since.1);
                return Err(OptionError::TooOld { name: flag.name, since, found: version.to_owned() });
            }
            if number < flag.settled && !experimental {
                return Err(OptionError::Experimental { name: flag.name, found: version.to_owned() });
            }
        }
        Ok(())
    }
}

fn labels(opts: &[EngineOpt]) -> impl Iterator<Item = (&str, &str)> {
    opts.iter().filter(|o| o.flag.name == "label").filter_map(|o| match &o.piece {
        Piece::Item(label) => label.as_str()?.split_once('='),
        _ => None,
    })
}

/// docker-machine's own label; a user's of the same name stays.
fn label_provider(opts: &mut Vec<EngineOpt>, provider: &str) -> Result<(), OptionError> {
    if provider.is_empty() || labels(opts).any(|(key, _)| key == "provider") {
        return Ok(());
    }
    opts.push(EngineOpt::of("label", &format!("provider={provider}"), "the driver's label")?);
    Ok(())
}

fn one_label_a_key(opts: &[EngineOpt]) -> Result<(), OptionError> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (key, second) in labels(opts) {
        match seen.iter().find(|(k, _)| *k == key) {
            Some((_, first)) if *first != second => {
                let (key, first, second) = (key.to_owned(), (*first).to_owned(), second.to_owned());
                return Err(OptionError::TwoLabels { key, first, second });
            }
            _ => seen.push((key, second)),
        }
    }
    Ok(())
}

/// `NAME=VALUE`, the value anything that a unit file can carry.
fn variable(text: &str) -> Result<(String, String), OptionError> {
    let split = text.split_once('=').filter(|(name, value)| is_variable(name) && is_carried(value));
    let refused = || OptionError::Value {
        origin: "--engine-env".to_owned(),
        // The value may be a password.
        given: text.split_once('=').map_or(text, |(name, _)| name).to_owned(),
        expected: "NAME=VALUE, without control characters".to_owned(),
    };
    split.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(refused)
}

fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// systemd drops a variable that holds any other control character.
fn is_carried(value: &str) -> bool {
    value.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n'))
}

/// The first two numbers of `24.0.7` or `20.10.24+dfsg1`.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    fn with_opts(list: &[&str]) -> EngineSettings {
        EngineSettings::parse(&EngineFlags { opts: &strings(list), ..EngineFlags::default() }).unwrap()
    }

    fn error(flags: &EngineFlags<'_>) -> String {
        EngineSettings::parse(flags).unwrap_err().to_string()
    }

    #[test]
    fn all_flags_are_taken_in() {
        let settings = EngineSettings::parse(&EngineFlags {
            opts: &strings(&["graph=/data", "label=z=1"]),
            labels: &strings(&["env=prod"]),
            insecure_registries: &strings(&["r:5000"]),
            registry_mirrors: &strings(&["https://m"]),
            storage_driver: "overlay2",
            env: &strings(&["A=b c", "HTTP_PROXY=http://p"]),
            provider: "generic",
        })
        .unwrap();
        let keys: Vec<&str> = settings.opts.iter().map(EngineOpt::key).collect();
        let expected = [
            "storage-driver",
            "labels",
            "insecure-registries",
            "registry-mirrors",
            "data-root",
            "labels",
            "labels",
        ];
        assert_eq!(keys, expected);
        assert_eq!(settings.opts.last().unwrap().piece, Piece::Item("provider=generic".into()));
        let env = [("A", "b c"), ("HTTP_PROXY", "http://p")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(settings.env(), env);
        let notes: Vec<&str> = settings.notes().collect();
        assert_eq!(notes, ["the engine option graph is now called data-root, and was taken for it"]);
    }

    #[test]
    fn errors_name_the_flag() {
        let labels = strings(&["nonsense"]);
        let mirrors = strings(&["m.example.com"]);
        let base = EngineFlags::default();
        insta::assert_snapshot!(error(&EngineFlags { labels: &labels, ..base }), @r#"--engine-label takes KEY=VALUE, not "nonsense""#);
        insta::assert_snapshot!(error(&EngineFlags { registry_mirrors: &mirrors, ..base }), @r#"--engine-registry-mirror takes an http:// or https:// URL without user, query or fragment, not "m.example.com""#);
        insta::assert_snapshot!(error(&EngineFlags { env: &labels, ..base }), @r#"--engine-env takes NAME=VALUE, without control characters, not "nonsense""#);
    }

    #[test]
    fn variables_are_what_a_unit_can_carry() {
        for good in ["A=", "_a9=x=y", "A=tab\tand\nline", "A=ü$%\"\\"] {
            let env = strings(&[good]);
            assert!(EngineSettings::parse(&EngineFlags { env: &env, ..EngineFlags::default() }).is_ok());
        }
        for bad in ["", "A", "=x", "9A=x", "A B=x", "A=\u{1b}[0m", "A=\0", "ä=x"] {
            let env = strings(&[bad]);
            assert!(
                EngineSettings::parse(&EngineFlags { env: &env, ..EngineFlags::default() }).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn labels_come_once() {
        let labels = strings(&["a=1", "b=2", "a=3"]);
        let flags = EngineFlags { labels: &labels, ..EngineFlags::default() };
        assert_eq!(error(&flags), r#"the engine label "a" is given twice, as "1" and as "3""#);
        let labels = strings(&["a=1", "a=1"]);
        assert!(EngineSettings::parse(&EngineFlags { labels: &labels, ..EngineFlags::default() }).is_ok());
        let labels = strings(&["provider=mine"]);
        let flags = EngineFlags { labels: &labels, provider: "generic", ..EngineFlags::default() };
        assert_eq!(EngineSettings::parse(&flags).unwrap().opts.len(), 1, "the user's own label stays alone");
    }

    #[test]
    fn engines_have_an_age() {
        let new = with_opts(&["http-proxy=http://p", "mtu=1500"]);
        assert_eq!(
            new.check_engine("20.10.24+dfsg1").unwrap_err().to_string(),
            "the engine option http-proxy needs Docker 23.0 or later; this host has 20.10.24+dfsg1"
        );
        for version in ["23.0.0", "29.1.2", "v26.1", "dev", ""] {
            assert_eq!(new.check_engine(version), Ok(()), "{version:?}");
        }
    }

    #[test]
    fn some_options_were_experiments() {
        let metrics = "metrics-addr=0.0.0.0:9323";
        assert_eq!(with_opts(&[metrics]).check_engine("20.10.5"), Ok(()));
        assert_eq!(
            with_opts(&[metrics]).check_engine("19.03.15").unwrap_err().to_string(),
            "the engine option metrics-addr is experimental in Docker 19.03.15: add --engine-opt experimental"
        );
        assert_eq!(with_opts(&[metrics, "experimental"]).check_engine("19.03.15"), Ok(()));
        assert!(with_opts(&[metrics, "experimental=false"]).check_engine("19.03.15").is_err());
        assert!(with_opts(&["ip6tables"]).check_engine("26.1.0").is_err());
        assert_eq!(with_opts(&["ip6tables"]).check_engine("27.0.1"), Ok(()));
    }
}
