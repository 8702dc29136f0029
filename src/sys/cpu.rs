//! Lets a hot loop use what the processor at hand can do beyond the oldest one of its kind, and others go before it.
//! Knows features and priorities; the loops are their owners'.

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

const NICE: libc::c_int = 10;

/// Lets others go before the calling thread, for good, where processors are scarce.
pub fn step_back() {
    priority(NICE);
}

/// The same until this is dropped.
#[derive(Debug)]
pub struct Aback(());

/// Lets others go first for a while; `None` where the way back needs a privilege that we have not.
pub fn aback() -> Option<Aback> {
    nix::unistd::geteuid().is_root().then(|| {
        priority(NICE);
        Aback(())
    })
}

impl Drop for Aback {
    fn drop(&mut self) {
        priority(0);
    }
}

fn priority(nice: libc::c_int) {
    // SAFETY: the call takes three integers; Linux takes 0 for the calling thread alone. A refusal changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
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
