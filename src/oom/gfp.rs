//! Decoding a gfp mask into the kernel's own flag names. Knows that the layout changed with 2.6.13–2.6.31, 4.4, 4.10, 4.18
//! and 5.1, so that a number without a release is ambiguous; leaves to the splitter what else dates a report.

use crate::oom::gfp_bits::{Needs, ROWS, Release, Row};

/// A decoded mask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gfp {
    /// The number, as printed.
    pub mask: u64,
    /// The names the kernel printed beside it (4.6 and later).
    pub printed: Option<String>,
    /// The single bits by name, sorted; None where the release cannot be told.
    pub flags: Option<Vec<&'static str>>,
    /// Whether the release was printed; otherwise the layout was inferred from the form of the report.
    pub release_known: bool,
}

impl Gfp {
    /// Whether a flag is set; false too where the layout is unknown.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.as_ref().is_some_and(|flags| flags.contains(&flag))
    }

    /// Whether the request may use a HighMem zone. The zone bits are the same in every release.
    pub fn may_use_highmem(&self) -> bool {
        self.mask & 0x2 != 0
    }

    /// Whether the request may use movable-only memory, contiguous (CMA) areas included.
    pub fn is_movable(&self) -> bool {
        self.has("__GFP_MOVABLE")
    }
}

/// The releases a report can be from: the first and the last possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Releases {
    from: Release,
    to: Release,
}

impl Default for Releases {
    fn default() -> Releases {
        Releases { from: (2, 6, 12), to: (99, 0, 0) }
    }
}

impl Releases {
    /// Narrows to `from` and later.
    pub fn since(&mut self, major: u16, minor: u16, patch: u16) {
        self.from = self.from.max((major, minor, patch));
    }

    /// Narrows to `to` and earlier.
    pub fn until(&mut self, major: u16, minor: u16, patch: u16) {
        self.to = self.to.min((major, minor, patch));
    }

    /// Whether every release it can be is `major.minor` or later.
    pub fn surely_since(&self, major: u16, minor: u16) -> bool {
        self.from >= (major, minor, 0)
    }

    fn contains(&self, release: Release) -> bool {
        self.from <= release && release <= self.to
    }
}

/// The release at the beginning of a kernel version such as `3.13.0-86-generic` or `2.6.32-279.el6`.
pub fn release_of(version: &str) -> Option<(u16, u16, u16)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    let major: u16 = parts.next()?.parse().ok()?;
    let minor: u16 = parts.next()?.parse().ok()?;
    let patch: u16 = parts.next().and_then(|p| p.parse().ok()).unwrap_or(0);
    Some(if major == 2 { (major, minor, patch) } else { (major, minor, 0) })
}

/// Decodes `mask` by the printed kernel version, else by the releases the form of the report allows and by the names
/// the kernel printed.
pub fn decode(mask: u64, printed: Option<&str>, version: Option<&str>, releases: Releases) -> Gfp {
    let names = printed.map(expand).filter(|names| !names.is_empty());
    let known = version.and_then(release_of).map(|release| release.min(LAST));
    let flags = match known.and_then(|release| bits_of(mask, release, names.as_deref())) {
        Some(flags) => Some(flags),
        None => guess(mask, names.as_deref(), releases),
    };
    Gfp { mask, printed: printed.map(str::to_owned), flags, release_known: known.is_some() }
}

const LAST: Release = (6, 18, 0);

/// One release of each layout, the commonest first: what a mask is tried against when nothing dates it.
const CANDIDATES: [Release; 24] = [
    (5, 4, 0),
    (3, 10, 0),
    (4, 18, 0),
    (4, 15, 0),
    (4, 4, 0),
    (2, 6, 32),
    (6, 12, 0),
    (5, 15, 0),
    (6, 6, 0),
    (6, 2, 0),
    (5, 19, 0),
    (4, 9, 0),
    (4, 5, 0),
    (4, 10, 0),
    (4, 12, 0),
    (4, 13, 0),
    (4, 1, 0),
    (3, 16, 0),
    (2, 6, 39),
    (2, 6, 26),
    (2, 6, 23),
    (2, 6, 18),
    (2, 6, 14),
    (2, 6, 12),
];

fn guess(mask: u64, names: Option<&[&'static str]>, releases: Releases) -> Option<Vec<&'static str>> {
    let mut best: Option<(i32, Vec<&'static str>)> = None;
    let within = CANDIDATES.iter().filter(|release| releases.contains(**release));
    // A vendor kernel can print a later form than its number says: where no candidate fits, all are tried.
    let any = within.clone().next().is_some();
    let all = CANDIDATES.iter().filter(|release| !any || releases.contains(**release));
    for release in all {
        let Some(flags) = bits_of(mask, *release, names) else { continue };
        let merit = merit(&flags, mask, names);
        if best.as_ref().is_none_or(|(most, _)| merit > *most) {
            best = Some((merit, flags));
        }
    }
    best.filter(|(merit, _)| *merit > -40).map(|(_, flags)| flags)
}

/// How likely a decoding is: one that agrees with the printed names, and that could have started the killer at all.
fn merit(flags: &[&'static str], mask: u64, names: Option<&[&'static str]>) -> i32 {
    let has = |flag: &str| flags.contains(&flag);
    if let Some(names) = names {
        let missing = names.iter().filter(|name| !has(name)).count() as i32;
        let excess = flags.iter().filter(|flag| !names.contains(flag)).count() as i32;
        return -4 * (missing + excess);
    }
    // Only a request that may reclaim ends in the OOM killer, and GFP_… composites carry IO (and mostly FS) beside it.
    let reclaims = has("__GFP_WAIT") || has("__GFP_DIRECT_RECLAIM");
    let mut merit = if reclaims || mask == 0 { 0 } else { -50 };
    merit += if has("__GFP_IO") { 4 } else { 0 } + if has("__GFP_FS") { 4 } else { 0 };
    merit -= if has("__GFP_DIRECT_RECLAIM") && !has("__GFP_KSWAPD_RECLAIM") { 6 } else { 0 };
    let odd = ["__GFP_NOMEMALLOC", "__GFP_NORETRY", "__GFP_MEMALLOC", "__GFP_ATOMIC", "__GFP_NO_GROW"];
    merit - 3 * odd.iter().filter(|flag| has(flag)).count() as i32
}

/// The names of the bits of `mask` in `release`, sorted; None where a bit has no meaning there.
fn bits_of(mask: u64, release: Release, names: Option<&[&'static str]>) -> Option<Vec<&'static str>> {
    let mut flags = Vec::new();
    for bit in (0..64).map(|n| 1u64 << n).filter(|bit| mask & bit != 0) {
        let rows = || ROWS.iter().filter(|row| row.bit == bit && row.from <= release && release <= row.to);
        let printed = rows().find(|row| names.is_some_and(|names| names.contains(&row.name)));
        let Some(row) = printed.or_else(|| rows().min_by_key(|row: &&Row| row.needs == Needs::Debugging)) else {
            // A bit without a meaning: a patched kernel. The others keep theirs only when names confirm the layout.
            names?;
            continue;
        };
        flags.push(row.name);
    }
    flags.sort_unstable();
    flags.dedup();
    Some(flags)
}

/// What the composites mean since 4.6, when names began to be printed.
const COMPOSITES: &[(&str, &[&str])] = &[
    ("GFP_KERNEL", &["__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM", "__GFP_IO", "__GFP_FS"]),
    ("GFP_KERNEL_ACCOUNT", &["GFP_KERNEL", "__GFP_ACCOUNT"]),
    ("GFP_USER", &["GFP_KERNEL", "__GFP_HARDWALL"]),
    ("GFP_HIGHUSER", &["GFP_USER", "__GFP_HIGHMEM"]),
    ("GFP_HIGHUSER_MOVABLE", &["GFP_HIGHUSER", "__GFP_MOVABLE"]),
    ("GFP_TEMPORARY", &["GFP_KERNEL", "__GFP_RECLAIMABLE"]),
    ("GFP_NOFS", &["__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM", "__GFP_IO"]),
    ("GFP_NOIO", &["__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM"]),
    ("GFP_NOWAIT", &["__GFP_KSWAPD_RECLAIM"]),
    ("GFP_ATOMIC", &["__GFP_HIGH", "__GFP_KSWAPD_RECLAIM"]),
    ("GFP_DMA", &["__GFP_DMA"]),
    ("GFP_DMA32", &["__GFP_DMA32"]),
    ("GFP_TRANSHUGE_LIGHT", &["GFP_HIGHUSER_MOVABLE", "__GFP_COMP", "__GFP_NOMEMALLOC", "__GFP_NOWARN"]),
    ("GFP_TRANSHUGE", &["GFP_TRANSHUGE_LIGHT", "__GFP_DIRECT_RECLAIM"]),
    ("__GFP_RECLAIM", &["__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM"]),
];

/// The single flags behind names joined by `|`.
fn expand(names: &str) -> Vec<&'static str> {
    let mut flags = Vec::new();
    for name in names.split('|').map(str::trim) {
        expand_one(name, &mut flags, 0);
    }
    flags.sort_unstable();
    flags.dedup();
    flags
}

fn expand_one(name: &str, flags: &mut Vec<&'static str>, depth: usize) {
    if depth > 4 {
        return;
    }
    if let Some((_, parts)) = COMPOSITES.iter().find(|(composite, _)| *composite == name) {
        for part in *parts {
            expand_one(part, flags, depth + 1);
        }
        return;
    }
    if let Some(row) = ROWS.iter().find(|row| row.name == name) {
        flags.push(row.name);
    }
}

/// The flags that printed names stand for, where no number was printed.
pub fn flags_of_names(names: &str) -> Option<Vec<&'static str>> {
    Some(expand(names)).filter(|flags| !flags.is_empty())
}

/// What a flag means, for a reader who does not know the kernel.
pub fn explain(flag: &str) -> &'static str {
    match flag {
        "__GFP_DMA" => "only memory below 16 MiB will do",
        "__GFP_DMA32" => "only memory below 4 GiB will do",
        "__GFP_HIGHMEM" => "high memory (beyond the kernel's own mapping on 32 bit) will do",
        "__GFP_MOVABLE" => "the page can be moved later: CMA and movable zones will do",
        "__GFP_WAIT" => "may wait and reclaim other memory",
        "__GFP_DIRECT_RECLAIM" => "may wait and reclaim memory itself",
        "__GFP_KSWAPD_RECLAIM" => "wakes the background reclaim",
        "__GFP_RECLAIMABLE" => "slab memory that a shrinker can give back (dentries, inodes)",
        "__GFP_HIGH" => "urgent: may use part of the reserve",
        "__GFP_IO" => "reclaim may start disk I/O",
        "__GFP_FS" => "reclaim may call into file systems",
        "__GFP_COLD" => "a page not in the CPU's cache is preferred (read-ahead)",
        "__GFP_WRITE" => "the page will be written to soon (page cache)",
        "__GFP_ZERO" => "the page is handed out zeroed (new anonymous memory)",
        "__GFP_NOWARN" => "no warning when it fails",
        "__GFP_REPEAT" | "__GFP_RETRY_MAYFAIL" => "tries hard, but may fail",
        "__GFP_NOFAIL" => "must not fail",
        "__GFP_NORETRY" => "gives up early",
        "__GFP_ATOMIC" => "cannot wait and is urgent",
        "__GFP_MEMALLOC" => "may use all of the reserve: it will free memory",
        "__GFP_NOMEMALLOC" => "must not touch the reserve",
        "__GFP_COMP" => "several pages as one (slab, network buffers, huge pages)",
        "__GFP_HARDWALL" => "only from the nodes the process's cpuset allows (a user's page)",
        "__GFP_THISNODE" => "only from this NUMA node",
        "__GFP_ACCOUNT" => "kernel memory charged to the memory cgroup",
        "__GFP_NOACCOUNT" => "not charged to the memory cgroup",
        "__GFP_KMEMCG" => "charged to a memory cgroup by its caller",
        "__GFP_NOTRACK" => "not tracked by the memory checker",
        "__GFP_NO_KSWAPD" => "does not wake the background reclaim",
        "__GFP_OTHER_NODE" => "counted for another node",
        "__GFP_NO_GROW" => "the slab must not grow",
        "__GFP_NORECLAIM" => "must not reclaim",
        _ => "a flag for kernel debugging or memory tagging",
    }
}
