//! What a child does not get as it is: mappings with MADV_DONTFORK or MADV_WIPEONFORK, and hugetlb pages, which the
//! kernel takes from a child where there are none to spare. By their VmFlags in smaps.

use super::Target;
use crate::error::Result;
use crate::units::{Addr, Span};

impl Target {
    /// Mappings that a fork leaves out, empties, or may lose. Costs what smaps costs: up to 15 ms for a resident GiB.
    ///
    /// # Errors
    /// `Gone`, `NotPermitted`, or `Failed` with the kernel's reason.
    pub fn unforked(&self) -> Result<Vec<Span>> {
        let text = self.proc_file("smaps").and_then(super::roots::whole_text);
        Ok(parse(&text.map_err(|error| self.failure("cannot read the memory map of", &error))?))
    }
}

fn parse(smaps: &str) -> Vec<Span> {
    let (mut current, mut found) = (None, Vec::new());
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let is_left_out = flags.split_ascii_whitespace().any(|flag| matches!(flag, "dc" | "wf" | "ht"));
            found.extend(current.filter(|_| is_left_out));
        } else if !line.starts_with(|first: char| first.is_ascii_uppercase()) {
            current = range(line);
        }
    }
    found
}

fn range(line: &str) -> Option<Span> {
    let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok().map(Addr);
    let (start, end) = (number(start)?, number(end)?);
    (start < end).then(|| Span::new(start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_belong_to_the_mapping_above_them() {
        let smaps = "1000-2000 rw-p 0 00:00 0\nRss: 4 kB\nVmFlags: rd wr mr\n3000-4000 rw-p 0 00:00 0\nRss: 4 kB\n\
            VmFlags: rd wr dc\n5000-4000 x\nVmFlags: wf\n6000-7000 rw-p\nVmFlags: rd wf";
        let spans = [Span::new(Addr(0x3000), Addr(0x4000)), Span::new(Addr(0x6000), Addr(0x7000))];
        assert_eq!(parse(smaps), spans);
    }
}
