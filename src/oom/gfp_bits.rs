//! Which bit of a gfp mask means what in which mainline release, 2.6.12 to 6.18. Read from include/linux/gfp.h and
//! gfp_types.h of the release trees. A row holds from its first to its last release, both included.

/// A release as (2, 6, patch) or (major, minor, 0).
pub(super) type Release = (u16, u16, u16);

/// What must be configured for a bit to have this meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing, or what distributions configure.
    Nothing,
    /// Lock debugging or hardware memory tags, which distribution kernels lack.
    Debugging,
}

/// One meaning of one bit.
pub(super) struct Row {
    pub from: Release,
    pub to: Release,
    pub bit: u64,
    pub name: &'static str,
    pub needs: Needs,
}

const fn row(from: Release, to: Release, bit: u64, name: &'static str) -> Row {
    Row { from, to, bit, name, needs: Needs::Nothing }
}

const fn debug(from: Release, to: Release, bit: u64, name: &'static str) -> Row {
    Row { from, to, bit, name, needs: Needs::Debugging }
}

/// Every meaning.
pub(super) const ROWS: &[Row] = &[
    row((2, 6, 12), (6, 18, 0), 0x1, "__GFP_DMA"),
    row((2, 6, 12), (6, 18, 0), 0x2, "__GFP_HIGHMEM"),
    row((2, 6, 15), (6, 18, 0), 0x4, "__GFP_DMA32"),
    row((2, 6, 31), (6, 18, 0), 0x8, "__GFP_MOVABLE"),
    row((2, 6, 12), (4, 3, 0), 0x10, "__GFP_WAIT"),
    row((4, 4, 0), (6, 18, 0), 0x10, "__GFP_RECLAIMABLE"),
    row((2, 6, 12), (6, 18, 0), 0x20, "__GFP_HIGH"),
    row((2, 6, 12), (6, 18, 0), 0x40, "__GFP_IO"),
    row((2, 6, 12), (6, 18, 0), 0x80, "__GFP_FS"),
    row((2, 6, 12), (4, 14, 0), 0x100, "__GFP_COLD"),
    row((4, 18, 0), (5, 0, 0), 0x100, "__GFP_WRITE"),
    row((5, 1, 0), (6, 18, 0), 0x100, "__GFP_ZERO"),
    row((2, 6, 12), (5, 0, 0), 0x200, "__GFP_NOWARN"),
    row((5, 1, 0), (6, 2, 0), 0x200, "__GFP_ATOMIC"),
    row((2, 6, 12), (4, 12, 0), 0x400, "__GFP_REPEAT"),
    row((4, 13, 0), (5, 0, 0), 0x400, "__GFP_RETRY_MAYFAIL"),
    row((5, 1, 0), (6, 18, 0), 0x400, "__GFP_DIRECT_RECLAIM"),
    row((2, 6, 12), (5, 0, 0), 0x800, "__GFP_NOFAIL"),
    row((5, 1, 0), (6, 18, 0), 0x800, "__GFP_KSWAPD_RECLAIM"),
    row((2, 6, 12), (5, 0, 0), 0x1000, "__GFP_NORETRY"),
    row((5, 1, 0), (6, 18, 0), 0x1000, "__GFP_WRITE"),
    row((2, 6, 12), (2, 6, 21), 0x2000, "__GFP_NO_GROW"),
    row((3, 6, 0), (5, 0, 0), 0x2000, "__GFP_MEMALLOC"),
    row((5, 1, 0), (6, 18, 0), 0x2000, "__GFP_NOWARN"),
    row((2, 6, 12), (5, 0, 0), 0x4000, "__GFP_COMP"),
    row((5, 1, 0), (6, 18, 0), 0x4000, "__GFP_RETRY_MAYFAIL"),
    row((2, 6, 12), (5, 0, 0), 0x8000, "__GFP_ZERO"),
    row((5, 1, 0), (6, 18, 0), 0x8000, "__GFP_NOFAIL"),
    row((2, 6, 12), (5, 0, 0), 0x10000, "__GFP_NOMEMALLOC"),
    row((5, 1, 0), (6, 18, 0), 0x10000, "__GFP_NORETRY"),
    row((2, 6, 13), (2, 6, 14), 0x20000, "__GFP_NORECLAIM"),
    row((2, 6, 15), (5, 0, 0), 0x20000, "__GFP_HARDWALL"),
    row((5, 1, 0), (6, 18, 0), 0x20000, "__GFP_MEMALLOC"),
    row((2, 6, 14), (2, 6, 14), 0x40000, "__GFP_HARDWALL"),
    row((2, 6, 19), (5, 0, 0), 0x40000, "__GFP_THISNODE"),
    row((5, 1, 0), (6, 18, 0), 0x40000, "__GFP_COMP"),
    row((2, 6, 23), (2, 6, 23), 0x80000, "__GFP_MOVABLE"),
    row((2, 6, 24), (4, 3, 0), 0x80000, "__GFP_RECLAIMABLE"),
    row((4, 4, 0), (5, 0, 0), 0x80000, "__GFP_ATOMIC"),
    row((5, 1, 0), (6, 18, 0), 0x80000, "__GFP_NOMEMALLOC"),
    row((2, 6, 24), (2, 6, 30), 0x100000, "__GFP_MOVABLE"),
    row((3, 8, 0), (3, 15, 0), 0x100000, "__GFP_KMEMCG"),
    row((4, 1, 0), (4, 4, 0), 0x100000, "__GFP_NOACCOUNT"),
    row((4, 5, 0), (5, 0, 0), 0x100000, "__GFP_ACCOUNT"),
    row((5, 1, 0), (6, 18, 0), 0x100000, "__GFP_HARDWALL"),
    row((2, 6, 31), (4, 14, 0), 0x200000, "__GFP_NOTRACK"),
    row((4, 18, 0), (5, 0, 0), 0x200000, "__GFP_DIRECT_RECLAIM"),
    row((5, 1, 0), (6, 18, 0), 0x200000, "__GFP_THISNODE"),
    row((2, 6, 38), (4, 3, 0), 0x400000, "__GFP_NO_KSWAPD"),
    row((4, 4, 0), (4, 17, 0), 0x400000, "__GFP_DIRECT_RECLAIM"),
    row((4, 18, 0), (5, 0, 0), 0x400000, "__GFP_KSWAPD_RECLAIM"),
    row((5, 1, 0), (6, 18, 0), 0x400000, "__GFP_ACCOUNT"),
    row((2, 6, 39), (4, 9, 0), 0x800000, "__GFP_OTHER_NODE"),
    row((4, 10, 0), (4, 17, 0), 0x800000, "__GFP_WRITE"),
    debug((4, 18, 0), (5, 13, 0), 0x800000, "__GFP_NOLOCKDEP"),
    row((5, 14, 0), (6, 18, 0), 0x800000, "__GFP_ZEROTAGS"),
    row((3, 3, 0), (4, 9, 0), 0x1000000, "__GFP_WRITE"),
    row((4, 10, 0), (4, 17, 0), 0x1000000, "__GFP_KSWAPD_RECLAIM"),
    row((5, 14, 0), (5, 17, 0), 0x1000000, "__GFP_SKIP_KASAN_POISON"),
    debug((5, 18, 0), (6, 9, 0), 0x1000000, "__GFP_SKIP_ZERO"),
    row((6, 10, 0), (6, 18, 0), 0x1000000, "__GFP_NO_OBJ_EXT"),
    debug((6, 10, 0), (6, 18, 0), 0x1000000, "__GFP_NOLOCKDEP"),
    debug((6, 10, 0), (6, 18, 0), 0x1000000, "__GFP_SKIP_ZERO"),
    debug((6, 10, 0), (6, 18, 0), 0x1000000, "__GFP_SKIP_ZERO"),
    row((4, 4, 0), (4, 9, 0), 0x2000000, "__GFP_KSWAPD_RECLAIM"),
    debug((4, 12, 0), (4, 17, 0), 0x2000000, "__GFP_NOLOCKDEP"),
    debug((5, 14, 0), (5, 17, 0), 0x2000000, "__GFP_NOLOCKDEP"),
    debug((5, 18, 0), (6, 3, 0), 0x2000000, "__GFP_SKIP_KASAN_UNPOISON"),
    debug((6, 4, 0), (6, 9, 0), 0x2000000, "__GFP_SKIP_KASAN"),
    debug((6, 10, 0), (6, 18, 0), 0x2000000, "__GFP_NO_OBJ_EXT"),
    debug((6, 10, 0), (6, 18, 0), 0x2000000, "__GFP_SKIP_KASAN"),
    debug((6, 10, 0), (6, 18, 0), 0x2000000, "__GFP_SKIP_KASAN"),
    debug((5, 18, 0), (6, 3, 0), 0x4000000, "__GFP_SKIP_KASAN_POISON"),
    debug((6, 4, 0), (6, 9, 0), 0x4000000, "__GFP_NOLOCKDEP"),
    debug((6, 10, 0), (6, 18, 0), 0x4000000, "__GFP_NO_OBJ_EXT"),
    debug((6, 10, 0), (6, 18, 0), 0x4000000, "__GFP_NOLOCKDEP"),
    debug((5, 18, 0), (6, 3, 0), 0x8000000, "__GFP_NOLOCKDEP"),
    debug((6, 10, 0), (6, 18, 0), 0x8000000, "__GFP_NO_OBJ_EXT"),
];
