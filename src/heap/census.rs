//! A count of objects that needs no knowledge of any allocator: words in private memory that point to a vtable, and pairs
//! of a small number and a pointer to a type of CPython. Copies of freed objects count too.

use hashbrown::HashMap;

use super::chunks::Chunks;
use super::image::Image;
use super::names::PlaceNames;
use super::signature::Reader;
use super::terrain::Terrain;
use crate::scan::PointeeKind;
use crate::units::{Addr, Span};

/// Different words that are counted at once.
const MOST: usize = 1 << 18;
/// Fewer of a kind are not asked names for.
const WORTH: u64 = 8;
/// Rows told.
const ROWS: usize = 100;

/// Objects of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CensusRow {
    /// The class; hostile text, not escaped.
    pub class: String,
    /// How many words, or pairs, stand for one.
    pub count: u64,
}

/// The classes with the most objects in `memory`.
pub(super) fn census(
    image: &Image<'_>,
    terrain: &Terrain,
    memory: &[Span],
    names: Option<&dyn PlaceNames>,
) -> Vec<CensusRow> {
    let nothing = Chunks::default();
    let reader = Reader { image, terrain, chunks: &nothing };
    let mut places: HashMap<u64, u64, foldhash::fast::FixedState> = HashMap::default();
    let mut types: HashMap<u64, u64, foldhash::fast::FixedState> = HashMap::default();
    for span in memory {
        let mut before = 0u64;
        for (_, word) in image.words(*span) {
            if word >= 1 << 32 && word.is_multiple_of(8) {
                if places.len() < MOST && terrain.is_module(word) {
                    *places.entry(word).or_default() += 1;
                }
                if before > 0 && before < 1 << 30 && (types.contains_key(&word) || types.len() < MOST) {
                    *types.entry(word).or_default() += 1;
                }
            }
            before = word;
        }
    }
    let mut rows: Vec<CensusRow> = Vec::new();
    let worth = |map: HashMap<u64, u64, _>| map.into_iter().filter(|(_, count)| *count >= WORTH);
    for (place, count) in worth(places) {
        let named = names.and_then(|names| names.pointee(Addr(place)));
        if let Some(pointee) = named.filter(|pointee| pointee.kind == PointeeKind::Vtable) {
            rows.push(CensusRow { class: pointee.name, count });
        }
    }
    for (place, count) in worth(types) {
        if !reader.is_type(place) {
            continue;
        }
        let named = || names.and_then(|names| names.pointee(Addr(place))).map(|pointee| pointee.name);
        if let Some(class) = reader.type_name(place).map(str::to_owned).or_else(named) {
            rows.push(CensusRow { class, count });
        }
    }
    rows.sort_by(|left, right| right.count.cmp(&left.count).then_with(|| left.class.cmp(&right.class)));
    rows.truncate(ROWS);
    rows
}
