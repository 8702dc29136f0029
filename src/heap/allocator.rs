//! Whose heap it is: glibc's by its arenas, others by the libraries that are mapped.

use crate::space::AddressMap;

/// The allocator of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocator {
    /// `glibc`, `jemalloc`, `tcmalloc`, `mimalloc`, `musl`, `unknown`.
    pub name: String,
    /// For glibc the versions that lay arenas out as this one does.
    pub version: Option<String>,
}

/// Parts of file names and whose they are.
const LIBRARIES: [(&str, &str); 9] = [
    ("libjemalloc", "jemalloc"),
    ("libtcmalloc", "tcmalloc"),
    ("libmimalloc", "mimalloc"),
    ("libsnmalloc", "snmalloc"),
    ("librpmalloc", "rpmalloc"),
    ("libtbbmalloc", "tbbmalloc"),
    ("libhardened_malloc", "hardened_malloc"),
    ("libasan", "AddressSanitizer"),
    ("ld-musl", "musl"),
];

/// The allocator of a library in `map` that is known to replace malloc.
pub(super) fn replacing(map: &AddressMap) -> Option<&'static str> {
    let file = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    map.mappings.iter().find_map(|mapping| {
        let file = file(&mapping.name);
        LIBRARIES.iter().find(|(part, _)| file.starts_with(part)).map(|(_, name)| *name)
    })
}

/// The allocator by traces in the names that the program itself gives its memory.
pub(super) fn by_memory(map: &AddressMap) -> Option<&'static str> {
    let names = |part: &str| map.mappings.iter().any(|mapping| mapping.name.contains(part));
    match () {
        () if names("[anon: Go:") => Some("Go"),
        () if names("[anon:scudo") => Some("scudo"),
        () if names("[anon:v8") => Some("V8"),
        () => None,
    }
}
