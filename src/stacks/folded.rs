//! Stacks as lines of text, outermost first, as flame graph tools read them; and the picture that inferno makes of them.

use std::io;

use super::Frame;

/// One line: `main;serve;enc_record 4096`.
pub fn fold(process: &str, frames: &[Frame], weight: u64) -> String {
    let names = frames.iter().rev().map(|frame| clean(&frame.name()));
    let line: Vec<String> = std::iter::once(clean(process)).chain(names).collect();
    format!("{} {weight}", line.join(";"))
}

/// A semicolon parts frames, a line feed stacks; control characters are nothing for a terminal or a picture.
fn clean(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            ';' => ':',
            letter if letter.is_control() => '?',
            letter => letter,
        })
        .collect()
}

/// A flame graph of folded lines, as SVG.
///
/// # Errors
/// Those of `out`, and one where no line has a weight.
pub fn flame_graph(title: &str, lines: &[String], out: &mut dyn io::Write) -> io::Result<()> {
    let mut options = inferno::flamegraph::Options::default();
    options.title = title.to_owned();
    options.count_name = "bytes".into();
    inferno::flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), out)
}
