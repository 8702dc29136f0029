//! Whom or what a job is about: processes behind a selector, the part of an address space that was asked for.

use super::{Context, Part, Selector};
use crate::error::{Error, ErrorKind, Result};
use crate::growth::choose;
use crate::space::{AddressMap, Region, RegionKind};
use crate::target::{Role, Target, fattest_worker_of, resolve};
use crate::units::Span;

/// The one process that `selector` means, the largest where several fit; remarks on the choice go to the person.
///
/// # Errors
/// None fits, or it may not be looked at.
pub fn open_one(selector: &Selector, context: &Context) -> Result<Target> {
    let targets = open_all(&Selector { all: false, ..selector.clone() }, context)?;
    targets.into_iter().next().ok_or_else(|| {
        Error::new(ErrorKind::Gone, "cannot find", format!("“{}”", selector.text), "no live process fits")
    })
}

/// All processes that `selector` means.
///
/// # Errors
/// None fits.
pub fn open_all(selector: &Selector, context: &Context) -> Result<Vec<Target>> {
    let resolved = resolve(&selector.text, selector.all)?;
    resolved.remarks.iter().for_each(|remark| (context.remark)(remark));
    Ok(resolved.targets)
}

/// Points from a master that only supervises to its fattest worker.
pub fn hint_at_worker(target: &Target, context: &Context) {
    if target.identity().role != Some(Role::Master) {
        return;
    }
    let Some(worker) = fattest_worker_of(target) else { return };
    (context.remark)(&format!(
        "{} only supervises; its fattest worker is pid {} ({}): leakscope {}",
        target.subject(),
        worker.pid,
        worker.name.escape_debug(),
        worker.pid
    ));
}

/// The spans of `part` in `map`.
///
/// # Errors
/// `Failed` where nothing of it is mapped.
pub fn spans_of(part: Part, map: &AddressMap, subject: &str) -> Result<Vec<Span>> {
    let missing = |what: String| Error::new(ErrorKind::Failed, format!("cannot find {what} in"), subject, "not mapped");
    let region = match part {
        Part::Span(span) => {
            let mapped = map.mappings.iter().any(|mapping| mapping.span.overlaps(span));
            return if mapped { Ok(vec![span]) } else { Err(missing(format!("the range {span}")).with_hint(SEE_MAP)) };
        }
        Part::Suspect => choose(&map.regions, &[]).and_then(|choice| map.regions.get(choice.region)),
        Part::Kind(kind) => largest(map, kind),
        Part::At(addr) => map.regions.iter().find(|region| region.parts.iter().any(|part| part.contains(addr))),
    };
    let what = || match part {
        Part::Kind(kind) => format!("a region of kind {kind}"),
        Part::At(addr) => format!("the address {addr}"),
        _ => "a private writable region".to_string(),
    };
    region.map(|region| region.parts.clone()).ok_or_else(|| missing(what()).with_hint(SEE_MAP))
}

const SEE_MAP: &str = "see its regions with: leakscope map";

fn largest(map: &AddressMap, kind: RegionKind) -> Option<&Region> {
    let of_kind = map.regions.iter().filter(|region| region.kind == kind);
    of_kind.max_by_key(|region| (region.footprint.held(), region.footprint.rss, region.footprint.size))
}
