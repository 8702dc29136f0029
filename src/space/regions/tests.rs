use proptest::prelude::*;

use super::*;
use crate::space::Permissions;

/// Lines as in /proc/PID/maps, without offset, device and inode unless the name is a path.
fn maps(text: &str) -> Vec<Mapping> {
    let line = |line: &str| {
        let mut words = line.trim().splitn(3, ' ');
        let (start, end) = words.next().unwrap().split_once('-').unwrap();
        let permissions = Permissions::parse(words.next().unwrap());
        let name = words.next().unwrap_or("").trim().to_owned();
        let number = |digits| Addr(u64::from_str_radix(digits, 16).unwrap());
        let inode = if name.starts_with('/') { 7 } else { 0 };
        Mapping { span: Span::new(number(start), number(end)), permissions, inode, name, ..Mapping::default() }
    };
    text.lines().filter(|text| !text.trim().is_empty()).map(line).collect()
}

/// Each region as `kind name parts size`, in order.
fn shape(text: &str, hints: &Hints) -> Vec<String> {
    let describe =
        |region: &Region| format!("{} {} {} {}", region.kind, region.name, region.parts.len(), region.footprint.size);
    regions(&maps(text), &[], hints).iter().map(describe).collect()
}

#[test]
fn a_forked_nginx_worker_has_one_heap_of_several_lines() {
    let text = "
        5631f2cfb000-5631f2d13000 rw-p /usr/sbin/nginx
        5631f2d13000-5631f2d32000 rw-p
        56321556e000-5632155b0000 rw-p [heap]
        5632155b0000-5632355b0000 rw-p [heap]
        5632355b0000-5632355c0000 rw-p
        7f16277f3000-7f1627800000 rw-p
        7f1627ed0000-7f1627ed1000 rw-s /dev/zero (deleted)
        7f1627ed1000-7f1627ed3000 rw-p
        7f1627ed3000-7f1627ed7000 r--p [vvar]
        7f1627ed9000-7f1627edb000 r-xp [vdso]
        7fffd3803000-7fffd3824000 rw-p [stack]
        ffffffffff600000-ffffffffff601000 --xp [vsyscall]";
    let expected = [
        "file /usr/sbin/nginx 1 96.0 KiB",
        "anon  1 124.0 KiB",
        "heap [heap] 3 512.3 MiB",
        "anon  1 52.0 KiB",
        "shared /dev/zero (deleted) 1 4.0 KiB",
        "anon  1 8.0 KiB",
        "special [vvar] 1 16.0 KiB",
        "special [vdso] 1 8.0 KiB",
        "stack [stack] 1 132.0 KiB",
        "special [vsyscall] 1 4.0 KiB",
    ];
    assert_eq!(shape(text, &Hints::default()), expected);
}

#[test]
fn a_heap_without_its_name_is_known_by_where_it_begins() {
    let text = "1000-3000 rw-p\n5000-9000 rw-p\n9000-a000 rw-p\nb000-c000 rw-p";
    let hints = Hints { start_brk: Some(Addr(0x4ff0)), ..Hints::default() };
    assert_eq!(shape(text, &hints), ["anon  1 8.0 KiB", "heap [heap] 2 20.0 KiB", "anon  1 4.0 KiB"]);
}

#[test]
fn files_are_one_region_and_their_statics_another() {
    let text = "
        563fa5de6000-563fa5de7000 r--p /bin/x
        563fa5de7000-563fa5de8000 r-xp /bin/x
        563fa5dea000-563fa5deb000 rw-p /bin/x
        563fa5deb000-563fa5dec000 rw-p
        563fa5dec000-563fa5ded000 r--p /bin/x
        7fa000000000-7fa000001000 rw-p /srv/archive
        7fa000001000-7fa000101000 rw-p";
    let expected =
        ["file /bin/x 4 16.0 KiB", "anon /bin/x (bss) 1 4.0 KiB", "file /srv/archive 1 4.0 KiB", "anon  1 1.0 MiB"];
    assert_eq!(shape(text, &Hints::default()), expected);
}

const THREADS: &str = "
    7fd690000000-7fd6900f6000 rw-p
    7fd6900f6000-7fd694000000 ---p
    7fd698000000-7fd69c000000 rw-p
    7fd6a0000000-7fd6a00f6000 rw-p
    7fd6a00f6000-7fd6a4000000 ---p
    7fd6a7f5b000-7fd6a7f5c000 ---p
    7fd6a7f5c000-7fd6a875c000 rw-p
    7fd6a875c000-7fd6a875d000 ---p
    7fd6a875d000-7fd6a8f5d000 rw-p
    7fd6a8f5d000-7fd6a8f62000 rw-p";

#[test]
fn thread_heaps_and_stacks_of_glibc_are_one_row_each() {
    let expected = ["arena [malloc arenas] 5 192.0 MiB", "thread-stack [thread stacks] 4 16.0 MiB", "anon  1 20.0 KiB"];
    assert_eq!(shape(THREADS, &Hints::default()), expected);
}

#[test]
fn what_is_in_use_of_an_arena_names_its_permissions() {
    let regions = regions(&maps(THREADS), &[], &Hints::default());
    assert_eq!(regions[0].permissions.to_string(), "rw-p");
}

#[test]
fn an_arena_whose_rest_merged_with_a_guard_above_is_still_one() {
    let text = "
        7fd690000000-7fd6900f6000 rw-p
        7fd6900f6000-7fd694001000 ---p
        7fd694001000-7fd694801000 rw-p";
    let expected = ["arena [malloc arenas] 2 64.0 MiB", "thread-stack [thread stacks] 1 8.0 MiB"];
    assert_eq!(shape(text, &Hints::default()), expected);
}

#[test]
fn sixty_four_mib_of_go_or_of_nobody_are_no_arena() {
    let text = "
        c000000000-c000400000 rw-p
        c000400000-c004000000 ---p
        7fd698000000-7fd69c000000 rw-p
        7fd6a0000000-7fd6a0100000 rw-p
        7fd6a0100000-7fd6c0000000 ---p";
    let expected = [
        "anon  1 4.0 MiB",
        "anon [reserved] 1 60.0 MiB",
        "anon  1 64.0 MiB",
        "anon  1 1.0 MiB",
        "anon [reserved] 1 511.0 MiB",
    ];
    assert_eq!(shape(text, &Hints::default()), expected);
}

#[test]
fn arenas_of_a_32_bit_program_are_a_mib() {
    let text = "f7100000-f7121000 rw-p\nf7121000-f7200000 ---p\nf7300000-f7321000 rw-p";
    let hints = Hints { is_32bit: true, ..Hints::default() };
    assert_eq!(shape(text, &hints), ["arena [malloc arenas] 2 1.0 MiB", "anon  1 132.0 KiB"]);
}

#[test]
fn stacks_of_odd_sizes_are_known_by_stack_pointers() {
    // musl: 132 KiB above two guard pages; the second thread runs, so that it has no pointer to show.
    let text = "
        7f0000000000-7f0000002000 ---p
        7f0000002000-7f0000023000 rw-p
        7f0000100000-7f0000102000 ---p
        7f0000102000-7f0000123000 rw-p
        7f0000200000-7f0000201000 ---p
        7f0000201000-7f0000277000 rw-p";
    let hints = Hints { stack_pointers: vec![Addr(0x7f00_0002_2f00)], threads: Some(3), ..Hints::default() };
    assert_eq!(shape(text, &hints), ["thread-stack [thread stacks] 4 280.0 KiB", "anon  2 476.0 KiB"]);
}

#[test]
fn guarded_memory_of_a_single_thread_is_no_stack_unless_it_has_the_size_of_one() {
    let text = "
        7f0000000000-7f0000001000 ---p
        7f0000001000-7f0000101000 rw-p
        7f0000200000-7f0000201000 ---p
        7f0000201000-7f0000301000 rw-p";
    let single = Hints { threads: Some(1), ..Hints::default() };
    assert_eq!(shape(text, &single), ["anon  4 2.0 MiB"]);
    let several = Hints { threads: Some(3), ..Hints::default() };
    assert_eq!(shape(text, &several), ["thread-stack [thread stacks] 4 2.0 MiB"]);
    // Threads that ended without being joined leave stacks behind.
    let unjoined = Hints { threads: Some(1), stack_limit: Some(ByteCount::mib(1)), ..Hints::default() };
    assert_eq!(shape(text, &unjoined), ["thread-stack [thread stacks] 4 2.0 MiB"]);
}

#[test]
fn stacks_without_visible_guards_are_known_by_their_pointers() {
    // Two of 8 MiB and a guard page each, merged, and other memory.
    let text = "7f0000000000-7f0001002000 rw-p\n7f0002000000-7f0006000000 rw-p";
    let pointers = vec![Addr(0x7f00_0090_0000), Addr(0x7f00_0300_0000)];
    let hints = Hints { stack_pointers: pointers, threads: Some(3), ..Hints::default() };
    assert_eq!(shape(text, &hints), ["thread-stack [thread stacks] 1 16.0 MiB", "anon  1 64.0 MiB"]);
}

#[test]
fn a_jvm_heap_and_what_it_keeps_for_later() {
    let text = "
        e0000000-f7a00000 rw-p
        f7a00000-ffe00000 ---p
        ffe00000-ffe75000 rw-p /usr/lib/jvm/classes.jsa
        ffe75000-fff00000 rw-p
        fff00000-fff78000 rw-p /usr/lib/jvm/classes.jsa
        fff78000-100000000 rw-p
        7f31cc000000-7f31cc040000 rw-p
        7f31cc040000-7f31cc050000 ---p
        7f31cc050000-7f31cc140000 rw-p [anon:jvm metaspace]
        7f31cc140000-7f320c000000 ---p";
    let expected = [
        "anon  1 378.0 MiB",
        "anon [reserved] 1 132.0 MiB",
        "file /usr/lib/jvm/classes.jsa 1 468.0 KiB",
        "anon  1 556.0 KiB",
        "file /usr/lib/jvm/classes.jsa 1 480.0 KiB",
        "anon  1 544.0 KiB",
        "anon [anon:jvm metaspace] 3 1.2 MiB",
        "anon [reserved] 1 1022.8 MiB",
    ];
    assert_eq!(shape(text, &Hints::default()), expected);
}

#[test]
fn reserved_terabytes_are_a_row_of_their_own() {
    let text = "7e0000000000-7f0000000000 ---p\n7f0000000000-7f0000200000 rw-p\n7f0000200000-7f0000201000 ---p\n7f0000201000-7f0000300000 rw-p";
    assert_eq!(shape(text, &Hints::default()), ["anon [reserved] 1 1.0 TiB", "anon  3 3.0 MiB"]);
}

/// `count` mappings of `size` with gaps between them, as LuaJIT, V8 and allocators with large extents make them.
fn scattered(count: u64, size: impl Fn(u64) -> u64, permissions: &str) -> String {
    let line = |index: u64| {
        let start = 0x40_0000_0000 + index * 0x1000_0000;
        format!("{start:x}-{:x} {permissions}\n", start + size(index))
    };
    (0..count).map(line).collect()
}

#[test]
fn memory_of_luajit_is_one_region_in_spite_of_its_holes() {
    // Under nginx, 900 000 strings in a table; the collector has given back 4 and 8 KiB here and there.
    let text = "
        7f43e4e20000-7f43e4e30000 r-xp
        7f440125b000-7f4403d1d000 rw-p
        7f4403d1f000-7f440521f000 rw-p
        7f4405221000-7f4405ca1000 rw-p
        7f4405ca3000-7f44061c3000 rw-p
        7f44070a3000-7f44070a8000 r-xp /usr/lib/x.so
        7f44070b0000-7f44070b5000 rw-p";
    let expected = ["anon  1 64.0 KiB", "anon  4 79.4 MiB", "file /usr/lib/x.so 1 20.0 KiB", "anon  1 20.0 KiB"];
    assert_eq!(shape(text, &Hints::default()), expected);
    assert_eq!(shape("100000-200000 rw-p\n300000-400000 rw-p", &Hints::default()).len(), 1);
    assert_eq!(shape("100000-200000 rw-p\n301000-400000 rw-p", &Hints::default()).len(), 2);
}

#[test]
fn equal_scattered_mappings_are_one_row() {
    let text = scattered(5000, |_| 0x100000, "rw-p");
    assert_eq!(shape(&text, &Hints::default()), ["anon  5000 4.9 GiB"]);
    assert_eq!(shape(&scattered(15, |_| 0x100000, "rw-p"), &Hints::default()).len(), 15);
    let two = scattered(40, |index| if index % 2 == 0 { 0x10000 } else { 0x40000 }, "rw-p");
    assert_eq!(shape(&two, &Hints::default()), ["anon  20 1.2 MiB", "anon  20 5.0 MiB"]);
}

#[test]
fn many_scattered_mappings_of_about_one_size_are_one_row() {
    let text = scattered(200, |index| 0x81000 + index * 0x1000, "rw-p");
    assert_eq!(shape(&text, &Hints::default()), ["anon  128 96.2 MiB", "anon  72 82.3 MiB"]);
}

#[test]
fn mappings_of_one_file_far_from_each_other_are_one_row() {
    let text: String = (1..40u64).map(|i| format!("{:x}-{:x} r--s /srv/db\n", i << 32, (i << 32) + i * 4096)).collect();
    assert_eq!(shape(&text, &Hints::default()), ["file /srv/db 39 3.0 MiB"]);
}

#[test]
fn memory_without_a_file_system_is_shared_and_devices_are_special() {
    let hints = Hints { tmpfs_devices: vec![(0, 30)], ..Hints::default() };
    for (name, permissions, kind) in [
        ("/memfd:cache (deleted)", "rw-s", RegionKind::Shared),
        ("/dev/shm/sem.x", "rw-s", RegionKind::Shared),
        ("/SYSV00000000 (deleted)", "rw-s", RegionKind::Shared),
        ("/dev/zero (deleted)", "rw-s", RegionKind::Shared),
        ("[anon_shmem:x]", "rw-s", RegionKind::Shared),
        ("/dev/zero", "rw-p", RegionKind::Anon),
        ("/anon_hugepage (deleted)", "rw-p", RegionKind::Anon),
        ("/dev/nvidia0", "rw-s", RegionKind::Special),
        ("/[aio] (deleted)", "rw-s", RegionKind::Special),
        ("anon_inode:[perf_event]", "rw-s", RegionKind::Special),
        ("[uprobes]", "--xp", RegionKind::Special),
        ("[stack:17]", "rw-p", RegionKind::ThreadStack),
        ("[anon: glibc: pthread stack: 17]", "rw-p", RegionKind::ThreadStack),
        ("[anon: glibc: malloc arena]", "rw-p", RegionKind::Arena),
        ("[anon:scudo:primary]", "rw-p", RegionKind::Anon),
        ("/home/a/b (deleted)", "r--s", RegionKind::File),
    ] {
        let found = regions(&maps(&format!("1000-2000 {permissions} {name}")), &[], &hints);
        assert_eq!(found[0].kind, kind, "{name}");
    }
    let mut tmpfs = maps("1000-2000 rw-s /run/app/ring");
    tmpfs[0].device = (0, 30);
    assert_eq!(regions(&tmpfs, &[], &hints)[0].kind, RegionKind::Shared);
    tmpfs[0].permissions = Permissions::parse("r-xp");
    assert_eq!(regions(&tmpfs, &[], &hints)[0].kind, RegionKind::File);
}

#[test]
fn footprints_are_summed() {
    let footprint = |rss| Footprint { size: ByteCount(4096), rss: ByteCount(rss), ..Footprint::default() };
    let found =
        regions(&maps("1000-2000 rw-p [heap]\n2000-3000 rw-p"), &[footprint(5), footprint(7)], &Hints::default());
    assert_eq!((found.len(), found[0].footprint.rss, found[0].footprint.size), (1, ByteCount(12), ByteCount(8192)));
}

fn any_maps() -> impl Strategy<Value = Vec<Mapping>> {
    let name =
        prop::sample::select(vec!["", "", "", "[heap]", "[stack]", "/lib/a.so", "/memfd:x", "[anon:y]", "[vdso]"]);
    let permissions = prop::sample::select(vec!["rw-p", "rw-p", "---p", "r-xp", "rw-s", "r--p"]);
    let pages = prop::sample::select(vec![1u64, 1, 33, 255, 256, 257, 2048, 16383, 16384, 1 << 30]);
    let gap = prop::sample::select(vec![0u64, 0, 0, 1, 16384]);
    prop::collection::vec((gap, pages, permissions, name), 0..120).prop_map(|items| {
        let mut at = 0x7f00_0000_0000;
        let place = |(gap, pages, permissions, name): (u64, u64, &str, &str)| {
            let span = Span::sized(Addr(at + gap * 4096), ByteCount(pages * 4096));
            at = span.end.0;
            let inode = u64::from(name.starts_with('/'));
            Mapping {
                span,
                permissions: Permissions::parse(permissions),
                inode,
                name: name.into(),
                ..Mapping::default()
            }
        };
        items.into_iter().map(place).collect()
    })
}

proptest! {
    #[test]
    fn every_mapping_is_in_exactly_one_region(mappings in any_maps(), threads in prop::option::of(0u64..5), pointer: u64) {
        let hints = Hints { threads, stack_pointers: vec![Addr(0x7f00_0000_0000 + pointer % (1 << 36))], ..Hints::default() };
        let footprints: Vec<Footprint> =
            mappings.iter().map(|m| Footprint { size: m.span.size(), rss: ByteCount(3), ..Footprint::default() }).collect();
        let found = regions(&mappings, &footprints, &hints);
        let mut parts: Vec<Span> = found.iter().flat_map(|region| region.parts.iter().copied()).collect();
        parts.sort();
        let spans: Vec<Span> = mappings.iter().map(|mapping| mapping.span).collect();
        prop_assert_eq!(parts, spans);
        prop_assert!(found.windows(2).all(|two| two[0].span.start < two[1].span.start));
        for region in &found {
            prop_assert!(region.parts.windows(2).all(|two| two[0].end <= two[1].start));
            prop_assert_eq!(region.footprint.size, region.parts.iter().map(|part| part.size()).sum());
            prop_assert_eq!(region.footprint.rss, ByteCount(3 * region.parts.len() as u64));
        }
    }
}
