//! The table of shapes: one entry per distinct skeleton, with tallies of both scans, types and samples.
//! Bounded in memory: when full, records of new shapes are counted by their first key. Knows nothing of parsing.

use hashbrown::HashTable;

use super::replay::Template;
use super::skeleton::{self, Piece};
use super::types::Field;
use crate::scan::group::Tally;
use crate::scan::samples::Samples;
use crate::units::ByteCount;

/// Most shapes.
const MAX_SHAPES: usize = 64 * 1024;

/// Estimated cost of an entry beside its skeleton, fields and samples.
const ENTRY_COST: usize = 256;

/// Members of a shape whose values are all typed; later ones are typed now and then.
const TYPED_AT_FIRST: u64 = 64;

/// Of later members each so-many-th is typed.
const TYPED_EVERY: u64 = 32;

/// Every record of one skeleton.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) piece: Piece,
    pub(super) skeleton: Box<[u8]>,
    /// Per scan.
    pub(super) tallies: [Tally; 2],
    /// Per top-level key.
    pub(super) fields: Vec<Field>,
    /// Bit k: the k-th leaf was not null in some member.
    pub(super) filled: u64,
    pub(super) samples: Samples,
    /// Of a whole shape that is frequent enough.
    pub(super) template: Option<Template>,
}

impl Shape {
    /// Members in both scans.
    pub(super) fn count(&self) -> u64 {
        self.tallies[0].count + self.tallies[1].count
    }
}

/// All shapes seen.
#[derive(Debug)]
pub(super) struct Shapes {
    entries: Vec<Shape>,
    index: HashTable<u32>,
    hasher: foldhash::quality::FixedState,
    /// What entries cost, about, and may cost.
    spent: usize,
    room: usize,
    /// Whether a shape found no place.
    pub(super) full: bool,
}

impl Shapes {
    pub(super) fn new(room: ByteCount) -> Shapes {
        Shapes {
            entries: Vec::new(),
            index: HashTable::new(),
            hasher: foldhash::quality::FixedState::default(),
            spent: 0,
            room: usize::try_from(room.0).unwrap_or(usize::MAX),
            full: false,
        }
    }

    pub(super) fn into_entries(self) -> Vec<Shape> {
        self.entries
    }

    /// The skeleton of an entry, empty for one that does not exist.
    pub(super) fn skeleton(&self, id: u32) -> &[u8] {
        self.entries.get(id as usize).map_or(b"", |shape| &shape.skeleton)
    }

    /// The template of an entry, where it has one, and whether the values of its next member in this scan are typed.
    pub(super) fn template(&self, id: u32, epoch: usize) -> Option<(&Template, bool)> {
        let shape = self.entries.get(id as usize)?;
        Some((shape.template.as_ref()?, Shapes::is_typed(shape.tallies[epoch].count)))
    }

    fn hash(&self, piece: Piece, skeleton: &[u8]) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u8(piece as u8);
        hasher.write(skeleton);
        hasher.finish()
    }

    fn find(&self, hash: u64, piece: Piece, skeleton: &[u8]) -> Option<u32> {
        let same = |&id: &u32| {
            let shape = &self.entries[id as usize];
            shape.piece == piece && *shape.skeleton == *skeleton
        };
        self.index.find(hash, same).copied()
    }

    /// The entry of a skeleton, made where there is none yet; a coarser one where the table is full.
    pub(super) fn intern(&mut self, piece: Piece, skeleton: &[u8]) -> Option<u32> {
        let hash = self.hash(piece, skeleton);
        if let Some(id) = self.find(hash, piece, skeleton) {
            return Some(id);
        }
        let keys = skeleton::top_keys(skeleton).len();
        let cost = ENTRY_COST + skeleton.len() * 3 + keys * std::mem::size_of::<Field>() + Samples::COST;
        if self.entries.len() < MAX_SHAPES && self.spent + cost <= self.room {
            return Some(self.insert(hash, piece, skeleton, keys, cost));
        }
        self.full = true;
        let coarse = coarse(skeleton);
        let hash = self.hash(Piece::Coarse, coarse);
        if let Some(id) = self.find(hash, Piece::Coarse, coarse) {
            return Some(id);
        }
        // A tenth beyond the room is kept for these; what finds none there either is the unnamed rest.
        let coarse = if self.spent + cost <= self.room + self.room / 10 { coarse } else { b"" };
        let hash = self.hash(Piece::Coarse, coarse);
        match self.find(hash, Piece::Coarse, coarse) {
            Some(id) => Some(id),
            None => Some(self.insert(hash, Piece::Coarse, coarse, 0, cost)),
        }
    }

    fn insert(&mut self, hash: u64, piece: Piece, skeleton: &[u8], keys: usize, cost: usize) -> u32 {
        self.spent += cost;
        let id = self.entries.len() as u32;
        self.entries.push(Shape {
            piece,
            skeleton: skeleton.into(),
            tallies: [Tally::default(); 2],
            fields: vec![Field::default(); if matches!(piece, Piece::Whole | Piece::Head) { keys } else { 0 }],
            filled: 0,
            samples: Samples::default(),
            template: None,
        });
        let entries = &self.entries;
        let rehash = |&id: &u32| {
            let shape = &entries[id as usize];
            use std::hash::{BuildHasher, Hasher};
            let mut hasher = self.hasher.build_hasher();
            hasher.write_u8(shape.piece as u8);
            hasher.write(&shape.skeleton);
            hasher.finish()
        };
        self.index.insert_unique(hash, id, rehash);
        id
    }

    /// The entry itself, to count a member.
    pub(super) fn entry(&mut self, id: u32) -> Option<&mut Shape> {
        self.entries.get_mut(id as usize)
    }

    /// Whether the next member of a shape that has so many already is one whose values are typed.
    pub(super) fn is_typed(members: u64) -> bool {
        members < TYPED_AT_FIRST || members.is_multiple_of(TYPED_EVERY)
    }
}

/// The opening and the first key.
fn coarse(skeleton: &[u8]) -> &[u8] {
    let mut ends = skeleton.iter().enumerate().skip(2).filter(|(_, byte)| **byte <= skeleton::LEAF);
    ends.next().map_or(skeleton, |(end, _)| &skeleton[..end])
}
