//! Which addresses a comparison of content looks at: all private memory where that is small enough to be looked at twice
//! in a watch, else the suspect, and of a suspect that is too large even for that an even sample and all that is new.

use crate::growth::Choice;
use crate::space::{AddressMap, Region, RegionKind};
use crate::units::{ByteCount, Span};

/// Private memory up to this is looked at as a whole: growth may move from region to region while one watches.
const WHOLE: ByteCount = ByteCount::mib(1024);
/// The most that is looked at; more would take longer than people wait.
const MOST: ByteCount = ByteCount::mib(4096);
/// A sample takes a part of every stretch of this length.
const STRIDE: ByteCount = ByteCount::mib(16);
const PAGE: ByteCount = ByteCount(4096);

/// What is looked into, decided once and kept for both looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All private memory, and the suspect where it is not private.
    Private,
    /// The suspect alone.
    Suspect,
}

impl Scope {
    /// As much as can be looked at twice.
    pub fn of(map: &AddressMap) -> Scope {
        let private = map.regions.iter().filter(|region| is_private(region));
        let held: ByteCount = private.map(|region| region.footprint.held()).sum();
        if held <= WHOLE { Scope::Private } else { Scope::Suspect }
    }

    /// The addresses, in order.
    pub fn spans(self, map: &AddressMap, choice: Option<&Choice>) -> Vec<Span> {
        let suspect = choice.map(|choice| choice.region);
        let regions = map.regions.iter().enumerate();
        let inside = |(index, region): &(usize, &Region)| {
            Some(*index) == suspect || self == Scope::Private && is_private(region)
        };
        let mut spans: Vec<Span> = regions.filter(inside).flat_map(|(_, region)| region.parts.clone()).collect();
        spans.sort_unstable();
        spans
    }
}

/// Whether a region is one that programs allocate from. Stacks come and go, and reservations hold nothing.
fn is_private(region: &Region) -> bool {
    let kind = matches!(region.kind, RegionKind::Heap | RegionKind::Anon | RegionKind::Arena);
    kind && region.footprint.held() > ByteCount::ZERO
}

/// What the regions that `spans` touch hold.
pub fn held(map: &AddressMap, spans: &[Span]) -> ByteCount {
    let touched = |region: &&Region| spans.iter().any(|span| region.overlaps(*span));
    map.regions.iter().filter(touched).map(|region| region.footprint.held()).sum()
}

/// An even sample of `spans`, which hold `held`, of what may be looked at; all of them where that is enough.
pub fn sample(spans: &[Span], held: ByteCount) -> Vec<Span> {
    if held <= MOST {
        return spans.to_vec();
    }
    let part = ByteCount((STRIDE.0 as f64 * MOST.share_of(held)) as u64);
    let mut taken = Vec::new();
    for span in spans {
        let mut at = span.start;
        while at < span.end {
            let end = at.plus(part).align_up(PAGE).min(span.end);
            taken.push(Span::new(at, end));
            at = at.plus(STRIDE);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Addr;

    fn span(start: u64, end: u64) -> Span {
        Span::new(Addr(start), Addr(end))
    }

    #[test]
    fn a_sample_is_even_and_bounded() {
        let gib = 1u64 << 30;
        let spans = [span(0, 16 * gib)];
        let taken = sample(&spans, ByteCount(16 * gib));
        let size: ByteCount = taken.iter().map(|part| part.size()).sum();
        assert_eq!((taken.len(), size), (1024, ByteCount(4 * gib)));
        assert_eq!(sample(&spans, ByteCount(gib)), spans);
    }
}
