//! What the command line asks for.

use std::fmt::Display;
use std::str::FromStr;

pub(crate) const USAGE: &str = "\
usage: soak [--seed N] [--operations N] [--threads N]

  --seed N        the programs to run (default: 1); the same seed gives the same programs
  --operations N  how many operations, over all programs (default: 10000000)
  --threads N     worker threads of the runtime, 1 to 64 (default: 4)";

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) seed: u64,
    pub(crate) operations: u64,
    pub(crate) threads: usize,
    pub(crate) flaw: Option<Flaw>,
}

/// A mistake to be made on purpose, by `--break`: to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Memory is leaked between two quiet points.
    Memory,
    /// A scope's future is forgotten.
    Forget,
    /// A task is left behind on the runtime.
    Task,
    /// A request is written down that nobody has made.
    Request,
    /// An error that the hook is told of is not written down.
    Error,
    /// A panic that was caught is not written down.
    Panic,
    /// A child's value is kept.
    Value,
}

impl FromStr for Flaw {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "memory" => Self::Memory,
            "forget" => Self::Forget,
            "task" => Self::Task,
            "request" => Self::Request,
            "error" => Self::Error,
            "panic" => Self::Panic,
            "value" => Self::Value,
            _ => return Err(format!("--break: there is no `{text}`")),
        })
    }
}

/// Fewer would leave some of the ten parts empty.
const FEWEST: u64 = 10_000;
const MOST: u64 = 1_000_000_000_000;

impl Arguments {
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { seed: 1, operations: 10_000_000, threads: 4, flaw: None };
        let mut words = words.into_iter();
        while let Some(option) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| format!("{option} needs a value\n\n{USAGE}"));
            match option.as_str() {
                "--seed" => arguments.seed = number(&option, &value()?, 0..=u64::MAX)?,
                "--operations" => {
                    arguments.operations = number(&option, &value()?, FEWEST..=MOST)?;
                }
                "--threads" => arguments.threads = number(&option, &value()?, 1..=64)?,
                "--break" => arguments.flaw = Some(value()?.parse()?),
                _ => return Err(format!("there is no option `{option}`\n\n{USAGE}")),
            }
        }
        Ok(arguments)
    }
}

fn number<T>(option: &str, text: &str, allowed: std::ops::RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    text.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| {
        let (least, most) = (allowed.start(), allowed.end());
        format!("{option}: `{text}` is not a number from {least} to {most}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(ToOwned::to_owned))
    }

    #[test]
    fn what_is_given_replaces_what_is_usual() {
        let expected = Arguments { seed: 7, operations: 20_000, threads: 2, flaw: None };
        assert_eq!(parse("--seed 7 --operations 20000 --threads 2"), Ok(expected));
    }

    #[test]
    fn bad_arguments_are_told_apart() {
        for (line, text) in [
            ("--seed", "--seed needs a value"),
            ("--seed x", "--seed: `x` is not a number"),
            ("--operations 9", "--operations: `9` is not a number from 10000"),
            ("--threads 0", "--threads: `0` is not a number from 1 to 64"),
            ("--thread 1", "there is no option `--thread`"),
            ("--break all", "--break: there is no `all`"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.starts_with(text), "{line}: {error}");
        }
    }
}
