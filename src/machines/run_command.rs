//! One command on many machines at once.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rmachine_driver::MachineName;

use crate::machines::Machines;
use crate::model::Failure;
use crate::ssh::{ExitStatus, Stream};

const LEASH: &str = include_str!("../../templates/host/leash.sh");

/// What becomes of a command on one machine.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) machine: MachineName,
    /// How it ended, or why it never began or was lost.
    pub(crate) ended: Result<ExitStatus, Failure>,
    pub(crate) took: Duration,
}

/// Hears each line as it comes.
pub(crate) type OnLine<'a> = &'a (dyn Fn(&MachineName, Stream, &str) + Sync);

impl Machines {
    /// Runs a command on these machines, so many at a time, and answers in the order in which they end. Where it is
    /// dropped, the commands that still run end too.
    pub(crate) async fn run_on(
        &self,
        machines: &[MachineName],
        command: &str,
        at_once: usize,
        on_line: OnLine<'_>,
        mut on_end: impl FnMut(&Ran),
    ) -> Vec<Ran> {
        let mut waiting = machines.iter();
        let mut running = FuturesUnordered::new();
        let mut ended = Vec::new();
        loop {
            while running.len() < at_once.max(1)
                && let Some(name) = waiting.next()
            {
                running.push(self.run_one(name, command, on_line));
            }
            let Some(ran) = running.next().await else { return ended };
            on_end(&ran);
            ended.push(ran);
        }
    }

    async fn run_one(&self, name: &MachineName, command: &str, on_line: OnLine<'_>) -> Ran {
        let began = std::time::Instant::now();
        let ended = self.run_there(name, command, on_line).await;
        Ran { machine: name.clone(), ended, took: began.elapsed() }
    }

    async fn run_there(
        &self,
        name: &MachineName,
        command: &str,
        on_line: OnLine<'_>,
    ) -> Result<ExitStatus, Failure> {
        let session = self.open(&self.load(name)?).await?;
        let ended = session.lines_held(&leashed(command)?, |stream, line| on_line(name, stream, line)).await;
        session.close().await;
        Ok(ended?)
    }
}

fn leashed(command: &str) -> Result<String, Failure> {
    let quoted = |text: &str| {
        let quoted = shlex::try_quote(text).map(std::borrow::Cow::into_owned);
        quoted.map_err(|_| Failure::new("a command cannot hold a NUL"))
    };
    Ok(format!("exec sh -c {} sh {}", quoted(LEASH)?, quoted(command)?))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests run what a host would")]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::*;

    fn shell(command: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &leashed(command).unwrap()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        shell
    }

    #[test]
    fn the_leash_keeps_output_and_exit_code() {
        let mut child = shell("echo 'a b'; cat; exit 7").spawn().unwrap();
        // Held until it has ended.
        let held = child.stdin.take();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((said.as_str(), child.wait().unwrap().code()), ("a b\n", Some(7)));
        drop(held);
    }

    #[test]
    fn whoever_lets_go_ends_it() {
        let mut child = shell("sleep 300 & echo $!; wait").spawn().unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        drop(child.stdin.take());
        let began = std::time::Instant::now();
        child.wait().unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "it ran on");
        let sleeper = format!("/proc/{}/stat", line.trim());
        let gone = || std::fs::read_to_string(&sleeper).map_or(true, |stat| stat.contains(") Z "));
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !gone() {
            assert!(std::time::Instant::now() < deadline, "what it started runs on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
