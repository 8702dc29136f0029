//! The prefixes in front of a kernel message: quoting, priorities, times, hosts, tags. They nest in any order, so they
//! are taken off layer by layer. What is left is the message itself, or another program's (`foreign`).

use crate::oom::parse;

/// When a line was written, as far as its prefixes say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stamp<'a> {
    /// The wall clock, in the log's words.
    pub wall: Option<&'a str>,
    /// Microseconds since 1970, from a structured log.
    pub utc_micros: Option<i64>,
    /// Seconds since boot.
    pub uptime: Option<f64>,
}

/// Whether a kmsg record is a whole line or a part of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragment {
    /// A line.
    #[default]
    Whole,
    /// Flag `c`: the first part, or (4.9 and later) any part.
    First,
    /// Flag `+`: a further part.
    Further,
}

/// One line without its dressing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line<'a> {
    /// The message.
    pub text: &'a str,
    /// When.
    pub stamp: Stamp<'a>,
    /// It had no prefix of its own: perhaps the rest of the line before.
    pub bare: bool,
    /// Another program wrote it.
    pub foreign: bool,
    /// A part of a kmsg record.
    pub fragment: Fragment,
}

/// Takes off every prefix of `raw`.
pub fn strip(raw: &str) -> Line<'_> {
    let mut line = Line { text: raw, bare: true, ..Line::default() };
    for _ in 0..10 {
        let text = line.text.trim_start();
        let Some(rest) = layer(text, &mut line) else { break };
        line.text = rest;
        if line.foreign {
            break;
        }
        // The blanks at the ends of a part belong between it and the next.
        if line.fragment != Fragment::Whole {
            return line;
        }
    }
    line.text = line.text.trim();
    line
}

/// One layer off, or None where the message begins.
fn layer<'a>(text: &'a str, line: &mut Line<'a>) -> Option<&'a str> {
    match text.as_bytes().first()? {
        b'>' | b'|' => return Some(&text[1..]),
        b'<' => return priority(text, line),
        b'[' => return bracket(text, line),
        b'0'..=b'9' => {
            if let Some(rest) = kmsg(text, line).or_else(|| numbered(text)) {
                return Some(rest);
            }
        }
        b'(' | b'"' => return None,
        _ => {}
    }
    let prefixed = dated(text, line).or_else(|| untagged_kernel(text, line)).or_else(|| facility(text, line));
    if let Some(rest) = prefixed.or_else(|| from_grep(text)) {
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix("stdout F ").or_else(|| text.strip_prefix("stderr F ")) {
        return Some(rest);
    }
    klog(text).then(|| {
        line.foreign = true;
        text
    })
}

/// `<4>`, the priority on a serial line.
fn priority<'a>(text: &'a str, line: &mut Line<'a>) -> Option<&'a str> {
    let end = text.find('>').filter(|end| (2..=4).contains(end))?;
    text[1..end].bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    line.bare = false;
    Some(&text[end + 1..])
}

/// `4,1234,567890123,-;` and, since 5.1, `,caller=T77` before the semicolon.
fn kmsg<'a>(text: &'a str, line: &mut Line<'a>) -> Option<&'a str> {
    let end = text.as_bytes().iter().take(96).position(|b| *b == b';')?;
    let mut fields = text[..end].split(',');
    let priority = fields.next()?;
    let (sequence, micros, flags) = (fields.next()?, fields.next()?, fields.next()?);
    let digits = |field: &str| !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit());
    (digits(priority) && digits(sequence) && digits(micros)).then_some(())?;
    line.stamp.uptime = micros.parse::<f64>().ok().map(|micros| micros / 1e6);
    line.fragment = match flags {
        "c" => Fragment::First,
        "+" => Fragment::Further,
        _ => Fragment::Whole,
    };
    line.bare = false;
    Some(&text[end + 1..])
}

/// `  3. <4>[12.3] …`, a line of a numbered listing on a web page.
fn numbered(text: &str) -> Option<&str> {
    let rest = text[digits(text)..].strip_prefix(['.', ':', ')'])?;
    let rest = rest.strip_prefix(['\t', ' '])?.trim_start();
    rest.starts_with(['<', '[']).then_some(rest)
}

/// `3585:Dec  5 03:31:40 …` of `grep -n`, `/var/log/kern.log.1:Dec  5 …` of grep over several files.
fn from_grep(text: &str) -> Option<&str> {
    let colon = text.as_bytes().iter().take(120).position(|b| *b == b':' || *b == b' ').filter(|at| *at > 0)?;
    let rest = text[colon..].strip_prefix(':')?;
    let bracketed = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')).map(|(inside, _)| inside.trim());
    let timed = bracketed.is_some_and(|inside| is_uptime(inside) || wall_clock(inside).is_some());
    let begins = timed || rest.starts_with('<') || wall_clock(rest).is_some();
    let number = digits(text) == colon;
    let rest_is_time = number && wall_clock(text).is_some();
    (begins && !rest_is_time && !text.starts_with('[')).then_some(rest)
}

/// `[ 12.345678]`, `[T77]`, `[Sat Mar 20 09:50:20 2021]`, `[pod/a/b]`. `[ 123] 0 123 …` is a row of the task table.
fn bracket<'a>(text: &'a str, line: &mut Line<'a>) -> Option<&'a str> {
    let end = text.as_bytes().iter().take(80).position(|b| *b == b']')?;
    let inside = text[1..end].trim();
    let rest = &text[end + 1..];
    if is_uptime(inside) {
        let first = inside.split([' ', '@', ',', '<']).next().unwrap_or(inside);
        line.stamp.uptime = first.trim_start_matches('+').parse().ok().or(line.stamp.uptime);
    } else if is_caller(inside) || is_cpu_and_comm(inside) {
        // Printed since 5.1 (CONFIG_PRINTK_CALLER); some phone vendors print CPU and comm.
    } else if let Some(length) = wall_clock(inside) {
        line.stamp.wall = Some(&inside[..length]);
    } else if !(inside.contains('/') && !inside.contains(' ') && inside.len() > 4) {
        return None;
    }
    line.bare = false;
    Some(rest)
}

fn is_uptime(inside: &str) -> bool {
    inside.contains('.')
        && inside
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b' ' | b'+' | b'-' | b'<' | b'>' | b'@' | b','))
}

fn is_caller(inside: &str) -> bool {
    inside.strip_prefix(['T', 'C']).is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))
}

/// `0:     swapper/0:    1`.
fn is_cpu_and_comm(inside: &str) -> bool {
    let mut parts = inside.split(':').map(str::trim);
    let is_number = |part: Option<&str>| part.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    is_number(parts.next()) && parts.next().is_some() && is_number(parts.next()) && parts.next().is_none()
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The length of the date and time at the beginning of `text`.
pub(super) fn wall_clock(text: &str) -> Option<usize> {
    let start = text.get(..3)?;
    let rest = &text[3..];
    if DAYS.contains(&start) {
        let skipped = rest.len() - rest.trim_start_matches([',', ' ']).len();
        return wall_clock(&rest[skipped..]).filter(|_| skipped > 0).map(|length| 3 + skipped + length);
    }
    if MONTHS.contains(&start) {
        return syslog_date(text);
    }
    iso_date(text)
}

/// `Jan  5 15:19:04[.123456]`, the year before or after the time, `Mar20 09:50`.
fn syslog_date(text: &str) -> Option<usize> {
    let mut at = 3 + blanks(&text[3..]);
    let day = digits(&text[at..]);
    (1..=2).contains(&day).then_some(())?;
    at += day;
    at += blanks(&text[at..]).max(usize::from(text[at..].starts_with(',')));
    if digits(&text[at..]) == 4 {
        at += 4;
        at += blanks(&text[at..]);
    }
    at += clock(&text[at..])?;
    let after = blanks(&text[at..]);
    if after == 1 && digits(&text[at + 1..]) == 4 && !text[at + 5..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
        at += 5;
    }
    Some(at)
}

/// `2019-12-19T08:09:47.123+01:00`, `2019-12-19 08:09:47,123`, `2019/12/19 08:09:47`.
fn iso_date(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let shaped = digits(text) == 4
        && matches!(bytes.get(4), Some(b'-' | b'/'))
        && digits(text.get(5..)?) == 2
        && bytes.get(7) == bytes.get(4)
        && digits(text.get(8..)?) == 2
        && matches!(bytes.get(10), Some(b'T' | b' ' | b'_'));
    shaped.then_some(())?;
    let mut at = 11 + clock(text.get(11..)?)?;
    match bytes.get(at) {
        Some(b'Z') => at += 1,
        Some(b'+' | b'-') if digits(&text[at + 1..]) >= 2 => {
            at += 1 + digits(&text[at + 1..]);
            if text[at..].starts_with(':') && digits(&text[at + 1..]) == 2 {
                at += 3;
            }
        }
        _ => {}
    }
    Some(at)
}

/// `15:19:04`, `15:19:04.123456`, `09:50`.
fn clock(text: &str) -> Option<usize> {
    let hour = digits(text);
    ((1..=2).contains(&hour) && text[hour..].starts_with(':')).then_some(())?;
    let mut at = hour + 1;
    (digits(&text[at..]) == 2).then_some(())?;
    at += 2;
    if text[at..].starts_with(':') && digits(&text[at + 1..]) == 2 {
        at += 3;
        if text[at..].starts_with(['.', ',']) {
            at += 1 + digits(&text[at + 1..]);
        }
    }
    Some(at)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn blanks(text: &str) -> usize {
    text.bytes().take_while(|b| *b == b' ').count()
}

/// A date, then host and tag in any of the usual orders.
fn dated<'a>(text: &'a str, line: &mut Line<'a>) -> Option<&'a str> {
    let length = wall_clock(text).or_else(|| unix_seconds(text))?;
    if line.stamp.wall.is_none() {
        line.stamp.wall = Some(&text[..length]);
    }
    line.bare = false;
    let rest = text[length..].trim_start();
    Some(after_tag(rest, line))
}

/// `1611586770.123456 host kernel: …` of `journalctl -o short-unix`.
fn unix_seconds(text: &str) -> Option<usize> {
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map(digits)?;
    let length = whole + 1 + fraction;
    (whole == 10 && fraction >= 3 && text[length..].starts_with(' ')).then_some(length)
}

/// `host kernel: …` or `kernel: …` without a date.
fn untagged_kernel<'a>(text: &'a str, line: &mut Line<'a>) -> Option<&'a str> {
    let rest = kernel_tag(text, 2)?;
    line.bare = false;
    Some(rest)
}

/// `kern  :warn  : …` of `dmesg -x`.
fn facility<'a>(text: &'a str, line: &mut Line<'a>) -> Option<&'a str> {
    let rest = text.strip_prefix("kern")?.trim_start().strip_prefix(':')?;
    let end = rest.find(':').filter(|end| *end <= 8)?;
    line.bare = false;
    Some(&rest[end + 1..])
}

/// What follows the kernel's tag, where one is among the first `words`.
fn kernel_tag(text: &str, words: usize) -> Option<&str> {
    let mut left = text;
    for _ in 0..words {
        left = left.trim_start();
        let end = left.find(char::is_whitespace).unwrap_or(left.len());
        let token = &left[..end];
        for name in ["kernel", "vmunix", "klogd", "Guest", "dmesg"] {
            let Some(after) = token.strip_prefix(name) else { continue };
            if after.starts_with(':') {
                return Some(&left[name.len() + 1..]);
            }
            if after.starts_with('[') && after.ends_with("]:") {
                return Some(&left[end..]);
            }
        }
        left = &left[end..];
    }
    None
}

/// What follows host and tag after a date. A line without the kernel's tag is another program's, unless a kernel message
/// begins right there (collectors drop tags).
fn after_tag<'a>(text: &'a str, line: &mut Line<'a>) -> &'a str {
    if let Some(rest) = kernel_tag(text, 6) {
        return rest;
    }
    if text.starts_with(['<', '[', '{']) || text.starts_with("stdout ") || text.starts_with("stderr ") {
        return text;
    }
    let next = |text: &'a str| text.find(' ').map(|end| text[end..].trim_start());
    let second = next(text);
    let third = second.and_then(next);
    if second.is_some_and(|rest| rest.starts_with('[') || rest.starts_with('<')) {
        return second.unwrap_or(text);
    }
    for rest in third.into_iter().chain(second).chain([text]) {
        if parse::recognise(rest).is_some() {
            return rest;
        }
    }
    let is_tag = |word: &str| word.ends_with("]:") || word.ends_with(':') || word.ends_with(']');
    line.foreign = text.split_whitespace().take(2).any(is_tag);
    text
}

/// `I0624 18:49:43.983472    6018 log_monitor.go:159] …`.
fn klog(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.first(), Some(b'I' | b'W' | b'E' | b'F'))
        && text.get(1..).map(digits) == Some(4)
        && text.get(5..).is_some_and(|rest| clock(rest.trim_start()).is_some())
}
