//! Text that lost its newlines (web pages, mails, chat) is cut where a kernel message must begin. Knows the fixed words
//! messages begin with; a whole report can stand on one line.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use crate::oom::parse::fields::COMM_LENGTH;
use crate::oom::reading::dressing::{Line, strip, wall_clock};

/// Where a message begins, relative to the words that give it away.
#[derive(Clone, Copy, PartialEq)]
enum Cut {
    /// At the words.
    Before,
    /// At the words, and what follows them is a message of its own.
    Around,
    /// At the number before the words: `4194303 pages RAM`.
    BeforeNumber,
    /// At the name before the words: `nginx invoked oom-killer:`, `DMA free:`.
    BeforeName,
    /// At the date before the words: `Jan 28 19:58:45 host kernel:`.
    BeforeDate,
    /// At a bracket, where a time or a row of the task table begins.
    Bracket,
}

const MARKS: [(&str, Cut); 42] = [
    ("[", Cut::Bracket),
    ("kernel:", Cut::BeforeDate),
    (" invoked oom-killer:", Cut::BeforeName),
    (" cpuset=", Cut::BeforeName),
    ("CPU: ", Cut::Before),
    ("Pid: ", Cut::Before),
    ("Hardware name:", Cut::Before),
    ("Call Trace:", Cut::Around),
    ("Call trace:", Cut::Around),
    ("Mem-Info:", Cut::Around),
    ("Mem-info:", Cut::Around),
    ("active_anon:", Cut::Before),
    ("Node ", Cut::Before),
    (" free:", Cut::BeforeName),
    (" per-cpu:", Cut::BeforeName),
    ("lowmem_reserve[]:", Cut::Before),
    (" total pagecache pages", Cut::BeforeNumber),
    (" pages in swap cache", Cut::BeforeNumber),
    ("Swap cache stats:", Cut::Before),
    ("Free swap", Cut::Before),
    ("Total swap", Cut::Before),
    (" pages RAM", Cut::BeforeNumber),
    (" pages of RAM", Cut::BeforeNumber),
    (" pages HighMem", Cut::BeforeNumber),
    (" pages reserved", Cut::BeforeNumber),
    (" pages cma reserved", Cut::BeforeNumber),
    (" pages hwpoisoned", Cut::BeforeNumber),
    (" pages shared", Cut::BeforeNumber),
    (" pages non-shared", Cut::BeforeNumber),
    ("Tasks state (memory", Cut::Before),
    ("Unreclaimable slab info:", Cut::Before),
    ("oom-kill:constraint=", Cut::Before),
    ("Memory cgroup out of memory", Cut::Before),
    ("Memory cgroup stats for ", Cut::Before),
    ("Out of memory", Cut::Before),
    ("Killed process ", Cut::Before),
    ("Task in /", Cut::Before),
    ("Tasks in /", Cut::Before),
    ("memory: usage ", Cut::Before),
    ("memory+swap: usage ", Cut::Before),
    ("kmem: usage ", Cut::Before),
    ("oom_reaper: reaped", Cut::Before),
];

static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = MARKS.iter().map(|(words, _)| words);
    // The longer words must win over the `[` inside them.
    AhoCorasickBuilder::new().match_kind(MatchKind::LeftmostLongest).build(words).ok()
});

/// Hands out the messages in `line`, in their order.
pub(super) fn split(line: &Line<'_>, each: &mut dyn FnMut(&Line<'_>)) {
    if line.foreign {
        return each(line);
    }
    let mut begun = 0;
    for cut in cuts(line.text) {
        if cut > begun {
            piece(line, begun, cut, each);
            begun = cut;
        }
    }
    piece(line, begun, line.text.len(), each);
}

fn piece(line: &Line<'_>, from: usize, to: usize, each: &mut dyn FnMut(&Line<'_>)) {
    let Some(text) = line.text.get(from..to) else { return };
    if from == 0 {
        return each(&Line { text: text.trim_end(), ..*line });
    }
    let inner = strip(text);
    let stamp = if inner.bare { line.stamp } else { inner.stamp };
    each(&Line { stamp, bare: false, ..inner });
}

/// The places inside `text` where a message begins, ascending.
fn cuts(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let Some(search) = SEARCH.as_ref() else { return found };
    for hit in search.find_iter(text) {
        let (words, cut) = MARKS[hit.pattern().as_usize()];
        let at = hit.start();
        let floor = found.last().copied().unwrap_or(0);
        let place = match cut {
            Cut::Before | Cut::Around => begins(text, at, words).then_some(at),
            Cut::BeforeNumber => back_over_number(text, at),
            Cut::BeforeName => back_over_name(text, floor, at, words),
            Cut::BeforeDate => back_over_date(text, at),
            Cut::Bracket => bracket_begins(text, at).then_some(at),
        };
        if let Some(place) = place.filter(|place| *place > floor) {
            found.push(place);
        }
        if cut == Cut::Around && hit.end() < text.len() {
            found.push(hit.end());
        }
    }
    found
}

/// Whether a message can begin at fixed words: not where a longer message holds them.
fn begins(text: &str, at: usize, words: &str) -> bool {
    let before = text[..at].trim_end();
    let spaced = before.len() < at;
    match words {
        // Totals begin so; in node and zone lines the pair carries a unit, in `inactive_anon:` other letters precede.
        "active_anon:" => {
            let digits = text[at + words.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
            !before.ends_with(['_', 'n']) && !digits.starts_with("kB") && !ends_in_node(before)
        }
        "Node " => text[at + words.len()..].starts_with(|c: char| c.is_ascii_digit()),
        "CPU: " => text[at..].contains("PID: ") && !before.ends_with("on"),
        "Killed process " => !before.ends_with(':'),
        "Out of memory" | "Memory cgroup out of memory" => !before.ends_with("syncing:"),
        "memory: usage " | "kmem: usage " => !before.ends_with('+'),
        "oom-kill:constraint=" | "oom_reaper: reaped" => true,
        "Task in /" | "Tasks in /" => spaced || before.ends_with(|c: char| !c.is_ascii_alphabetic()),
        _ => true,
    }
}

fn ends_in_node(before: &str) -> bool {
    let word = before.rsplit(' ').next().unwrap_or("");
    word.bytes().all(|b| b.is_ascii_digit()) && before.trim_end_matches(word).trim_end().ends_with("Node")
}

fn back_over_number(text: &str, at: usize) -> Option<usize> {
    let length = text[..at].bytes().rev().take_while(u8::is_ascii_digit).count();
    (length > 0).then(|| at - length)
}

/// The name before ` invoked`, ` cpuset=` or ` free:` is one word where more than a comm stands before; `Node 0 ` before
/// a zone belongs to it.
fn back_over_name(text: &str, floor: usize, at: usize, words: &str) -> Option<usize> {
    let zone = words == " free:" || words == " per-cpu:";
    if !zone && text.get(floor..at).is_some_and(|before| before.trim().len() <= COMM_LENGTH) {
        return None;
    }
    if words == " free:" {
        let value = text[at + words.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
        value.starts_with("kB").then_some(())?;
    }
    let is_name = |b: u8| if zone { b.is_ascii_alphanumeric() } else { !b.is_ascii_whitespace() };
    let length = text[..at].bytes().rev().take_while(|b| is_name(*b)).count();
    let mut start = at - length;
    if !zone && let Some(unit) = text[start..at].rfind("kB").filter(|unit| *unit > 0) {
        // The size before it: `file-rss:360kBapache2 invoked …`.
        start += unit + 2;
    }
    if zone {
        // A number glued to the zone's name belongs to the message before: `bounce:0DMA free:`.
        start += text[start..at].bytes().take_while(u8::is_ascii_digit).count();
        let before = text[..start].trim_end();
        if ends_in_node(before) {
            return None;
        }
    }
    (start < at && text.is_char_boundary(start)).then_some(start)
}

/// The syslog or ISO date within the last words before `kernel:`.
fn back_over_date(text: &str, at: usize) -> Option<usize> {
    const FARTHEST: usize = 120;
    let mut from = at.saturating_sub(FARTHEST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let window = &text[from..at];
    let starts = window.char_indices().map(|(index, _)| index).rev();
    let dates = starts.filter(|index| wall_clock(&window[*index..]).is_some());
    // `Mon Jan 5 …` and `2021-…` hold shorter dates: the leftmost of a run is the beginning.
    dates
        .fold(None, |found: Option<usize>, index| match found {
            Some(later) if later - index > 5 => Some(later),
            _ => Some(index),
        })
        .map(|index| from + index)
}

/// `[ 12.34]` or `[T12]` before a message, `[ 123]  0  123 …` a row, `[ pid ]   uid` the header of the table.
fn bracket_begins(text: &str, at: usize) -> bool {
    let Some(end) = text.as_bytes()[at..].iter().take(40).position(|b| *b == b']') else { return false };
    let inside = text[at + 1..at + end].trim();
    let rest = text[at + end + 1..].trim_start();
    if inside == "pid" {
        return rest.starts_with("uid");
    }
    let digits = !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit());
    if digits {
        return rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains(' ');
    }
    inside.contains('.') && inside.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
