//! Unwinding and names on code that the compiler makes of this very test.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::*;
use crate::space::{Mapping, Permissions};
use crate::units::{Addr, ByteCount, Span};

fn frame(function: Option<&str>, module: &str) -> Frame {
    Frame { function: function.map(str::to_owned), module: Some(module.into()), offset: Some(0x1e), ..Frame::default() }
}

#[test]
fn the_first_frame_outside_the_allocator_wanted_the_memory() {
    let stack = [
        frame(Some("__brk"), "libc.so.6"),
        frame(None, "libc.so.6"),
        frame(Some("operator new(unsigned long)"), "libstdc++.so.6.0.30"),
        frame(Some("std::vector<int>::_M_realloc_insert(int)"), "app"),
        frame(Some("Session::touch(int)"), "app"),
        frame(Some("main"), "app"),
    ];
    assert_eq!(first_outside(&stack), Some(&stack[4]));
    // Where nothing else is known, the outermost is the nearest there is.
    assert_eq!(first_outside(&stack[..2]), Some(&stack[1]));
    assert_eq!(first_outside(&[]), None);
}

#[test]
fn frames_read_as_strace_and_gdb_show_them() {
    assert_eq!(frame(Some("enc_record"), "libcrypt_old.so").to_string(), "enc_record+0x1e (libcrypt_old.so)");
    assert_eq!(frame(None, "app").to_string(), "app+0x1e");
    let nameless = Frame { address: Addr(0x7f00), ..Frame::default() };
    assert_eq!(nameless.to_string(), "[code without a file] 0x7f00");
}

#[test]
fn folded_lines_begin_outside_and_hold_nothing_that_parts_them() {
    let stack = [frame(Some("a;b"), "m"), frame(Some("c\nd"), "m")];
    assert_eq!(fold("ng;inx", &stack, 4096), "ng:inx;c?d;a:b 4096");
}

#[test]
fn a_flame_graph_escapes_names() {
    let mut svg = Vec::new();
    let lines = [fold("x", &[frame(Some("<script>alert(1)</script>"), "m")], 10)];
    flame_graph("t <b>", &lines, &mut svg).unwrap();
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>alert(1)") && !svg.contains("t <b>"));
    assert!(flame_graph("t", &[], &mut Vec::new()).is_err());
}

/// The executable mapping of this program as the kernel shows it.
fn ourselves() -> Mapping {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let exe = std::fs::read_link("/proc/self/exe").unwrap();
    let line = maps.lines().find(|line| line.contains("r-xp") && line.ends_with(exe.to_str().unwrap())).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let (start, end) = words[0].split_once('-').unwrap();
    Mapping {
        span: Span::new(Addr(hex(start)), Addr(hex(end))),
        permissions: Permissions::parse("r-xp"),
        offset: ByteCount(hex(words[2])),
        inode: 1,
        name: words[5].into(),
        ..Mapping::default()
    }
}

fn open_ourselves(_: &Mapping) -> io::Result<(File, PathBuf)> {
    let path = PathBuf::from("/proc/self/exe");
    Ok((File::open(&path)?, path))
}

#[inline(never)]
pub fn a_function_with_a_name(value: u64) -> u64 {
    std::hint::black_box(value) + 1
}

#[test]
fn a_function_of_our_own_has_its_name_and_place() {
    let mut modules = Modules::new(&[ourselves()]);
    let mut symboliser = Symboliser::new(PerfMap::default());
    let address = Addr(a_function_with_a_name as fn(u64) -> u64 as usize as u64);
    let frames = symboliser.frames(&[address], &mut modules, &open_ourselves);
    let last = frames.last().unwrap();
    assert!(last.function.as_ref().unwrap().ends_with("a_function_with_a_name"), "{last:?}");
    assert_eq!(last.offset, Some(0));
    assert!(modules.name(address).is_some() && modules.name(Addr(8)).is_none());
}

#[test]
fn garbage_on_the_stack_ends_it_with_what_is_known() {
    let mut modules = Modules::new(&[ourselves()]);
    let ip = a_function_with_a_name as fn(u64) -> u64 as usize as u64;
    for stack in [&[][..], &[0xff; 64], &[0; 64], &[0x41; 4096]] {
        let mut registers = Registers { ip, ..Registers::default() };
        registers.words[7] = 0x7ffc_0000_0000;
        let frames = Unwinder::default().unwind(&registers, stack, &mut modules, &open_ourselves);
        assert_eq!(frames, [Addr(ip)]);
        let nowhere = Registers { ip: 0x1234, ..registers };
        let frames = Unwinder::default().unwind(&nowhere, stack, &mut modules, &open_ourselves);
        assert_eq!(frames, [Addr(0x1234)]);
    }
}

#[test]
fn code_of_an_unnamed_compiler_has_the_names_of_its_map() {
    let mut symboliser = Symboliser::new(PerfMap::parse("7f0000001000 100 LazyCompile:~handle app.js:3\n"));
    let frames = symboliser.frames(&[Addr(0x7f00_0000_1010)], &mut Modules::default(), &open_ourselves);
    assert_eq!(frames[0].to_string(), "LazyCompile:~handle app.js:3+0x10");
}
