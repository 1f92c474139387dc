//! Environment settings in the words of each shell. Pure text.

/// A shell that `env` can speak to. An unknown name gets the words of a Bourne shell, as in docker-machine.
#[expect(clippy::enum_variant_names, reason = "PowerShell is a name")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    Bourne,
    Fish,
    PowerShell,
    Cmd,
    Tcsh,
    Emacs,
}

impl Shell {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "fish" => Self::Fish,
            "powershell" => Self::PowerShell,
            "cmd" => Self::Cmd,
            "tcsh" => Self::Tcsh,
            "emacs" => Self::Emacs,
            _ => Self::Bourne,
        }
    }

    /// Sets a variable; what the shell would expand inside the value is escaped.
    pub(crate) fn set(self, key: &str, value: &str) -> String {
        match self {
            Self::Bourne => format!("export {key}=\"{}\"", escape(value, "\"$`", '\\')),
            Self::Fish => format!("set -gx {key} \"{}\";", escape(value, "\"$", '\\')),
            Self::PowerShell => format!("$Env:{key} = \"{}\"", escape(value, "\"$`", '`')),
            Self::Cmd => format!("SET {key}={value}"),
            Self::Tcsh => format!("setenv {key} \"{}\";", escape(value, "`", '\\')),
            Self::Emacs => format!("(setenv \"{key}\" \"{}\")", escape(value, "\"", '\\')),
        }
    }

    pub(crate) fn unset(self, key: &str) -> String {
        match self {
            Self::Bourne => format!("unset {key}"),
            Self::Fish => format!("set -e {key};"),
            Self::PowerShell => format!("Remove-Item Env:\\{key}"),
            Self::Cmd => format!("SET {key}="),
            Self::Tcsh => format!("unsetenv {key};"),
            Self::Emacs => format!("(setenv \"{key}\" nil)"),
        }
    }

    /// The two closing lines that tell how to use the rest. The blank at the end of the first is docker-machine's.
    pub(crate) fn hint(self, command: &str) -> String {
        let (comment, line) = match self {
            Self::Bourne => ("#", format!("eval $({command})")),
            Self::Fish => ("#", format!("eval ({command})")),
            Self::PowerShell => ("#", format!("& {command} | Invoke-Expression")),
            Self::Cmd => ("REM", format!("\t@FOR /f \"tokens=*\" %i IN ('{command}') DO @%i")),
            Self::Tcsh => (":", format!("eval `{command}`")),
            Self::Emacs => {
                let buffer = "(current-buffer)) (eval-buffer))";
                (";;", format!("(with-temp-buffer (shell-command \"{command}\" {buffer}"))
            }
        };
        format!("{comment} Run this command to configure your shell: \n{comment} {line}")
    }
}

/// Puts `mark` before every special character, and before a mark that would otherwise escape what follows it.
fn escape(value: &str, special: &str, mark: char) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        let next_is_special = rest.peek().is_none_or(|n| special.contains(*n) || *n == mark);
        if special.contains(c) || (c == mark && next_is_special) {
            out.push(mark);
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_unsets_and_hints_as_docker_machine_does() {
        let shown: Vec<String> = ["bash", "fish", "powershell", "cmd", "tcsh", "emacs", "nonsense"]
            .into_iter()
            .map(|name| {
                let shell = Shell::named(name);
                format!("{}\n{}\n{}", shell.set("K", "V"), shell.unset("K"), shell.hint("dm env x"))
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n\n"), @r#"
        export K="V"
        unset K
        # Run this command to configure your shell: 
        # eval $(dm env x)

        set -gx K "V";
        set -e K;
        # Run this command to configure your shell: 
        # eval (dm env x)

        $Env:K = "V"
        Remove-Item Env:\K
        # Run this command to configure your shell: 
        # & dm env x | Invoke-Expression

        SET K=V
        SET K=
        REM Run this command to configure your shell: 
        REM 	@FOR /f "tokens=*" %i IN ('dm env x') DO @%i

        setenv K "V";
        unsetenv K;
        : Run this command to configure your shell: 
        : eval `dm env x`

        (setenv "K" "V")
        (setenv "K" nil)
        ;; Run this command to configure your shell: 
        ;; (with-temp-buffer (shell-command "dm env x" (current-buffer)) (eval-buffer))

        export K="V"
        unset K
        # Run this command to configure your shell: 
        # eval $(dm env x)
        "#);
    }

    #[test]
    fn values_are_data() {
        assert_eq!(
            Shell::Bourne.set("K", r#"/a $(b) "c" \d \$e\"#),
            r#"export K="/a \$(b) \"c\" \d \\\$e\\""#
        );
        assert_eq!(Shell::Bourne.set("K", r"C:\Users\me"), r#"export K="C:\Users\me""#);
        assert_eq!(Shell::PowerShell.set("K", "a$b`"), "$Env:K = \"a`$b``\"");
    }
}
