//! The ledger and the meaning of calls, on literal numbers.

use proptest::prelude::*;

use super::call::Change;
use super::ledger::{Left, Sum};
use super::*;
use crate::stacks::Registers;
use crate::units::{Addr, ByteCount, Span};

const A: StackId = StackId(1);
const B: StackId = StackId(2);

fn pages(first: u64, count: u64) -> Span {
    Span::sized(Addr(first * 4096), ByteCount(count * 4096))
}

/// Nothing is mapped but not there.
fn all_mapped(there: &[Span]) -> Left {
    Left { mapped: there.to_vec(), present: there.to_vec() }
}

fn left(ledger: &Ledger, there: &[Span], stack: StackId) -> u64 {
    ledger.settle(Some(&all_mapped(there)), 1.0).get(&stack).map_or(0, |sum| sum.outstanding.0 / 4096)
}

#[test]
fn what_was_given_back_is_nobodys() {
    let mut ledger = Ledger::default();
    ledger.change(Change::Mapped(pages(10, 10)), Some(A));
    ledger.change(Change::Mapped(pages(30, 10)), Some(B));
    let (mapped, unmapped) = ledger.change(Change::Unmapped(pages(15, 20)), Some(B));
    assert_eq!((mapped, unmapped), (ByteCount::ZERO, ByteCount(20 * 4096)));
    let all = [pages(0, 100)];
    assert_eq!((left(&ledger, &all, A), left(&ledger, &all, B)), (5, 5));
    // Of what is mapped, only what is there counts.
    assert_eq!(left(&ledger, &[pages(12, 2)], A), 2);
    // A hole in the middle leaves both ends.
    ledger.change(Change::Unmapped(pages(11, 1)), Some(B));
    assert_eq!(left(&ledger, &all, A), 4);
    assert_eq!(ledger.settle(None, 1.0)[&A].outstanding, ByteCount(10 * 4096));
}

#[test]
fn what_moves_keeps_its_owner_and_the_rest_is_the_movers() {
    let mut ledger = Ledger::default();
    ledger.change(Change::Mapped(pages(10, 4)), Some(A));
    let (mapped, _) = ledger.change(Change::Moved(pages(10, 4), pages(50, 10)), Some(B));
    assert_eq!(mapped, ByteCount(6 * 4096));
    let all = [pages(0, 100)];
    assert_eq!((left(&ledger, &all, A), left(&ledger, &all, B)), (4, 6));
    let (_, unmapped) = ledger.change(Change::Moved(pages(50, 10), pages(50, 2)), Some(B));
    assert_eq!((unmapped.0 / 4096, left(&ledger, &all, A), left(&ledger, &all, B)), (8, 2, 0));
}

#[test]
fn reserved_memory_grows_when_it_becomes_writable() {
    let mut ledger = Ledger::new(vec![pages(100, 50)]);
    let opened = ledger.change(Change::Opened(pages(100, 10)), Some(A));
    assert_eq!(opened.0, ByteCount(10 * 4096));
    // What was writable before is no growth.
    assert_eq!(ledger.change(Change::Opened(pages(10, 10)), Some(A)).0, ByteCount::ZERO);
    assert_eq!(left(&ledger, &[pages(0, 200)], A), 10);
}

#[test]
fn a_page_that_comes_again_belongs_to_who_touched_it_last() {
    let mut ledger = Ledger::default();
    ledger.touch(Addr(5 * 4096 + 17), 3, 1, A);
    ledger.touch(Addr(9 * 4096), 1, 1, A);
    ledger.touch(Addr(5 * 4096), 2, 1, B);
    let there = [pages(5, 1)];
    assert_eq!((left(&ledger, &there, A), left(&ledger, &there, B)), (0, 2));
    let sums = ledger.settle(Some(&all_mapped(&there)), 1.5);
    assert_eq!((sums[&A].mapped.0 / 4096, sums[&A].events, sums[&B].outstanding.0 / 4096), (6, 2, 3));
}

#[test]
fn pages_touched_in_a_row_are_nobody_elses() {
    let mut ledger = Ledger::default();
    let page = |number: u64| Addr(number * 4096);
    for number in [100, 103, 106, 109] {
        ledger.touch(page(number), 3, 1, A);
    }
    // From the third on it is a row: what lies between is B's now, not what is before or behind.
    for number in [101, 104, 107] {
        ledger.touch(page(number), 3, 2, B);
    }
    let all = [pages(0, 200)];
    assert_eq!((left(&ledger, &all, A), left(&ledger, &all, B)), (9, 9));
    assert_eq!(ledger.settle(Some(&all_mapped(&all)), 1.0)[&A].unmapped, ByteCount(3 * 4096));
    // Another distance, or a way down, says nothing of the pages between.
    for number in [115, 90] {
        ledger.touch(page(number), 3, 2, B);
    }
    assert_eq!(left(&ledger, &all, A), 9);
}

#[test]
fn calls_tell_what_touched_pages_became() {
    let mut ledger = Ledger::default();
    for number in 10..14 {
        ledger.touch(Addr(number * 4096), 1, 1, A);
    }
    assert_eq!(ledger.change(Change::Unmapped(pages(10, 1)), None).1, ByteCount(4096));
    let (mapped, _) = ledger.change(Change::Mapped(pages(13, 5)), None);
    assert_eq!(mapped, ByteCount(5 * 4096));
    ledger.change(Change::Moved(pages(11, 2), pages(50, 9)), None);
    let sums = ledger.settle(Some(&all_mapped(&[pages(50, 9)])), 1.0);
    let sum =
        Sum { events: 4, mapped: ByteCount(4 * 4096), unmapped: ByteCount(2 * 4096), outstanding: ByteCount(2 * 4096) };
    assert_eq!((sums.len(), sums[&A]), (1, sum));
}

fn call(call: MemoryCall, arguments: [u64; 6], result: u64) -> Call {
    Call { call, arguments, result }
}

#[test]
fn calls_mean_what_the_kernel_did() {
    let brk = call(MemoryCall::Brk, [0x5000, 0, 0, 0, 0, 0], 0x5000);
    let end = Some(Addr(0x3000));
    assert_eq!(brk.change(end), Some(Change::Mapped(Span::new(Addr(0x3000), Addr(0x5000)))));
    assert_eq!(brk.change(Some(Addr(0x8000))), Some(Change::Unmapped(Span::new(Addr(0x5000), Addr(0x8000)))));
    assert_eq!(brk.change(None), None);
    assert_eq!(call(MemoryCall::Brk, [0; 6], 0x9000).change(end), None, "only asked for");
    let mmap = |protection, flags, result| call(MemoryCall::Mmap, [0, 5000, protection, flags, u64::MAX, 0], result);
    assert_eq!(mmap(3, 0x22, 0x10000).change(end), Some(Change::Mapped(pages(16, 2))));
    assert_eq!(mmap(0, 0x22, 0x10000).change(end), Some(Change::Reserved(pages(16, 2))));
    assert_eq!(mmap(3, 0x21, 0x10000).change(end), None, "shared memory is not private");
    assert_eq!(mmap(3, 0x02, 0x10000).change(end), None, "a file is not growth");
    assert_eq!(mmap(3, 0x22, (-12i64) as u64).change(end), None, "refused");
    assert_eq!(mmap(3, 0x22, 0x10000).to_string(), "mmap(NULL, 5000, PROT_READ|PROT_WRITE, 0x22, -1) = 0x10000");
    assert_eq!(mmap(3, 0x22, (-12i64) as u64).to_string(), "mmap(NULL, 5000, PROT_READ|PROT_WRITE, 0x22, -1) = -12");
}

#[test]
fn arguments_stand_in_registers_behind_the_call() {
    let mut registers = Registers::default();
    // rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10
    registers.words[..11].copy_from_slice(&[0x7000, 3, 0, 0, 8192, 0, 0, 0, 5, 6, 0x22]);
    let found = Call::behind(MemoryCall::Mmap, &registers);
    assert_eq!((found.arguments, found.result), ([0, 8192, 3, 0x22, 5, 6], 0x7000));
}

proptest! {
    #[test]
    fn any_calls_are_booked(calls in prop::collection::vec((0usize..5, any::<[u64; 6]>(), any::<u64>()), 0..60)) {
        let mut ledger = Ledger::default();
        for (which, arguments, result) in calls {
            let call = call(MemoryCall::ALL[which], arguments, result);
            if let Some(change) = call.change(Some(Addr(0x1000))) {
                ledger.change(change, Some(A));
            }
            let _ = call.to_string();
        }
        let whole = [Span::new(Addr(0), Addr(u64::MAX))];
        let sums = ledger.settle(Some(&all_mapped(&whole)), 1.0);
        prop_assert!(sums.values().all(|sum| sum.outstanding + sum.unmapped <= sum.mapped || sum.mapped == ByteCount(u64::MAX)));
    }
}
