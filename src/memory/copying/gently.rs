//! One snapshot in the gentlest way that suits: one after the other is tried, and what spoke against the others is told.

use super::copier::CopyOptions;
use super::ladder::{Method, Prediction, Wish, predict, ways};
use super::stage::{Snapshot, stage_by};
use super::wanted::Wanted;
use crate::error::{ErrorKind, Result};
use crate::progress::Progress;
use crate::space::AddressMap;
use crate::target::Target;

/// The ways that were tried in vain, and why.
pub type Declined = Vec<(Method, String)>;

/// Copies what is `wanted`, with the threads' registers, into memory of our own, as it is at one instant.
///
/// # Errors
/// `Failed` where nothing fits the wish, or the last way failed too; `Gone`, `NotPermitted`. The target runs on in
/// every case.
pub fn stage_gently(
    target: &Target,
    wanted: Wanted<'_>,
    wish: Wish,
    options: &CopyOptions<'_>,
    progress: &dyn Progress,
) -> Result<(Snapshot, Declined)> {
    target.heal();
    let map = AddressMap { mappings: target.mappings()?, regions: Vec::new() };
    let mut predictions = predict_staged(target, &map, wanted)?;
    if options.spool.is_some() {
        for way in predictions.iter_mut().filter(|way| way.method == Method::Stop) {
            way.objection = Some("the copy goes to a file, and a target is not stopped for a disk".into());
        }
    }
    let ways = ways(target, &predictions, wish)?;
    let mut declined = Declined::new();
    let mut last = None;
    for method in ways {
        match stage_by(method, target, map.clone(), wanted, options, progress) {
            Ok(snapshot) => return Ok((snapshot, declined)),
            Err(error) if error.kind() != ErrorKind::Failed => return Err(error),
            Err(error) => {
                declined.push((method, error.to_string()));
                last = Some(error);
            }
        }
    }
    // `ways` gives one at least.
    Err(last.unwrap_or_else(|| super::stage::not_idle(target)))
}

/// What each way to copy what is `wanted` with the threads' registers is expected to cost.
///
/// # Errors
/// `Gone`, `NotPermitted`, or `Failed` with the kernel's reason.
pub fn predict_staged(target: &Target, map: &AddressMap, wanted: Wanted<'_>) -> Result<Vec<Prediction>> {
    let mut predictions = predict(target, map, &wanted.among(&map.mappings))?;
    for way in predictions.iter_mut().filter(|way| way.method == Method::Fork) {
        way.objection = Some("a child has none of the other threads, and their registers count".into());
    }
    Ok(predictions)
}
