//! A heap made by hand: malloc_state, malloc_par and chunks as each version of glibc lays them out.

use crate::memory::FakeMemory;
use crate::space::Thread;
use crate::units::Addr;

pub const DATA: u64 = 0x7000_0000_0000;
pub const HEAP: u64 = 0x5555_0000_0000;
pub const STACK: u64 = 0x7ff0_0000_0000;
/// Where a thread's arena is: 64 MiB divide it (HEAP_MAX_SIZE).
const ARENA: u64 = 0x7e00_0000_0000;
pub const ARENA_SIZE: u64 = 0x21000;
const DATA_SIZE: usize = 0x4000;
const STACK_SIZE: usize = 0x1000;
/// Where in the data malloc_state, malloc_par and the program's own variables are.
const STATE: u64 = 0x100;
const PARAMS: u64 = 0x1000;
pub const GLOBALS: u64 = 0x2000;

/// How a version lays things out.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    pub name: &'static str,
    pub bins_at: u64,
    pub attached: bool,
    /// Whether links are mangled.
    pub mangled: bool,
    /// Bytes of a count and number of lists of a thread's cache; 0 where there is none. Free slots instead of counts.
    pub cache: (u64, u64, bool),
    /// Bytes from n_mmaps to mmapped_mem, and words from mmapped_mem to sbrk_base.
    pub params: (u64, u64),
}

pub const VERSIONS: [Version; 7] = [
    Version { name: "2.17", bins_at: 0x68, attached: false, mangled: false, cache: (0, 0, false), params: (16, 3) },
    Version { name: "2.23", bins_at: 0x68, attached: true, mangled: false, cache: (0, 0, false), params: (16, 3) },
    Version { name: "2.27", bins_at: 0x70, attached: true, mangled: false, cache: (1, 64, false), params: (16, 2) },
    Version { name: "2.31", bins_at: 0x70, attached: true, mangled: false, cache: (2, 64, false), params: (16, 2) },
    Version { name: "2.36", bins_at: 0x70, attached: true, mangled: true, cache: (2, 64, false), params: (20, 2) },
    Version { name: "2.42", bins_at: 0x70, attached: true, mangled: true, cache: (2, 76, true), params: (20, 2) },
    Version { name: "2.43", bins_at: 0x18, attached: true, mangled: true, cache: (2, 76, true), params: (20, 2) },
];

/// A heap under construction; chunks come one after the other.
pub struct FakeHeap {
    version: Version,
    base: u64,
    pub data: Vec<u8>,
    pub heap: Vec<u8>,
    pub stack: Vec<u8>,
    /// A thread's arena, empty where there is none, and its malloc_state.
    arena: Vec<u8>,
    arena_state: u64,
    /// Whether the chunk before the next one is in use.
    before_is_live: bool,
    binned: Vec<u64>,
    /// Chunks freed into the cache or a fast bin.
    quick: Vec<(u64, u64)>,
}

impl FakeHeap {
    pub fn new(version: Version) -> FakeHeap {
        FakeHeap::at(HEAP, version)
    }

    /// The same that begins at `base`.
    pub fn at(base: u64, version: Version) -> FakeHeap {
        let (data, stack) = (vec![0; DATA_SIZE], vec![0; STACK_SIZE]);
        let mut heap = FakeHeap {
            version,
            base,
            data,
            heap: Vec::new(),
            stack,
            arena: Vec::new(),
            arena_state: 0,
            before_is_live: true,
            binned: Vec::new(),
            quick: Vec::new(),
        };
        let (count, lists, _) = version.cache;
        if lists > 0 {
            let table = heap.chunk((count * lists + lists * 8 + 24).next_multiple_of(16));
            // Where a thread knows its cache from.
            heap.put(DATA + GLOBALS - 8, table);
        }
        heap
    }

    /// A chunk in use of `size` bytes; where its content begins.
    pub fn chunk(&mut self, size: u64) -> u64 {
        let at = self.base + self.heap.len() as u64;
        let bits = u64::from(self.before_is_live);
        self.heap.extend(0u64.to_le_bytes());
        self.heap.extend((size | bits).to_le_bytes());
        self.heap.resize(self.heap.len() + size as usize - 16, 0);
        self.before_is_live = true;
        at + 16
    }

    /// A chunk that was freed into a bin; never two in a row.
    pub fn free(&mut self, size: u64) -> u64 {
        let at = self.chunk(size);
        self.binned.push(at - 16);
        self.before_is_live = false;
        at
    }

    /// A chunk that was freed into the thread's cache, or a fast bin where there is none.
    pub fn quick(&mut self, size: u64) -> u64 {
        let at = self.chunk(size);
        self.quick.push((at, size));
        at
    }

    /// Writes a word anywhere.
    pub fn put(&mut self, at: u64, word: u64) {
        let (memory, base) = match at {
            at if at >= STACK => (&mut self.stack, STACK),
            at if at >= ARENA => (&mut self.arena, ARENA),
            at if at >= DATA => (&mut self.data, DATA),
            _ => (&mut self.heap, self.base),
        };
        let offset = (at - base) as usize;
        memory[offset..offset + 8].copy_from_slice(&word.to_le_bytes());
    }

    /// Adds a thread's arena whose heap_info has `info` bytes, with chunks in use of these sizes from `first` bytes on; where
    /// their contents begin.
    pub fn arena<const N: usize>(&mut self, info: u64, first: u64, sizes: [u64; N]) -> [u64; N] {
        const NOT_MAIN: u64 = 4;
        self.arena = vec![0; ARENA_SIZE as usize];
        self.arena_state = ARENA + info;
        self.put(ARENA, self.arena_state);
        self.put(ARENA + 16, ARENA_SIZE);
        self.put(ARENA + 24, ARENA_SIZE);
        let mut at = ARENA + first;
        let contents = sizes.map(|size| {
            self.put(at + 8, size | NOT_MAIN | 1);
            at += size;
            at - size + 16
        });
        self.put(at + 8, (ARENA + ARENA_SIZE - at) | 1);
        self.write_state(self.arena_state, at, ARENA_SIZE, DATA + STATE);
        contents
    }

    /// Lets a variable of the program, the `index`th, point at `to`.
    pub fn global(&mut self, index: u64, to: u64) {
        self.put(DATA + GLOBALS + index * 8, to);
    }

    /// The memory of the process, all lists linked and all totals set.
    pub fn build(mut self) -> FakeMemory {
        let top = self.base + self.heap.len() as u64;
        let size = (top + 0x1000).next_multiple_of(0x1000) - top;
        self.chunk(size);
        let system = self.heap.len() as u64;
        let next = if self.arena.is_empty() { DATA + STATE } else { self.arena_state };
        self.write_state(DATA + STATE, top, system, next);
        self.link_bins();
        self.link_quick();
        self.write_params();
        let thread = Thread { id: 1, stack_pointer: Addr(STACK + 0x800), ..Thread::default() };
        let memory = FakeMemory::new()
            .with(self.base, self.heap)
            .with(DATA, self.data)
            .named(DATA, "/lib/libc.so.6", "rw-p")
            .with(STACK, self.stack)
            .thread(thread);
        if self.arena.is_empty() { memory } else { memory.with(ARENA, self.arena) }
    }

    fn bins(&self) -> u64 {
        DATA + STATE + self.version.bins_at
    }

    fn link_bins(&mut self) {
        // All in the first bin, in a ring.
        let head = self.bins() - 16;
        let ring: Vec<u64> = [head].into_iter().chain(self.binned.clone()).collect();
        for (index, at) in ring.iter().enumerate() {
            self.put(at + 16, ring[(index + 1) % ring.len()]);
            self.put(at + 24, ring[(index + ring.len() - 1) % ring.len()]);
        }
    }

    fn link_quick(&mut self) {
        let (count, lists, slots) = self.version.cache;
        let table = self.base + 16;
        let entries = (count * lists).next_multiple_of(8);
        let mut heads = vec![0u64; 64];
        let mut lengths = vec![0u64; lists.max(64) as usize];
        for (at, size) in self.quick.clone() {
            let list = ((size - 32) / 16) as usize;
            let lead = if lists > 0 { 0 } else { 16 };
            let mangle = if self.version.mangled { at >> 12 } else { 0 };
            self.put(at, heads[list] ^ mangle);
            heads[list] = at - lead;
            lengths[list] += 1;
        }
        let first = if lists > 0 { table + entries } else { self.bins() - 96 };
        let shown = if lists > 0 { heads.len() } else { 10 };
        for (list, head) in heads.iter().enumerate().take(shown) {
            self.put(first + list as u64 * 8, *head);
        }
        for (list, length) in lengths.iter().enumerate().take(lists as usize) {
            let value = if slots { 16 - length } else { *length };
            let at = (table - self.base) as usize + list * count as usize;
            self.heap[at..at + count as usize].copy_from_slice(&value.to_le_bytes()[..count as usize]);
        }
    }

    /// A malloc_state at `start` with empty bins.
    fn write_state(&mut self, start: u64, top: u64, system: u64, next_arena: u64) {
        let bins = start + self.version.bins_at;
        self.put(bins - 16, top);
        for bin in 0..127 {
            let head = bins + bin * 16 - 16;
            self.put(head + 16, head);
            self.put(head + 24, head);
        }
        let next = bins + 127 * 16 + 16;
        self.put(next, next_arena);
        let mut at = next + 16;
        if self.version.attached {
            self.put(at, 1);
            at += 8;
        }
        self.put(at, system);
        self.put(at + 8, system);
    }

    fn write_params(&mut self) {
        let (counts, words) = self.version.params;
        let mapped = DATA + PARAMS + 64;
        self.put(mapped - counts, 65536 << 32);
        self.put(mapped + words * 8, self.base);
    }
}
