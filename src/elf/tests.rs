//! Names in real programs, with and without their symbols, and in broken ones.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::scan::{Pointee, PointeeKind, PointerNames};
use crate::space::{AddressMap, Mapping, Permissions};
use crate::target::Target;
use crate::target::patient::Patient;
use crate::units::{Addr, ByteCount, Span};

const OBJECTS: &str = include_str!("objects.cpp");

struct Names {
    patient: Patient,
    target: Target,
    map: AddressMap,
}

impl Names {
    fn of(options: &[&str]) -> Names {
        let patient = Patient::start_cpp(OBJECTS, options);
        let target = Target::open(patient.pid()).unwrap();
        let map = target.address_map().unwrap();
        Names { patient, target, map }
    }

    fn addr(&self, key: &str) -> Addr {
        let pair = self.patient.truth.split(' ').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        Addr(u64::from_str_radix(pair.unwrap(), 16).unwrap())
    }

    fn name(&self, key: &str) -> Option<Pointee> {
        let open = |mapping: &Mapping| self.target.mapped_file(mapping);
        Symbols::load(&self.map, &open).pointee(self.addr(key))
    }
}

fn vtable(name: &str) -> Option<Pointee> {
    Some(Pointee { kind: PointeeKind::Vtable, name: name.into() })
}

fn function(name: &str) -> Option<Pointee> {
    Some(Pointee { kind: PointeeKind::Function, name: name.into() })
}

#[test]
fn symbols_name_vtables_and_functions_however_the_program_is_linked() {
    for options in
        [&["-pie"][..], &["-no-pie"], &["-static"], &["-pie", "-Wl,-z,separate-code"], &["-Wl,-z,noseparate-code"]]
    {
        let names = Names::of(options);
        assert_eq!(names.name("session"), vtable("shop::Session"), "{options:?}");
        assert_eq!(names.name("basket"), vtable("shop::Basket"), "{options:?}");
        assert_eq!(names.name("hidden"), vtable("(anonymous namespace)::Hidden"), "{options:?}");
        assert_eq!(names.name("error"), vtable("std::runtime_error"), "{options:?}");
        assert_eq!(names.name("function"), function("on_request"), "{options:?}");
        assert_eq!(names.name("table"), function("callbacks"), "{options:?}");
    }
}

#[test]
fn a_stripped_program_still_has_classes_and_starts_of_functions() {
    for options in [&["-s", "-pie"][..], &["-s", "-no-pie"], &["-s", "-static"], &["-s", "-Wl,-z,pack-relative-relocs"]]
    {
        let names = Names::of(options);
        assert_eq!(names.name("session"), vtable("shop::Session"), "{options:?}");
        assert_eq!(names.name("basket"), vtable("shop::Basket"), "{options:?}");
        assert_eq!(names.name("hidden"), vtable("(anonymous namespace)::Hidden"), "{options:?}");
        assert_eq!(names.name("error"), vtable("std::runtime_error"), "{options:?}");
        // Statically linked programs come without the table of starts.
        if !options.contains(&"-static") {
            let name = names.name("function").unwrap_or_else(|| panic!("{options:?}")).name;
            assert!(name.starts_with("patient+0x"), "{name}");
        }
        assert_eq!(names.name("table"), None);
    }
}

#[test]
fn places_that_nothing_begins_at_have_no_name() {
    let names = Names::of(&["-pie"]);
    let open = |mapping: &Mapping| names.target.mapped_file(mapping);
    let symbols = Symbols::load(&names.map, &open);
    for (key, distance) in [("session", -8), ("session", -16), ("function", 1), ("table", 8)] {
        let addr = Addr(names.addr(key).0.wrapping_add_signed(distance));
        assert_eq!(symbols.pointee(addr), None, "{key} {distance}");
    }
    assert_eq!(symbols.pointee(Addr(0)), None);
    assert_eq!(symbols.pointee(Addr(u64::MAX)), None);
    let closed = |_: &Mapping| Err(std::io::ErrorKind::PermissionDenied.into());
    assert_eq!(Symbols::load(&names.map, &closed).pointee(names.addr("session")), None);
}

#[test]
fn a_build_id_is_what_readelf_says() {
    let program = std::env::current_exe().unwrap();
    let said = Command::new("readelf").args(["-n"]).arg(&program).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let expected = said.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).map(str::to_owned);
    assert_eq!(build_id(&File::open(&program).unwrap()).unwrap(), expected);
    assert_eq!(build_id(&File::open(Path::new("Cargo.toml")).unwrap()).unwrap(), None);
}

/// A module at 0x10000 whose file holds `bytes`.
fn ask_everywhere(bytes: &[u8]) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mapping = |start, permissions| Mapping {
        span: Span::sized(Addr(start), ByteCount(0x8000)),
        permissions: Permissions::parse(permissions),
        inode: 1,
        offset: ByteCount(start - 0x10000),
        name: "/hostile".into(),
        ..Mapping::default()
    };
    let map = AddressMap { mappings: vec![mapping(0x10000, "r-xp"), mapping(0x18000, "rw-p")], regions: Vec::new() };
    let open = |_: &Mapping| file.try_clone();
    let symbols = Symbols::load(&map, &open);
    for addr in (0x10000..0x20000).step_by(8) {
        let _ = symbols.pointee(Addr(addr));
    }
    let _ = build_id(&file);
    let _ = Core::read(&file);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_broken_file_gives_no_name_and_no_panic(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60), length in any::<prop::sample::Index>()) {
        let mut bytes = small_program();
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        ask_everywhere(&bytes);
        ask_everywhere(&bytes[..length.index(bytes.len())]);
        // Headers are where most of the trust is.
        let mut headers = small_program();
        let at = length.index(1024);
        headers[at] = 0xff;
        ask_everywhere(&headers);
    }
}

fn small_program() -> Vec<u8> {
    static PROGRAM: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let build = || {
        let mut bytes = Vec::new();
        Names::of(&["-pie"]).target.proc_file("exe").unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    PROGRAM.get_or_init(build).clone()
}
