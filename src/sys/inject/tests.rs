//! Frames alone; threads that come back to them are tested where threads are chosen.

use super::frame::{frame, resumed, xstate_image};
use super::request::Registers;
use super::seat::Gadgets;

fn registers() -> Registers {
    // SAFETY: a struct of integers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

#[test]
fn a_frame_has_its_parts_where_the_kernel_looks_for_them() {
    let was = Registers { rip: 0x1111, rsp: 0x2222, rdi: 0x3333, cs: 0x33, ss: 0x2b, ..registers() };
    let bytes = frame(Gadgets { syscall: 1, restorer: 7 }, &was, 0x44, 0x55);
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(bytes.len(), 312);
    let context = 8 + 40;
    assert_eq!((word(0), word(8)), (7, 7));
    assert_eq!((word(context + 64), word(context + 120), word(context + 128)), (0x3333, 0x2222, 0x1111));
    assert_eq!(word(context + 144), 0x002b_0000_0000_0033);
    assert_eq!((word(context + 184), word(context + 256)), (0x55, 0x44));
}

#[test]
fn only_a_call_that_was_interrupted_begins_anew() {
    let waiting = Registers { rax: -514i64 as u64, orig_rax: 232, rip: 100, ..registers() };
    let again = resumed(&waiting, 232);
    assert_eq!((again.rax, again.rip), (232, 98));
    for quiet in [Registers { orig_rax: u64::MAX, ..waiting }, Registers { rax: 3, ..waiting }] {
        assert_eq!(resumed(&quiet, 232).rip, 100);
    }
}

#[test]
fn an_image_without_sense_is_refused() {
    assert!(xstate_image(Vec::new()).is_none());
    assert!(xstate_image(vec![0; 520]).is_none());
    let image = xstate_image(vec![0; 576]).unwrap();
    assert_eq!((image.len(), &image[464..468]), (580, &0x4650_5853u32.to_ne_bytes()[..]));
}
