//! Where functions begin in a file that has lost its symbols: the search table of .eh_frame_hdr (Linux Standard Base),
//! which every stripped program keeps for exceptions.

use std::fs::File;
use std::io;

use goblin::elf::program_header::PT_GNU_EH_FRAME;

use super::headers::{Headers, read_part};

/// 4 million functions.
const TABLE_LIMIT: u64 = 32 << 20;
/// Version 1; pointer to .eh_frame relative to itself in 4 bytes; count as 4 bytes; table relative to the header, 4
/// signed bytes each. What all linkers write; others are left alone.
const USUAL_ENCODING: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
const TABLE: usize = 12;
const ROW: usize = 8;

/// The starts of functions, as a table of the file's own that is sorted by start.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// Address of the header, to which rows are relative.
    base: u64,
    rows: Vec<u8>,
}

impl Starts {
    /// Reads the table; empty where there is none of the usual encoding.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(file: &File, headers: &Headers) -> io::Result<Starts> {
        let segment = headers.segments.iter().find(|segment| segment.p_type == PT_GNU_EH_FRAME);
        let Some(segment) = segment.filter(|_| headers.context.is_little_endian()) else {
            return Ok(Starts::default());
        };
        let bytes = read_part(file, segment.p_offset, segment.p_filesz.min(TABLE_LIMIT))?;
        Ok(Starts::parse(segment.p_vaddr, &bytes).unwrap_or_default())
    }

    fn parse(base: u64, bytes: &[u8]) -> Option<Starts> {
        let count = u32::from_le_bytes(bytes.get(8..TABLE)?.try_into().ok()?) as usize;
        let rows = bytes.get(TABLE..)?;
        let length = count.checked_mul(ROW)?.min(rows.len() / ROW * ROW);
        bytes.starts_with(&USUAL_ENCODING).then(|| Starts { base, rows: rows[..length].to_vec() })
    }

    /// Whether a function begins at `addr`.
    pub fn contain(&self, addr: u64) -> bool {
        let (mut low, mut high) = (0, self.rows.len() / ROW);
        while low < high {
            let middle = low + (high - low) / 2;
            let start = self.start(middle);
            if start == Some(addr) {
                return true;
            }
            if start.is_some_and(|start| start < addr) { low = middle + 1 } else { high = middle }
        }
        false
    }

    fn start(&self, row: usize) -> Option<u64> {
        let field = self.rows.get(row * ROW..row * ROW + 4)?;
        let relative = i32::from_le_bytes(field.try_into().ok()?);
        Some(self.base.wrapping_add_signed(i64::from(relative)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(starts: &[i32]) -> Vec<u8> {
        let mut bytes = USUAL_ENCODING.to_vec();
        bytes.extend([0; 4]);
        bytes.extend((starts.len() as u32).to_le_bytes());
        for start in starts {
            bytes.extend(start.to_le_bytes());
            bytes.extend([0; 4]);
        }
        bytes
    }

    #[test]
    fn starts_are_found_on_both_sides_of_the_table() {
        let starts = Starts::parse(0x5000, &header(&[-0x4000, -0x3ff0, 0x100])).unwrap();
        for addr in [0x1000, 0x1010, 0x5100] {
            assert!(starts.contain(addr));
            assert!(!starts.contain(addr + 1));
        }
    }

    proptest! {
        #[test]
        fn any_table_can_be_searched(base in any::<u64>(), bytes in prop::collection::vec(any::<u8>(), 0..200), addr in any::<u64>()) {
            let mut table = header(&[1, 2]);
            table.truncate(8);
            table.extend(bytes);
            if let Some(starts) = Starts::parse(base, &table) {
                let _ = starts.contain(addr);
            }
        }
    }
}
