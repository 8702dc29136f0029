//! `leakscope TARGET` for `leakscope inspect TARGET`, and what to say to a mistyped command.

use std::ffi::OsString;

use clap::CommandFactory;

use super::args::CommandLine;
use crate::error::{Error, ErrorKind};

/// Letters wrong, missing, doubled or swapped that still look like a typing error.
const SLIPS: usize = 2;

/// The words as clap should see them: `inspect` put in front where no command was named.
pub fn expand(mut words: Vec<OsString>) -> Result<Vec<OsString>, Error> {
    let operands = operands(&words);
    let Some(first) = operands.first() else { return Ok(words) };
    if first.to_str().is_some_and(is_command) {
        return Ok(words);
    }
    // One word may be a process that is called nearly like a command; two are a command with its target.
    if operands.len() > 1
        && let Some(meant) = nearest(&first.to_string_lossy())
    {
        let typed = first.to_string_lossy().into_owned();
        let error = Error::new(ErrorKind::Usage, "no such command", &typed, format!("it looks like “{meant}”"));
        return Err(error.with_hint(format!("for a process of that name: leakscope inspect {typed}")));
    }
    words.insert(1, "inspect".into());
    Ok(words)
}

/// Whether `word` is a command's name; clap adds `help` by itself.
pub fn is_command(word: &str) -> bool {
    word == "help" || names().iter().any(|name| name == word)
}

/// The command that `word` may have been meant for.
pub fn nearest(word: &str) -> Option<String> {
    let slips = |name: &String| strsim::osa_distance(word, name);
    names().into_iter().filter(|name| slips(name) <= SLIPS && slips(name) < name.len()).min_by_key(slips)
}

fn names() -> Vec<String> {
    CommandLine::command().get_subcommands().map(|command| command.get_name().to_string()).collect()
}

/// The words that are neither options nor their values.
fn operands(words: &[OsString]) -> Vec<&OsString> {
    let valued = valued_options();
    let mut operands = Vec::new();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if text == "--" {
            operands.extend(words.by_ref());
        } else if valued.iter().any(|option| *option == text) {
            words.next();
        } else if !text.starts_with('-') || text == "-" {
            operands.push(word);
        }
    }
    operands
}

/// Options of the program and of `inspect` that take the next word.
fn valued_options() -> Vec<String> {
    let program = CommandLine::command();
    let inspect = program.find_subcommand("inspect");
    let options = program.get_opts().chain(inspect.into_iter().flat_map(clap::Command::get_opts));
    options
        .filter(|option| option.get_action().takes_values())
        .flat_map(|option| {
            let long = option.get_long().map(|name| format!("--{name}"));
            let short = option.get_short().map(|name| format!("-{name}"));
            long.into_iter().chain(short)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_target_alone_is_inspected() {
        for (typed, meant) in [
            ("leakscope 5", "leakscope inspect 5"),
            ("leakscope nginx", "leakscope inspect nginx"),
            ("leakscope --json --for 5s nginx", "leakscope inspect --json --for 5s nginx"),
            ("leakscope children:12 --dump map", "leakscope inspect children:12 --dump map"),
            ("leakscope --color never 5", "leakscope inspect --color never 5"),
            ("leakscope -- 5", "leakscope inspect -- 5"),
            ("leakscope mapp", "leakscope inspect mapp"),
        ] {
            assert_eq!(expand(words(typed)).unwrap(), words(meant), "{typed}");
        }
    }

    #[test]
    fn a_command_stays() {
        for typed in [
            "leakscope",
            "leakscope map 5",
            "leakscope --json top",
            "leakscope --max-memory 1GiB scan x",
            "leakscope -V",
        ] {
            assert_eq!(expand(words(typed)).unwrap(), words(typed), "{typed}");
        }
    }

    #[test]
    fn a_mistyped_command_is_told() {
        for (typed, meant) in
            [("isnpect 5", "inspect"), ("mpa 5", "map"), ("dmup 5 -o x", "dump"), ("--json doctro 5", "doctor")]
        {
            let error = expand(words(&format!("leakscope {typed}"))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(&format!("“{meant}”")), "{error}");
        }
        assert_eq!(nearest("scna"), Some("scan".into()));
        assert_eq!(nearest("nginx"), None);
        assert_eq!(nearest("42"), None);
    }
}
