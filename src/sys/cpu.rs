//! Lets a hot loop use what the processor at hand can do beyond the oldest one of its kind.
//! Knows features; the loops are their owners'.

/// Runs `work`, compiled a second time for processors with AVX2 and bit manipulation (Intel since 2013, AMD since 2015).
/// What is to profit must be inlined into `work`. The result is the same.
#[inline(always)]
pub fn tuned<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if is_modern() {
        // SAFETY: every feature that `modern` is compiled for was found.
        return unsafe { modern(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn is_modern() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
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
