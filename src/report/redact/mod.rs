//! `--redact`: an answer that can be shown to strangers. Shapes, keys, sizes, counts, addresses, names of programs
//! and files stay; values that came out of the target's memory or its arguments are masked, letter by letter.
//! Masking twice changes nothing.

mod mask;

#[cfg(test)]
mod tests;

pub use mask::{argument, sample, value};

use super::{Content, Diff, Document, GroupRow, Heap, Inspect, Scan, TargetRow};
use crate::scan::{GroupKind, Label, LabelPart, ScanResult};

/// Values shorter than this are not searched for in sentences: they would hit common words.
const SHORTEST_SECRET: usize = 4;

/// Masks all values in `document`, wherever they stand.
pub fn document(document: &mut Document) {
    match document {
        Document::Inspect(inspect) | Document::Demo(inspect) => redact_inspect(inspect),
        Document::Map(map) => redact_target(&mut map.target),
        Document::Dump(dump) => redact_target(&mut dump.target),
        Document::Plan(plan) => redact_target(&mut plan.target),
        Document::Scan(Scan { target, content, warnings, .. }) => {
            target.iter_mut().for_each(redact_target);
            redact_content(content.as_mut(), warnings);
        }
        Document::Diff(Diff { content, heap, warnings, .. }) => {
            heap.iter_mut().for_each(|heap| redact_heap(heap));
            redact_content(content.as_mut(), warnings);
        }
        Document::Heap(heap) => redact_heap(heap),
        Document::Hex(hex) => {
            hex.target.iter_mut().for_each(redact_target);
            hex.find = None;
            // Bytes have no shape that could stay; `cli` refuses the combination before it comes to this.
            hex.stretches.iter_mut().for_each(|stretch| stretch.bytes.fill(b'x'));
        }
        // Stacks, calls and names of files hold no values.
        Document::Trace(trace) => redact_target(&mut trace.target),
        Document::Doctor(doctor) => doctor.target.iter_mut().for_each(redact_target),
        Document::Top(_) => {}
    }
}

/// Masks all values in what a scan found, so that nothing made of it can quote one.
pub fn scan_result(scan: &mut ScanResult) {
    for group in &mut scan.groups {
        group.label = label(group.kind, &group.label);
        group.samples.iter_mut().for_each(|one| one.text = sample(&one.text));
    }
}

/// `label` with its values masked: keys and variable parts stay, a `repeat` is all value.
pub fn label(kind: GroupKind, label: &Label) -> Label {
    let masked = |part: &LabelPart| match part {
        LabelPart::Constant(text) => LabelPart::Constant(value(text)),
        LabelPart::Fixed(text) if kind == GroupKind::Repeat => LabelPart::Fixed(value(text)),
        other => other.clone(),
    };
    Label(label.0.iter().map(masked).collect())
}

fn redact_inspect(inspect: &mut Inspect) {
    redact_target(&mut inspect.target);
    let mut sentences = std::mem::take(&mut inspect.warnings);
    let cautions = sentences.len();
    if let Some(verdict) = &mut inspect.verdict {
        sentences.push(std::mem::take(&mut verdict.summary));
        sentences.append(&mut verdict.next);
    }
    if let Some(suspect) = &mut inspect.suspect {
        sentences.push(std::mem::take(&mut suspect.reason));
    }
    redact_content(inspect.content.as_mut(), &mut sentences);
    if let Some(suspect) = &mut inspect.suspect {
        suspect.reason = sentences.pop().unwrap_or_default();
    }
    let mut rest = sentences.split_off(cautions.min(sentences.len())).into_iter();
    if let Some(verdict) = &mut inspect.verdict {
        verdict.summary = rest.next().unwrap_or_default();
        verdict.next = rest.collect();
    }
    inspect.warnings = sentences;
}

fn redact_heap(heap: &mut Heap) {
    heap.target.iter_mut().for_each(redact_target);
    for group in &mut heap.groups {
        if let Some(kind) = group.text_kind {
            group.label = label(kind, &group.label);
        }
        group.samples.iter_mut().for_each(|one| one.text = sample(&one.text));
    }
    for row in &mut heap.inside {
        if let Some(kind) = row.text_kind {
            row.what = label(kind, &row.what);
        }
    }
}

fn redact_target(target: &mut TargetRow) {
    target.cmdline = target
        .cmdline
        .iter()
        .enumerate()
        .map(|(index, text)| if index == 0 { mask::title(text) } else { argument(text) })
        .collect();
}

/// Masks `content`, and its values where `sentences` quote them.
fn redact_content(content: Option<&mut Content>, sentences: &mut [String]) {
    let Some(content) = content else { return };
    let mut secrets: Vec<(String, String)> = Vec::new();
    for group in &mut content.groups {
        secrets.extend(secrets_of(group));
        group.label = label(group.kind, &group.label);
        group.samples.iter_mut().for_each(|one| one.text = sample(&one.text));
    }
    // A long value may hold a short one: the long one first.
    secrets.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
    for sentence in sentences {
        for (secret, masked) in &secrets {
            *sentence = sentence.replace(secret.as_str(), masked);
        }
    }
}

fn secrets_of(group: &GroupRow) -> Vec<(String, String)> {
    let secret = |part: &LabelPart| match part {
        LabelPart::Constant(text) => Some(text.clone()),
        LabelPart::Fixed(text) if group.kind == GroupKind::Repeat => Some(text.clone()),
        _ => None,
    };
    let long = |text: &String| text.chars().count() >= SHORTEST_SECRET;
    group.label.0.iter().filter_map(secret).filter(long).map(|text| (text.clone(), value(&text))).collect()
}
