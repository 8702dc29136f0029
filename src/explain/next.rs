//! What to type next, with real numbers in it. Names only commands that exist.

use std::time::Duration;

use super::facts::Facts;
use super::summary::typed;
use super::verdict::{Judgement, VerdictKind, look_for};
use crate::space::{Region, RegionKind};
use crate::units::Span;

/// The longest watch proposed.
const LONGEST: Duration = Duration::from_secs(7200);

pub(super) fn commands(facts: &Facts, judgement: &Judgement) -> Vec<String> {
    let pid = facts.pid;
    if let Some(worker) = facts.worker.as_ref().filter(|_| !judgement.kind.accuses()) {
        return vec![format!("leakscope {}", worker.pid)];
    }
    match judgement.kind {
        VerdictKind::Leak | VerdictKind::Growing => of_growth(facts, judgement),
        VerdictKind::Fragmentation => vec![heap(pid), map(pid), longer(facts)],
        VerdictKind::ThreadLeak => vec![map(pid), longer(facts)],
        VerdictKind::MappingLeak => vec![map(pid), format!("leakscope scan {pid}"), longer(facts)],
        VerdictKind::SharedMemory => {
            let grown =
                facts.grown().filter(|(region, growth)| region.kind == RegionKind::Shared && growth.change() > 0);
            let most = grown.max_by_key(|(_, growth)| growth.change());
            most.map(|(region, _)| dump(pid, region)).into_iter().chain([map(pid), longer(facts)]).collect()
        }
        VerdictKind::Stable => vec![longer(facts), map(pid)],
        VerdictKind::Inconclusive => {
            vec![format!("leakscope {pid} --for {}", typed(look_for(facts, &judgement.held))), map(pid)]
        }
    }
}

/// Keep the bytes, look at a record, see who holds and who allocates, as far as that is not known.
fn of_growth(facts: &Facts, judgement: &Judgement) -> Vec<String> {
    let Some((region, _)) = judgement.grower else {
        return vec![map(facts.pid), format!("leakscope scan {}", facts.pid), longer(facts)];
    };
    let mut commands = vec![dump(facts.pid, region)];
    let span = largest_stretch(region);
    let sample = facts.content.and_then(|scan| scan.groups.first()?.samples.first());
    match sample.filter(|sample| span.contains(sample.address)) {
        Some(sample) => commands.push(format!("leakscope hex {} --at {}", file(region), sample.address)),
        None => commands.push(format!("leakscope scan {}", file(region))),
    }
    commands.extend(facts.heap.as_ref().map(|_| heap(facts.pid)));
    commands.extend(facts.allocator.is_none().then(|| format!("leakscope trace {}", facts.pid)));
    commands
}

/// What is lost, and who holds the rest.
fn heap(pid: i32) -> String {
    format!("leakscope heap {pid}")
}

fn map(pid: i32) -> String {
    format!("leakscope map {pid}")
}

/// The same look, six times as long.
fn longer(facts: &Facts) -> String {
    let wanted = facts.window.saturating_mul(6).clamp(Duration::from_secs(60), LONGEST);
    let minutes = wanted.as_secs().div_ceil(60);
    format!("leakscope {} --for {}", facts.pid, typed(Duration::from_secs(60 * minutes)))
}

fn dump(pid: i32, region: &Region) -> String {
    format!("leakscope dump {pid} --range {} -o {}", largest_stretch(region), file(region))
}

fn file(region: &Region) -> String {
    format!("{}.raw", region.kind)
}

/// The longest run of its parts without a gap: what one range can name of a family of scattered mappings.
fn largest_stretch(region: &Region) -> Span {
    let mut largest = Span::default();
    let mut current = Span::default();
    for &part in &region.parts {
        let adjoins = !current.is_empty() && part.start == current.end;
        current = if adjoins { Span::new(current.start, part.end) } else { part };
        if current.size() > largest.size() {
            largest = current;
        }
    }
    if largest.is_empty() { region.span } else { largest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Footprint, Permissions};
    use crate::units::Addr;

    #[test]
    fn a_range_names_what_lies_together() {
        let parts = [(16, 32), (48, 64), (64, 128), (256, 300)].map(|(a, b)| Span::new(Addr(a), Addr(b))).to_vec();
        let mut region = Region {
            span: Span::new(Addr(16), Addr(300)),
            kind: RegionKind::Anon,
            name: String::new(),
            permissions: Permissions::default(),
            parts,
            footprint: Footprint::default(),
        };
        assert_eq!(dump(7, &region), "leakscope dump 7 --range 0x30-0x80 -o anon.raw");
        region.parts.clear();
        assert_eq!(largest_stretch(&region), region.span);
    }
}
