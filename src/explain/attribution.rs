//! Which part of a growth a content group explains.

use std::time::Duration;

use crate::scan::{Group, ScanResult};
use crate::units::ByteCount;

/// The group that explains most, and how much all of them do.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution<'a> {
    /// The group that grew most; of a single scan, the largest.
    pub group: &'a Group,
    /// Its part of the growth, or of a single scan's bytes; 0..=1.
    pub share: f64,
    /// The part of all groups together; 0..=1.
    pub recognised: f64,
    /// Members more per second, where two scans were compared.
    pub per_second: Option<f64>,
}

/// Attributes the bytes that a region gained between two scans, `between` apart, to what was found in it. Zeros are
/// left out of the whole: padding and unused ends of allocations are nobody's record.
///
/// Of a single scan there is no growth to attribute: shares are then of the bytes scanned. None where no group grew
/// or none was found.
pub fn attribute(content: &ScanResult, between: Duration) -> Option<Attribution<'_>> {
    let compared = content.groups.iter().any(|group| group.before.is_some());
    let (weigh, whole): (fn(&Group) -> u64, ByteCount) = match content.gained() {
        Some(more) if compared => (gained, ByteCount(more.max(0) as u64)),
        _ => (|group| group.now.bytes.0, content.scanned),
    };
    let group = content.groups.iter().rev().max_by_key(|group| weigh(group)).filter(|group| weigh(group) > 0)?;
    let all = content.groups.iter().fold(0u64, |sum, group| sum.saturating_add(weigh(group)));
    let share = |bytes: u64| ByteCount(bytes).share_of(whole).min(1.0);
    let seconds = between.as_secs_f64();
    let per_second = group.growth_count().filter(|_| seconds > 0.0).map(|count| count as f64 / seconds);
    Some(Attribution { group, share: share(weigh(group)), recognised: share(all), per_second })
}

fn gained(group: &Group) -> u64 {
    group.growth_bytes().unwrap_or(0).max(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Composition, GroupKind, Label, Tally};

    fn group(label: &str, before: Option<(u64, u64)>, now: (u64, u64)) -> Group {
        let tally = |(count, bytes)| Tally { count, bytes: ByteCount(bytes) };
        let (before, now) = (before.map(tally), tally(now));
        Group { kind: GroupKind::Text, label: Label::fixed(label), now, before, samples: Vec::new() }
    }

    fn scan(groups: Vec<Group>) -> ScanResult {
        ScanResult { scanned: ByteCount(10_000), groups, ..ScanResult::default() }
    }

    fn gained(bytes: u64, groups: Vec<Group>) -> ScanResult {
        let composition = |other| Composition { other: ByteCount(other), ..Composition::default() };
        ScanResult { before: Some(composition(100)), composition: composition(100 + bytes), ..scan(groups) }
    }

    #[test]
    fn what_grew_counts_not_what_is_large() {
        let scan = gained(
            1000,
            vec![
                group("cache", Some((100, 9000)), (101, 9010)),
                group("coupon", Some((0, 0)), (50, 500)),
                group("freed", Some((50, 5000)), (0, 0)),
            ],
        );
        let found = attribute(&scan, Duration::from_secs(10)).unwrap();
        assert_eq!(found.group.label.to_string(), "coupon");
        assert_eq!((found.share, found.recognised, found.per_second), (0.5, 0.51, Some(5.0)));
    }

    #[test]
    fn shares_stay_shares() {
        let scan = gained(100, vec![group("a", Some((0, 0)), (5, 5000))]);
        let found = attribute(&scan, Duration::ZERO).unwrap();
        assert_eq!((found.share, found.recognised, found.per_second), (1.0, 1.0, None));
    }

    #[test]
    fn a_single_scan_has_shares_of_what_is_there() {
        let single = scan(vec![group("a", None, (5, 2500)), group("b", None, (5, 5000))]);
        let found = attribute(&single, Duration::from_secs(10)).unwrap();
        assert_eq!((found.group.label.to_string().as_str(), found.share, found.per_second), ("b", 0.5, None));
        assert_eq!(attribute(&scan(vec![]), Duration::from_secs(10)), None);
        let still = gained(100, vec![group("a", Some((5, 5)), (5, 5))]);
        assert_eq!(attribute(&still, Duration::from_secs(10)), None);
    }
}
