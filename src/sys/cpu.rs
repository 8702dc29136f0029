//! Lets a hot loop use what the processor at hand can do beyond the oldest one of its kind, and others go before it.
//! Knows features and priorities; the loops are their owners'.

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
