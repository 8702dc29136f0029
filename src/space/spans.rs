//! Arithmetic on ordered lists of spans that do not overlap. Knows nothing of what the spans stand for.

use crate::units::{ByteCount, Span};

/// The same addresses in order, each once, touching spans joined, empty ones left out.
pub fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| !span.is_empty());
    spans.sort_unstable();
    let mut whole: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match whole.last_mut() {
            Some(last) if last.end >= span.start => last.end = last.end.max(span.end),
            _ => whole.push(span),
        }
    }
    whole
}

/// What of `span` lies in `list`, in order.
pub fn within(list: &[Span], span: Span) -> impl Iterator<Item = Span> + '_ {
    let first = list.partition_point(|item| item.end <= span.start);
    let rest = list[first..].iter().take_while(move |item| item.start < span.end);
    rest.map(move |item| item.intersection(span)).filter(|part| !part.is_empty())
}

/// What of `span` does not lie in `list`, in order.
pub fn outside(list: &[Span], span: Span) -> Vec<Span> {
    let mut rest = Vec::new();
    let mut from = span.start;
    for part in within(list, span) {
        rest.push(Span::new(from, part.start));
        from = part.end;
    }
    rest.push(Span::new(from, span.end));
    rest.retain(|part| !part.is_empty());
    rest
}

/// How many bytes they are.
pub fn total(list: &[Span]) -> ByteCount {
    list.iter().map(|span| span.size()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Addr;

    fn span(start: u64, end: u64) -> Span {
        Span::new(Addr(start), Addr(end))
    }

    #[test]
    fn spans_that_touch_or_overlap_become_one() {
        let list = joined(vec![span(8, 9), span(0, 4), span(3, 6), span(6, 7), span(5, 5)]);
        assert_eq!(list, [span(0, 7), span(8, 9)]);
        assert_eq!(total(&list), ByteCount(8));
    }

    #[test]
    fn inside_and_outside_share_a_span_out() {
        let list = [span(0, 4), span(6, 8), span(20, 30)];
        let asked = span(2, 22);
        assert_eq!(within(&list, asked).collect::<Vec<_>>(), [span(2, 4), span(6, 8), span(20, 22)]);
        assert_eq!(outside(&list, asked), [span(4, 6), span(8, 20)]);
        assert_eq!(outside(&[], asked), [asked]);
        assert!(outside(&list, span(6, 8)).is_empty());
    }
}
