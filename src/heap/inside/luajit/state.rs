//! Where a LuaJIT state is: a main thread (lua_State) that leads to a global_State which leads back to it, and whose list
//! of objects comes by it. Told by structure; the fields before the collector's differ between versions.

use super::Site;
use super::chain::Chain;
use super::object::{Sort, TYPE};
use crate::heap::image::WORD;
use crate::units::ByteCount;

/// lua_State: after the head of an object, the global_State, which follows it within one allocation.
const GLOBAL: u64 = 16;
const GLOBAL_AFTER: std::ops::RangeInclusive<u64> = 88..=256;
/// Bytes of global_State in which it leads back to its main thread.
const GLOBAL_SIZE: u64 = 512;
/// Where in global_State the collector's fields are: behind the allocator (since 2020), or behind the table of strings
/// and that.
const COLLECTORS: [u64; 2] = [16, 32];
/// GCState: total, threshold (8 each), states and sweepstr (8), then the first of all objects.
const ROOT: u64 = 24;
/// Where the empty string is after GCState began, without and with segments of light userdata (since 2020), and where the
/// table of strings after that: its entries, mask (4) and number (4).
const EMPTY_STRINGS: [u64; 2] = [96, 104];
const AFTER_EMPTY: u64 = 32;
/// A table of strings has at most so many entries (LJ_MAX_STRTAB).
const MOST_BUCKETS: u64 = 1 << 26;
/// So many places that look like a main thread are looked into.
const MOST: usize = 64;
/// The smallest object takes more than this.
const SMALLEST: u64 = 16;

/// One LuaJIT state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Its main thread.
    pub thread: u64,
    /// Bytes of a lua_State, about: its global_State follows.
    pub thread_size: u64,
    /// Bytes that the collector says are in use.
    pub total: u64,
    /// The first of all objects but strings.
    pub root: u64,
    /// The table of strings: its first entry, how many entries, how many strings.
    pub buckets: u64,
    pub bucket_count: u64,
    pub strings: u64,
    /// More objects than the memory has room for is a loop.
    most: u64,
}

impl State {
    /// All objects but strings.
    pub fn objects<'s>(&self, site: &'s Site<'_, '_>) -> Chain<'s, 's> {
        Chain::from(site.image, self.root, self.most)
    }

    /// All strings.
    pub fn strings<'s>(&'s self, site: &'s Site<'_, '_>) -> impl Iterator<Item = u64> + 's {
        let bucket = |index: u64| site.image.word(self.buckets + index * WORD).unwrap_or(0);
        // The lowest bit says that its strings are hashed otherwise.
        let all = (0..self.bucket_count).flat_map(move |index| Chain::from(site.image, bucket(index) & !1, self.most));
        let room = usize::try_from(self.strings.min(self.most)).unwrap_or(usize::MAX);
        all.take(room).filter(|at| Sort::of(site, *at) == Some(Sort::String))
    }
}

/// All states in anonymous memory that is in no heap of malloc.
pub(super) fn find(site: &Site<'_, '_>) -> Vec<State> {
    let most = site.rest.iter().map(|span| site.image.present(*span)).sum::<ByteCount>().0 / SMALLEST;
    let words = site.rest.iter().flat_map(|span| site.image.words(*span));
    let threads = words.filter_map(|(addr, word)| Some((addr.checked_sub(GLOBAL)?, word)));
    let near = threads.filter(|(thread, global)| GLOBAL_AFTER.contains(&global.wrapping_sub(*thread)));
    let likely = near.filter(|(thread, global)| is_thread(site, *thread, *global)).take(MOST);
    likely.filter_map(|(thread, global)| state(site, thread, global, most)).collect()
}

/// Whether a main thread lies at `thread`: its global_State leads back.
fn is_thread(site: &Site<'_, '_>, thread: u64, global: u64) -> bool {
    let mut places = (0..GLOBAL_SIZE).step_by(WORD as usize);
    Sort::of(site, thread) == Some(Sort::Thread)
        && global.is_multiple_of(WORD)
        && places.any(|offset| site.image.word(global + offset) == Some(thread))
}

fn state(site: &Site<'_, '_>, thread: u64, global: u64, most: u64) -> Option<State> {
    let word = |addr: u64| site.image.word(addr);
    COLLECTORS.into_iter().find_map(|offset| {
        let collector = global + offset;
        let (total, root) = (word(collector)?, word(collector + ROOT)?);
        let (buckets, bucket_count, strings) = table_of_strings(site, global, collector)?;
        let thread_size = global - thread;
        let state = State { thread, thread_size, total, root, buckets, bucket_count, strings, most };
        state.objects(site).any(|at| at == thread).then_some(state)
    })
}

fn table_of_strings(site: &Site<'_, '_>, global: u64, collector: u64) -> Option<(u64, u64, u64)> {
    let at = if collector - global == COLLECTORS[0] {
        let is_empty = |at: &u64| {
            site.image.word(*at) == Some(0)
                && site.image.bytes(at + TYPE, 1) == [Sort::String as u8]
                && site.image.half(at + super::object::STRING_LENGTH) == Some(0)
        };
        EMPTY_STRINGS.into_iter().map(|offset| collector + offset).find(is_empty)? + AFTER_EMPTY
    } else {
        global
    };
    let (buckets, mask) = (site.image.word(at)?, u64::from(site.image.half(at + WORD)?));
    let strings = u64::from(site.image.half(at + WORD + 4)?);
    let last = buckets.checked_add(mask * WORD)?;
    let is_table = (mask + 1).is_power_of_two() && mask < MOST_BUCKETS && buckets.is_multiple_of(WORD);
    let there = site.image.word(buckets).is_some() && site.image.word(last).is_some();
    (is_table && there).then_some((buckets, mask + 1, strings))
}
