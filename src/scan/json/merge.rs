//! From skeletons to groups, when all records are counted: shapes that differ only in what was empty or null become one,
//! cut records go to the whole shapes they are pieces of, maps with keys of their own per record become one.

use std::collections::HashMap;

use super::label;
use super::shapes::Shape;
use super::skeleton::{self, KEY, Piece, Token, Tokens, VARIABLE};
use crate::scan::group::{Group, GroupKind, Label};

/// Shapes with equal top-level keys that are compared with each other.
const COMPARED: usize = 256;

/// Whole shapes, the most numerous, that an odd piece is compared with.
const CANDIDATES: usize = 256;

/// Whole shapes that begin or end like a piece and are weighed against each other.
const WEIGHED: usize = 4096;

/// Shapes with keys of their own that are one map rather than so many kinds of record.
const MAP_SHAPES: usize = 32;

/// All groups; `epoch` is 1 where there were two scans.
pub(super) fn groups(entries: Vec<Shape>, epoch: usize) -> Vec<Group> {
    let (whole, pieces): (Vec<Shape>, Vec<Shape>) = entries.into_iter().partition(|shape| shape.piece == Piece::Whole);
    let mut originals: Vec<(Box<[u8]>, usize)> = Vec::new();
    let mut merged = merge_alike(whole, &mut originals);
    let rest = place_pieces(pieces, &mut merged, originals);
    let mut shapes = collapse_maps(merged);
    shapes.extend(join_pieces(rest));
    shapes.into_iter().map(|shape| group(shape, epoch)).collect()
}

fn group(shape: Shape, epoch: usize) -> Group {
    Group {
        kind: GroupKind::Json,
        label: Label::fixed(label::label(&shape.skeleton, shape.piece, &shape.fields)),
        now: shape.tallies[epoch],
        before: (epoch > 0).then_some(shape.tallies[0]),
        samples: shape.samples.into_sorted(),
    }
}

impl Shape {
    fn absorb(&mut self, other: Shape) {
        for (tally, more) in self.tallies.iter_mut().zip(other.tallies) {
            *tally += more;
        }
        if self.fields.len() == other.fields.len() {
            for (field, more) in self.fields.iter_mut().zip(&other.fields) {
                field.absorb(more);
            }
        }
        self.samples.absorb(other.samples);
    }

    /// Counts a piece of a record of this shape; it has nothing to say about types.
    fn absorb_piece(&mut self, other: Shape) {
        for (tally, more) in self.tallies.iter_mut().zip(other.tallies) {
            *tally += more;
        }
        self.samples.absorb(other.samples);
    }
}

/// Joins whole shapes that can be one. `originals` says for each skeleton which of the results it went to.
fn merge_alike(mut whole: Vec<Shape>, originals: &mut Vec<(Box<[u8]>, usize)>) -> Vec<Shape> {
    whole.sort_by(|left, right| right.count().cmp(&left.count()).then_with(|| left.skeleton.cmp(&right.skeleton)));
    let mut merged: Vec<Shape> = Vec::new();
    let mut families: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for shape in whole {
        let family = families.entry(skeleton::top_keys(&shape.skeleton).join(&KEY)).or_default();
        let skeleton = shape.skeleton.clone();
        let host = family.iter().take(COMPARED).find_map(|&index| {
            let host: &Shape = &merged[index];
            unify(&host.skeleton, host.filled, &skeleton, shape.filled).map(|union| (index, union))
        });
        let index = match host {
            Some((index, (union, filled))) => {
                merged[index].skeleton = union.into();
                merged[index].filled = filled;
                merged[index].absorb(shape);
                index
            }
            None => {
                family.push(merged.len());
                merged.push(shape);
                merged.len() - 1
            }
        };
        originals.push((skeleton, index));
    }
    merged
}

/// The skeleton that covers both, where they differ only in empty arrays and in nulls. The bits say which leaves of
/// each were anything but null.
fn unify(left: &[u8], left_filled: u64, right: &[u8], right_filled: u64) -> Option<(Vec<u8>, u64)> {
    let (mut one, mut two) = (Leaves::new(left, left_filled), Leaves::new(right, right_filled));
    let mut union = Vec::with_capacity(left.len().max(right.len()));
    let (mut filled, mut leaves) = (0u64, 0u32);
    loop {
        let (first, second) = (one.tokens.peek(), two.tokens.peek());
        let taken = match (first, second) {
            (None, None) => return Some((union, filled)),
            (Some(Token::Leaf), Some(Token::Leaf)) => {
                let bit = one.is_filled() | two.is_filled();
                filled |= u64::from(bit).checked_shl(leaves).unwrap_or(0);
                leaves += 1;
                one.step();
                two.step();
                union.push(skeleton::LEAF);
                continue;
            }
            (Some(same), Some(other)) if same == other => {
                let taken = one.step();
                two.step();
                taken
            }
            (Some(Token::Leaf), Some(Token::Open | Token::List)) if !one.is_filled() => {
                one.step();
                two.value()
            }
            (Some(Token::Open | Token::List), Some(Token::Leaf)) if !two.is_filled() => {
                two.step();
                one.value()
            }
            (Some(Token::EndList), Some(_)) if one.after_list => two.value(),
            (Some(_), Some(Token::EndList)) if two.after_list => one.value(),
            _ => return None,
        };
        for token in Tokens(taken) {
            if token == Token::Leaf {
                filled |= 1u64.checked_shl(leaves).unwrap_or(0);
                leaves += 1;
            }
        }
        union.extend_from_slice(taken);
    }
}

/// Tokens with the number of leaves passed.
struct Leaves<'s> {
    tokens: Tokens<'s>,
    passed: u32,
    filled: u64,
    after_list: bool,
}

impl<'s> Leaves<'s> {
    fn new(skeleton: &'s [u8], filled: u64) -> Leaves<'s> {
        Leaves { tokens: Tokens(skeleton), passed: 0, filled, after_list: false }
    }

    fn is_filled(&self) -> bool {
        self.passed >= 64 || self.filled >> self.passed & 1 == 1
    }

    fn step(&mut self) -> &'s [u8] {
        let before = self.tokens.0;
        let token = self.tokens.next();
        self.passed += u32::from(token == Some(Token::Leaf));
        self.after_list = token == Some(Token::List);
        &before[..before.len() - self.tokens.0.len()]
    }

    fn value(&mut self) -> &'s [u8] {
        let value = self.tokens.skip_value();
        self.passed += Tokens(value).filter(|token| *token == Token::Leaf).count() as u32;
        self.after_list = false;
        value
    }
}

/// Counts pieces to the whole shapes they are of; returns those that are of none.
fn place_pieces(pieces: Vec<Shape>, merged: &mut [Shape], mut originals: Vec<(Box<[u8]>, usize)>) -> Vec<Shape> {
    let common: Vec<(Box<[u8]>, usize)> = originals.iter().take(CANDIDATES).cloned().collect();
    originals.sort();
    let mut turned: Vec<(Vec<u8>, usize)> =
        originals.iter().map(|(skeleton, index)| (skeleton.iter().rev().copied().collect(), *index)).collect();
    turned.sort();
    let weights: Vec<u64> = merged.iter().map(Shape::count).collect();
    let heaviest =
        |found: &mut dyn Iterator<Item = usize>| found.max_by_key(|&index| (weights[index], usize::MAX - index));
    let mut rest = Vec::new();
    for piece in pieces {
        let part: &[u8] = &piece.skeleton;
        let host = match piece.piece {
            _ if part.is_empty() => None,
            Piece::Head => {
                let from = originals.partition_point(|(skeleton, _)| **skeleton < *part);
                let like = originals[from..].iter().take_while(|(skeleton, _)| skeleton.starts_with(part));
                heaviest(&mut like.take(WEIGHED).map(|(_, index)| *index))
                    .or_else(|| heaviest(&mut loosely(part, &common)))
            }
            Piece::Tail => {
                let part: Vec<u8> = part.iter().rev().copied().collect();
                let from = turned.partition_point(|(skeleton, _)| *skeleton < part);
                let like = turned[from..].iter().take_while(|(skeleton, _)| skeleton.starts_with(&part));
                heaviest(&mut like.take(WEIGHED).map(|(_, index)| *index))
            }
            Piece::Middle => {
                let find = memchr::memmem::Finder::new(part);
                let like = common.iter().filter(|(skeleton, _)| find.find(skeleton).is_some());
                heaviest(&mut like.map(|(_, index)| *index))
            }
            Piece::Whole | Piece::Coarse => None,
        };
        match host {
            Some(index) => merged[index].absorb_piece(piece),
            None => rest.push(piece),
        }
    }
    rest
}

/// Whole shapes that begin like a head but for arrays that are empty on one side, or leaves where the other has more.
fn loosely<'c>(head: &'c [u8], common: &'c [(Box<[u8]>, usize)]) -> impl Iterator<Item = usize> + 'c {
    common.iter().filter(move |(skeleton, _)| begins_like(skeleton, head)).map(|(_, index)| *index)
}

fn begins_like(whole: &[u8], head: &[u8]) -> bool {
    let (mut one, mut two) = (Tokens(whole), Tokens(head));
    let mut after_list = false;
    loop {
        let (first, second) = (one.peek(), two.peek());
        after_list = match (first, second) {
            (_, None) => return true,
            (Some(same), Some(other)) if same == other => {
                one.next();
                two.next();
                same == Token::List
            }
            (Some(Token::EndList), Some(_)) if after_list => {
                two.skip_value();
                false
            }
            (Some(_), Some(Token::EndList)) if after_list => {
                one.skip_value();
                false
            }
            (Some(Token::Leaf | Token::Open | Token::List), Some(Token::Leaf | Token::Open | Token::List)) => {
                one.skip_value();
                two.skip_value();
                false
            }
            _ => return false,
        };
    }
}

/// Joins pieces of records none of which was ever seen whole: to the longest of the like.
fn join_pieces(mut pieces: Vec<Shape>) -> Vec<Shape> {
    pieces.sort_by(|left, right| {
        let key = |shape: &Shape| (std::cmp::Reverse(shape.skeleton.len()), shape.piece);
        key(left).cmp(&key(right)).then_with(|| left.skeleton.cmp(&right.skeleton))
    });
    let mut joined: Vec<Shape> = Vec::new();
    for piece in pieces {
        let fits = |host: &Shape| match (host.piece, piece.piece) {
            _ if piece.skeleton.is_empty() => false,
            (Piece::Head, Piece::Head) => host.skeleton.starts_with(&piece.skeleton),
            (Piece::Tail, Piece::Tail) => host.skeleton.ends_with(&piece.skeleton),
            (Piece::Head | Piece::Tail, Piece::Middle) => {
                memchr::memmem::find(&host.skeleton, &piece.skeleton).is_some()
            }
            _ => false,
        };
        let host = joined.iter_mut().take(CANDIDATES).filter(|host| fits(host)).max_by_key(|host| host.count());
        match host {
            Some(host) => host.absorb_piece(piece),
            None => joined.push(piece),
        }
    }
    joined
}

/// Many rare shapes that are alike but for their keys are a map from ids to things, one per record.
fn collapse_maps(shapes: Vec<Shape>) -> Vec<Shape> {
    let mut families: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (index, shape) in shapes.iter().enumerate() {
        families.entry(without_top_keys(&shape.skeleton)).or_default().push(index);
    }
    let mut host_of: HashMap<usize, usize> = HashMap::new();
    for members in families.into_values() {
        let rare = members.iter().filter(|&&index| shapes[index].count() <= 4).copied().collect::<Vec<usize>>();
        if rare.len() < MAP_SHAPES {
            continue;
        }
        for &index in &rare {
            host_of.insert(index, rare[0]);
        }
    }
    let mut kept: Vec<Shape> = Vec::new();
    let mut hosts: HashMap<usize, usize> = HashMap::new();
    for (index, mut shape) in shapes.into_iter().enumerate() {
        let Some(&host) = host_of.get(&index) else {
            kept.push(shape);
            continue;
        };
        match hosts.get(&host) {
            Some(&place) => {
                kept[place].skeleton = common_keys(&kept[place].skeleton, &shape.skeleton).into();
                kept[place].absorb(shape);
            }
            None => {
                hosts.insert(host, kept.len());
                shape.skeleton = common_keys(&shape.skeleton, &shape.skeleton).into();
                kept.push(shape);
            }
        }
    }
    kept
}

fn without_top_keys(skeleton: &[u8]) -> Vec<u8> {
    let nothing = [VARIABLE];
    rewrite_top_keys(skeleton, |_, _| nothing.to_vec())
}

/// The left skeleton with `<str>` for top-level keys that are others in the right one.
fn common_keys(left: &[u8], right: &[u8]) -> Vec<u8> {
    let others = skeleton::top_keys(right);
    rewrite_top_keys(left, |index, key| match others.get(index) {
        Some(other) if *other == key => key.to_vec(),
        _ => [&[VARIABLE], &b"<str>"[..]].concat(),
    })
}

fn rewrite_top_keys(skeleton: &[u8], mut name: impl FnMut(usize, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut tokens = Tokens(skeleton);
    let mut text = vec![skeleton::OPEN];
    tokens.next();
    let mut index = 0;
    while let Some(Token::Key(key)) = tokens.next() {
        text.push(KEY);
        text.extend(name(index, key));
        text.extend_from_slice(tokens.skip_value());
        index += 1;
    }
    text.push(skeleton::CLOSE);
    text
}
