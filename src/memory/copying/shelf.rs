//! Where a precopy puts bytes that are to stay in memory: a place for each stretch known at the beginning, others behind.

use super::copy::Piece;
use super::precopy::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::space::spans::{total, within};
use crate::sys::pages::Pages;
use crate::units::{Addr, ByteCount, Span};

const PAGE: u64 = 4096;

/// Memory with places for stretches.
pub(in crate::memory) struct Shelf {
    pages: Pages,
    /// In order of address.
    places: Vec<Piece>,
    used: usize,
}

impl Shelf {
    /// Places for `expected` (in order) in `pages`; what is to spare there lies behind the larger ones, so that what grows
    /// meanwhile stays in one piece.
    pub fn new(pages: Pages, expected: &[Span]) -> Shelf {
        let mut spare = ByteCount(pages.len() as u64).saturating_sub(total(expected));
        let mut shelf = Shelf { pages, places: Vec::with_capacity(expected.len()), used: 0 };
        for (index, span) in expected.iter().enumerate() {
            let free = expected.get(index + 1).map_or(spare, |next| next.start.since(span.end));
            let share = ByteCount(span.size().0 / 16 / PAGE * PAGE).min(free).min(spare);
            spare = spare.saturating_sub(share);
            let room = Span::new(span.start, span.end.plus(share));
            shelf.places.push(Piece { span: room, offset: shelf.used });
            shelf.used += room.size().0 as usize;
        }
        shelf
    }

    /// The memory, and where the bytes of `present` are in it.
    pub fn pieces(self, present: &[Span]) -> (Pages, Vec<Piece>) {
        let cut = |place: &Piece| {
            let place = *place;
            within(present, place.span).map(move |part| place.cut(part)).collect::<Vec<_>>()
        };
        let pieces = self.places.iter().flat_map(cut).collect();
        (self.pages, pieces)
    }

    /// A place for the beginning of `span`, and how much of it that holds.
    fn place(&mut self, span: Span) -> Result<Piece> {
        let index = self.places.partition_point(|place| place.span.end <= span.start);
        match self.places.get(index) {
            Some(place) if place.span.contains(span.start) => Ok(place.cut(place.span.intersection(span))),
            next => {
                let end = next.map_or(span.end, |next| next.span.start.min(span.end));
                let new = Piece { span: Span::new(span.start, end), offset: self.used };
                self.used += new.span.size().0 as usize;
                if self.used > self.pages.len() {
                    let reason = "it grew by more than there is room for";
                    return Err(Error::new(ErrorKind::Failed, "cannot copy while it runs", "the process", reason));
                }
                self.places.insert(index, new);
                Ok(new)
            }
        }
    }
}

impl Store for Shelf {
    fn put(&mut self, addr: Addr, bytes: &[u8]) -> Result<()> {
        let (mut at, mut rest) = (addr, bytes);
        while !rest.is_empty() {
            let place = self.place(Span::sized(at, ByteCount(rest.len() as u64)))?;
            let (now, later) = rest.split_at(place.range().len());
            self.pages[place.range()].copy_from_slice(now);
            (at, rest) = (place.span.end, later);
        }
        Ok(())
    }

    fn drop(&mut self, _span: Span) -> Result<()> {
        // What is not present in the end is cut off then.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span::new(Addr(start), Addr(end))
    }

    #[test]
    fn the_last_bytes_count_and_new_ones_find_a_place() {
        let mut shelf = Shelf::new(Pages::reserve(ByteCount(64)).unwrap(), &[span(10, 14), span(20, 24)]);
        shelf.put(Addr(10), &[1; 4]).unwrap();
        shelf.put(Addr(12), &[2; 10]).unwrap();
        shelf.put(Addr(8), &[3; 3]).unwrap();
        let (pages, pieces) = shelf.pieces(&[span(8, 21)]);
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| pages[piece.range()].to_vec()).collect();
        assert_eq!(bytes, [3, 3, 3, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(pieces.iter().map(|piece| piece.span.size().0).sum::<u64>(), 13);
    }

    #[test]
    fn what_grows_stays_in_one_piece() {
        let heap = span(0, 16 * PAGE);
        let mut shelf = Shelf::new(Pages::reserve(ByteCount(18 * PAGE)).unwrap(), &[heap, span(20 * PAGE, 21 * PAGE)]);
        shelf.put(heap.end, &[7; PAGE as usize]).unwrap();
        let (_, pieces) = shelf.pieces(&[span(0, 17 * PAGE), span(20 * PAGE, 21 * PAGE)]);
        assert_eq!(pieces.iter().map(|piece| piece.span.size().0 / PAGE).collect::<Vec<_>>(), [17, 1]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut shelf = Shelf::new(Pages::reserve(ByteCount(8)).unwrap(), &[span(0, 4)]);
        assert!(shelf.put(Addr(100), &[0; 5]).is_err());
    }
}
