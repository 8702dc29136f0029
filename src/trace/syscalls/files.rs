//! Which file each thread reads, so that growth can be told beside it. Knows open and read calls of x86-64.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::target::Target;
use crate::trace::Happening;
use crate::units::ByteCount;

const PATH_LIMIT: usize = 4096;

/// Numbers of arch/x86/entry/syscalls/syscall_64.tbl.
mod number {
    pub const READ: u64 = 0;
    pub const OPEN: u64 = 2;
    pub const CLOSE: u64 = 3;
    pub const PREAD64: u64 = 17;
    pub const READV: u64 = 19;
    pub const OPENAT: u64 = 257;
}

/// What threads read.
#[derive(Default)]
pub(super) struct Files {
    /// By process and descriptor: the path, and bytes read since it was first seen.
    open: HashMap<(i32, i32), (String, ByteCount)>,
    /// By thread: reads of one file in a row.
    row: BTreeMap<i32, Row>,
    /// By thread: the descriptor read last.
    last: HashMap<i32, (i32, i32)>,
}

struct Row {
    file: String,
    count: u64,
    bytes: ByteCount,
}

impl Files {
    /// What a call that came back means for files.
    pub fn returned(
        &mut self,
        tid: i32,
        target: &Target,
        memory: Option<&File>,
        number: u64,
        arguments: [u64; 6],
        result: u64,
    ) -> Vec<Happening> {
        let pid = target.pid();
        if result > u64::MAX - 4095 {
            return Vec::new();
        }
        match number {
            number::OPEN | number::OPENAT => {
                let at = if number == number::OPEN { arguments[0] } else { arguments[1] };
                let fd = result as i32;
                let path = target.descriptor(fd).ok().or_else(|| text(memory?, at)).unwrap_or_default();
                self.open.insert((pid, fd), (path.clone(), ByteCount::ZERO));
                self.row.remove(&tid).map(Row::told).into_iter().chain([Happening::Open(path)]).collect()
            }
            number::CLOSE => {
                self.open.remove(&(pid, arguments[0] as i32));
                Vec::new()
            }
            number::READ | number::PREAD64 | number::READV => {
                self.read(tid, target, arguments[0] as i32, ByteCount(result)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The row of reads that another file ends.
    fn read(&mut self, tid: i32, target: &Target, fd: i32, bytes: ByteCount) -> Option<Happening> {
        let key = (target.pid(), fd);
        let known =
            self.open.entry(key).or_insert_with(|| (target.descriptor(fd).unwrap_or_default(), ByteCount::ZERO));
        if !known.0.starts_with('/') {
            return None;
        }
        known.1 += bytes;
        self.last.insert(tid, key);
        let file = known.0.clone();
        let before = self.row.get(&tid).is_some_and(|row| row.file != file).then(|| self.row.remove(&tid)).flatten();
        let row = self.row.entry(tid).or_insert_with(|| Row { file, count: 0, bytes: ByteCount::ZERO });
        row.count += 1;
        row.bytes += bytes;
        before.map(Row::told)
    }

    /// Reads that are to be told before a call that changes memory, and the file read last with its bytes.
    pub fn before_call(&mut self, tid: i32) -> (Option<Happening>, Option<(String, ByteCount)>) {
        let reading = self.last.get(&tid).and_then(|key| self.open.get(key)).cloned();
        (self.row.remove(&tid).map(Row::told), reading)
    }

    /// Reads not told yet.
    pub fn rest(&mut self) -> Vec<(i32, Happening)> {
        std::mem::take(&mut self.row).into_iter().map(|(tid, row)| (tid, row.told())).collect()
    }
}

impl Row {
    fn told(self) -> Happening {
        Happening::Read { file: self.file, count: self.count, bytes: self.bytes }
    }
}

fn text(memory: &File, at: u64) -> Option<String> {
    let mut bytes = vec![0; PATH_LIMIT];
    let filled = memory.read_at(&mut bytes, at).ok()?;
    let end = memchr::memchr(0, bytes.get(..filled)?)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}
