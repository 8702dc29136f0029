//! Text as programs leave it in memory, made up from a seed: values of every kind, and lines that have nothing in
//! common.

/// A source of chance that is the same in every run.
pub(super) struct Chance(u64);

pub(super) const FIRST_NAMES: [&str; 24] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia",
    "peggy", "rupert", "sybil", "trent", "victor", "walter", "wendy", "yusuf", "zelda", "anna", "boris",
];

const SYLLABLES: [&str; 16] =
    ["ka", "lo", "mi", "ren", "to", "vas", "qui", "el", "dor", "an", "bru", "pe", "sha", "zu", "fin", "gor"];

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low)
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    pub(super) fn of(&mut self, alphabet: &str, length: u64) -> String {
        (0..length).map(|_| alphabet.as_bytes()[self.below(alphabet.len() as u64) as usize] as char).collect()
    }

    pub(super) fn hex(&mut self, length: u64) -> String {
        self.of("0123456789abcdef", length)
    }

    pub(super) fn base36(&mut self, length: u64) -> String {
        self.of("0123456789abcdefghijklmnopqrstuvwxyz", length)
    }

    pub(super) fn base64(&mut self, length: u64) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", length)
    }

    pub(super) fn base64url(&mut self, length: u64) -> String {
        self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", length)
    }

    pub(super) fn uuid(&mut self) -> String {
        format!("{}-{}-4{}-a{}-{}", self.hex(8), self.hex(4), self.hex(3), self.hex(3), self.hex(12))
    }

    pub(super) fn ip(&mut self) -> String {
        format!("{}.{}.{}.{}", self.between(1, 224), self.below(256), self.below(256), self.between(1, 255))
    }

    pub(super) fn clock(&mut self) -> String {
        format!("{:02}:{:02}:{:02}", self.below(24), self.below(60), self.below(60))
    }

    pub(super) fn date(&mut self) -> String {
        format!("2024-{:02}-{:02}", self.between(1, 13), self.between(1, 29))
    }

    pub(super) fn month(&mut self) -> &'static str {
        self.pick(&["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
    }

    pub(super) fn name(&mut self) -> &'static str {
        self.pick(&FIRST_NAMES)
    }

    pub(super) fn word(&mut self) -> String {
        (0..self.between(2, 5)).map(|_| self.pick(&SYLLABLES)).collect()
    }

    pub(super) fn percent(&mut self, characters: u64) -> String {
        (0..characters * 3).map(|_| format!("%{:02X}", self.between(0x80, 0x100))).collect()
    }

    /// A line that has nothing in common with others.
    pub(super) fn noise(&mut self) -> String {
        match self.below(5) {
            0 => (0..self.between(2, 12)).map(|_| self.word()).collect::<Vec<_>>().join(" "),
            1 => self.of("!#$%&*+-/:;<=>?@^_|~abcxyz0189 ", 24),
            2 => format!("{}_{}_{}", self.word(), self.word(), self.word()),
            3 => format!("{}: {} {}", self.word(), self.word(), self.below(1000)),
            _ => self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 12),
        }
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index as u64 + 1) as usize);
        }
    }
}
