//! Lets a hot loop use what the processor at hand can do beyond the oldest one of its kind.
//! Knows features; the loops are their owners'.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a processor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// What every processor of its kind can.
    Any = 1,
    /// AVX2 and bit manipulation (Intel since 2013, AMD since 2015).
    Modern,
    /// AVX-512 with instructions for bytes (Intel's servers since 2017, AMD since 2022).
    Newest,
}

/// What the processor at hand can do.
#[inline(always)]
pub fn level() -> Level {
    static LEVEL: AtomicU8 = AtomicU8::new(0);
    match LEVEL.load(Ordering::Relaxed) {
        0 => {
            let found = find();
            LEVEL.store(found as u8, Ordering::Relaxed);
            found
        }
        3 => Level::Newest,
        2 => Level::Modern,
        _ => Level::Any,
    }
}

#[cfg(target_arch = "x86_64")]
#[cold]
fn find() -> Level {
    let modern = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt");
    let newest = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    match (modern, newest) {
        (true, true) => Level::Newest,
        (true, false) => Level::Modern,
        (false, _) => Level::Any,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn find() -> Level {
    Level::Any
}

/// Runs `work`, compiled a second time for processors of `Level::Modern`. What is to profit must be inlined into `work`.
/// The result is the same.
#[inline(always)]
pub fn tuned<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Modern {
        // SAFETY: every feature that `modern` is compiled for was found.
        return unsafe { modern(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn modern<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_the_same() {
        let words = [0u64, 1, u64::MAX, 0x8000_0000_0000_0000, 0x1234_5678];
        let count = || words.iter().map(|word| word.count_ones() + word.trailing_zeros()).sum::<u32>();
        assert_eq!(tuned(count), count());
    }
}
