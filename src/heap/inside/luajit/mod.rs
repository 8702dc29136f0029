//! LuaJIT's objects in GC64 builds (lj_obj.h, 2.1 from 2017 on, OpenResty's included). Its allocator has mappings of its
//! own, so that malloc's books say nothing of them; the collector keeps all objects in lists, and these are walked. Objects
//! that are garbage but not collected yet count too. Nothing here says what leads to an object.

mod chain;
mod object;
mod state;
mod strings;
mod table;

use hashbrown::HashMap;

use self::object::Sort;
use self::state::State;
use self::table::Shape;
use super::{InsideRow, Site};
use crate::heap::image::WORD;
use crate::scan::{Label, Tally};
use crate::units::ByteCount;

/// Shapes of tables that are told apart; what comes later counts as other tables.
const MOST_SHAPES: usize = 1 << 14;

/// All that one state holds.
#[derive(Default)]
struct Census {
    sorts: HashMap<Sort, Tally>,
    shapes: HashMap<Shape, Tally>,
    bytes: ByteCount,
}

/// What lies in the heaps of all LuaJIT states, by type; tables by their keys, strings by template.
pub(super) fn objects(site: &Site<'_, '_>) -> Vec<InsideRow> {
    state::find(site).iter().flat_map(|state| rows(site, state)).collect()
}

fn rows(site: &Site<'_, '_>, state: &State) -> Vec<InsideRow> {
    let mut census = Census::default();
    for at in state.objects(site) {
        census.add(site, state, at);
    }
    let mut rows = strings::rows(site, state);
    rows.iter().for_each(|row| census.bytes += row.bytes);
    rows.extend(census.sorts.iter().map(|(sort, tally)| row(Label::fixed(sort.name()), *tally)));
    rows.extend(census.shapes.iter().map(|(shape, tally)| row(shape.label(site), *tally)));
    let entries = ByteCount(state.bucket_count * WORD);
    census.bytes += entries;
    rows.push(row(Label::fixed("table of all strings"), Tally { count: 1, bytes: entries }));
    // The collector's own sum knows more.
    let rest = ByteCount(state.total).saturating_sub(census.bytes);
    if rest > ByteCount::ZERO {
        rows.push(row(Label::fixed("buffers and all else"), Tally { count: 0, bytes: rest }));
    }
    rows
}

fn row(what: Label, tally: Tally) -> InsideRow {
    InsideRow {
        owner: "luajit",
        what,
        text_kind: None,
        count: tally.count,
        bytes: tally.bytes,
        used: None,
        before: None,
    }
}

impl Census {
    fn add(&mut self, site: &Site<'_, '_>, state: &State, at: u64) {
        let Some(sort) = Sort::of(site, at) else { return };
        let size = sort.size(site, state, at);
        self.bytes += size;
        if sort == Sort::Table {
            let shape = Shape::of(site, at);
            let known = self.shapes.len() < MOST_SHAPES || self.shapes.contains_key(&shape);
            let shape = if known { shape } else { Shape::Other };
            return self.shapes.entry(shape).or_default().add(size);
        }
        self.sorts.entry(sort).or_default().add(size);
    }
}
