//! Lets a hot loop use what the processor at hand can do beyond the oldest one of its kind, and others go before it.
//! Knows features and priorities; the loops are their owners'.

use std::marker::PhantomData;
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

/// Behind others, and before them (setpriority(2)).
const BACK: libc::c_int = 10;
const AHEAD: libc::c_int = -10;

/// Lets others go before the calling thread, for good, where processors are scarce.
pub fn step_back() {
    set_priority(BACK);
}

/// Goes before others, for good, where the kernel allows it (with CAP_SYS_NICE).
pub fn step_ahead() {
    set_priority(AHEAD);
}

/// Another priority of the thread that asked for it, until this is dropped.
#[derive(Debug)]
pub struct Turn {
    before: libc::c_int,
    /// A priority is a thread's.
    here: PhantomData<*const ()>,
}

/// Lets others go first for a while; `None` where the way back needs a privilege that we have not.
pub fn aback() -> Option<Turn> {
    nix::unistd::geteuid().is_root().then(|| turn(BACK)).flatten()
}

/// Goes before others for a while, as do the threads made meanwhile; `None` where the kernel does not allow it.
pub fn ahead() -> Option<Turn> {
    turn(AHEAD)
}

fn turn(nice: libc::c_int) -> Option<Turn> {
    // SAFETY: the call takes two integers; Linux takes 0 for the calling thread alone.
    let before = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    set_priority(nice).then_some(Turn { before, here: PhantomData })
}

impl Drop for Turn {
    fn drop(&mut self) {
        set_priority(self.before);
    }
}

/// Whether the kernel allowed it.
fn set_priority(nice: libc::c_int) -> bool {
    // SAFETY: as in `turn`; a refusal changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) == 0 }
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
