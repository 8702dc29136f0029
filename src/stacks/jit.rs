//! The names a just-in-time compiler writes for its code: `/tmp/perf-PID.map`, a line a function, `START SIZE name` in
//! hexadecimal (tools/perf/Documentation/jit-interface.txt). Written by the target: bounded, and wrong lines passed over.

use crate::units::{Addr, ByteCount, Span};

/// Names longer than this are cut.
const NAME_LIMIT: usize = 512;
/// Functions taken up.
const COUNT_LIMIT: usize = 1 << 20;

/// Functions by address.
#[derive(Clone, Debug, Default)]
pub struct PerfMap(Vec<(Span, String)>);

impl PerfMap {
    /// Reads a map. Code that was moved is told again further down: the last line of a place counts.
    pub fn parse(text: &str) -> PerfMap {
        let mut functions: Vec<(Span, String)> = text.lines().rev().filter_map(line).take(COUNT_LIMIT).collect();
        functions.sort_by_key(|(span, _)| span.start);
        functions.dedup_by_key(|(span, _)| span.start);
        PerfMap(functions)
    }

    /// The function at `addr` and where it begins.
    pub(super) fn at(&self, addr: Addr) -> Option<(Addr, &str)> {
        let index = self.0.partition_point(|(span, _)| span.start <= addr).checked_sub(1)?;
        let (span, name) = self.0.get(index)?;
        span.contains(addr).then_some((span.start, name))
    }
}

fn line(line: &str) -> Option<(Span, String)> {
    let mut words = line.splitn(3, ' ');
    let number = |word: Option<&str>| u64::from_str_radix(word?.trim_start_matches("0x"), 16).ok();
    let (start, size) = (number(words.next())?, number(words.next())?);
    let name: String = words.next()?.chars().take(NAME_LIMIT).collect();
    let span = Span::sized(Addr(start), ByteCount(size));
    (!span.is_empty() && !name.is_empty()).then_some((span, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_place_counts() {
        let map = PerfMap::parse("1000 40 LazyCompile:~a x.js:1\nodd\n1000 80 Function:a\n0x2000 10 b\n3000 0 empty\n");
        assert_eq!(map.at(Addr(0x1070)), Some((Addr(0x1000), "Function:a")));
        assert_eq!(map.at(Addr(0x2000)), Some((Addr(0x2000), "b")));
        assert_eq!((map.at(Addr(0x1080)), map.at(Addr(0xfff)), map.at(Addr(0x3000))), (None, None, None));
    }
}
