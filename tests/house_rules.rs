//! Reads the sources and keeps the walls between the rooms: which room may know which, where `/proc` may be named,
//! where a process may be left and where text may be printed. A wall that stands wrong is moved here, with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A source file without its comments and without the tests in it.
struct Source {
    /// Below `src`, such as `scan/json.rs`.
    path: String,
    /// Line number and code of every line that is no comment.
    lines: Vec<(usize, String)>,
    /// All lines but tests, comments included.
    length: usize,
}

impl Source {
    /// The room it stands in: its folder, or its own name.
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// Places where `wrong` holds for a line of code.
    fn places(&self, wrong: impl Fn(&str) -> bool) -> Vec<String> {
        let bad = self.lines.iter().filter(|(_, code)| wrong(code));
        bad.map(|(number, code)| format!("src/{}:{number}: {}", self.path, code.trim())).collect()
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let tests: BTreeSet<PathBuf> = files.iter().flat_map(|file| test_modules(file)).collect();
    let is_test = |file: &Path| {
        let stem = file.with_extension("");
        stem.to_string_lossy().ends_with("tests") || tests.iter().any(|test| stem == *test || file.starts_with(test))
    };
    let sources: Vec<Source> = files.iter().filter(|file| !is_test(file)).map(|file| read(&root, file)).collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Files (without extension) or folders that `file` declares as modules for tests only.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap();
    let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => file.parent().unwrap().to_path_buf(),
        _ => file.with_extension(""),
    };
    let mut modules = Vec::new();
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            continue;
        }
        let declared = lines.peek().and_then(|next| next.strip_suffix(';')).and_then(|next| next.split("mod ").nth(1));
        modules.extend(declared.map(|name| folder.join(name)));
    }
    modules
}

fn read(root: &Path, file: &Path) -> Source {
    let text = fs::read_to_string(file).unwrap();
    let tests_begin = text.lines().position(|line| line.starts_with("mod tests {")).unwrap_or(usize::MAX);
    let kept: Vec<(usize, &str)> = (1..).zip(text.lines()).take(tests_begin).collect();
    let is_code = |line: &str| !line.trim_start().starts_with("//");
    let lines = kept.iter().filter(|(_, line)| is_code(line)).map(|(number, line)| (*number, line.to_string()));
    Source { path: file.strip_prefix(root).unwrap().display().to_string(), lines: lines.collect(), length: kept.len() }
}

fn assert_none(places: Vec<String>, rule: &str) {
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

/// Whether `code` names one of `rooms` of this crate, as `crate::room` or within `crate::{…}`.
fn names_room(code: &str, rooms: &[&str]) -> bool {
    let Some((_, rest)) = code.split_once("crate::") else { return false };
    let mut words =
        rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty());
    match rest.starts_with('{') {
        true => words.any(|word| rooms.contains(&word)),
        false => words.next().is_some_and(|word| rooms.contains(&word)) || names_room(rest, rooms),
    }
}

#[test]
fn the_check_of_arrows_sees_every_form() {
    for code in
        ["use crate::cli;", "use crate::cli::run;", "a(crate::b::c, crate::cli::x)", "use crate::{scan, cli::run};"]
    {
        assert!(names_room(code, &["cli"]), "{code}");
    }
    for code in ["use crate::client;", "use clap::cli;", "let cli = crate::scan::x;", "use super::cli;"] {
        assert!(!names_room(code, &["cli"]), "{code}");
    }
}

#[test]
fn arrows_never_turn_round() {
    let people = ["cli", "tui"];
    // (rooms, what they must not know)
    let walls: [(&[&str], &[&str]); 7] = [
        (&["units", "error", "progress", "space"], &["report", "jobs", "target", "memory", "sys", "scan", "growth"]),
        (&["growth", "heap", "stacks", "oom"], &["report", "jobs", "target", "explain", "sys"]),
        // Hot loops may ask sys what the processor can do.
        (&["scan"], &["report", "jobs", "target", "explain"]),
        (&["explain"], &["report", "jobs", "target", "memory", "sys"]),
        (&["target", "memory", "elf", "sys", "trace"], &["report", "jobs", "explain"]),
        (&["report"], &["jobs", "memory", "sys"]),
        (&["jobs"], &["sys"]),
    ];
    let mut places = Vec::new();
    for source in sources() {
        let forbidden = walls.iter().find(|(rooms, _)| rooms.contains(&source.room())).map_or(&[][..], |wall| wall.1);
        places.extend(source.places(|code| names_room(code, forbidden)));
        if !people.contains(&source.room()) {
            places.extend(source.places(|code| names_room(code, &people)));
        }
    }
    assert_none(places, "a room knows one that it must not know");
}

#[test]
fn the_kernel_is_read_in_one_place() {
    let named = |code: &str| ["\"/proc", "\"/sys/", "\"/sys\""].iter().any(|path| code.contains(path));
    let outside = |source: &Source| !matches!(source.room(), "target" | "sys");
    let places = sources().iter().filter(|source| outside(source)).flat_map(|source| source.places(named)).collect();
    assert_none(places, "/proc and /sys are target's");
}

#[test]
fn only_people_are_printed_to() {
    let prints =
        |code: &str| ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("].iter().any(|one| code.contains(one));
    let outside = |source: &Source| !matches!(source.room(), "cli" | "tui" | "main");
    let places = sources().iter().filter(|source| outside(source)).flat_map(|source| source.places(prints)).collect();
    assert_none(places, "a room prints");
}

#[test]
fn only_main_ends_the_process() {
    let exits =
        |code: &str| code.contains("process::exit") || code.contains("process::abort") || code.contains("_exit(");
    let outside = |source: &Source| !matches!(source.room(), "main" | "sys");
    let places = sources().iter().filter(|source| outside(source)).flat_map(|source| source.places(exits)).collect();
    assert_none(places, "a room ends the process");
}

#[test]
fn unsafe_code_lives_in_sys() {
    let is_unsafe =
        |code: &str| ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|one| code.contains(one));
    let outside = |source: &Source| source.room() != "sys";
    let places =
        sources().iter().filter(|source| outside(source)).flat_map(|source| source.places(is_unsafe)).collect();
    assert_none(places, "unsafe outside sys");
}

#[test]
fn nothing_is_left_for_later() {
    let open = |code: &str| ["todo!(", "unimplemented!(", "TODO", "FIXME", "XXX"].iter().any(|one| code.contains(one));
    let panics = |code: &str| code.contains(".unwrap()") || code.contains("panic!(");
    let places = sources().iter().flat_map(|source| source.places(|code| open(code) || panics(code))).collect();
    assert_none(places, "code that is not finished, or that may panic");
}

#[test]
fn files_stay_short_and_say_what_they_know() {
    let mut places = Vec::new();
    for source in sources() {
        if source.length > 400 {
            places.push(format!("src/{} has {} lines", source.path, source.length));
        }
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&source.path)).unwrap();
        if !text.starts_with("//! ") {
            places.push(format!("src/{} does not say what it knows", source.path));
        }
    }
    assert_none(places, "files to split or to introduce");
}
