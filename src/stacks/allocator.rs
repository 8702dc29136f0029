//! Which frames are only the way to memory: the C library, allocators, and what languages wrap around them. The first
//! frame outside of these is who wanted the memory.

use super::Frame;

/// Files that do nothing but hand out or copy memory, by how their names begin.
const MODULES: [&str; 13] = [
    "libc.so",
    "libc-2.",
    "ld-linux",
    "ld-2.",
    "ld-musl",
    "libpthread",
    "libjemalloc",
    "libtcmalloc",
    "libmimalloc",
    "libstdc++.so",
    "libc++.so",
    "libc++abi",
    "[vdso]",
];

/// Functions by how their names begin: wrappers of great programs, and the insides of languages.
const PREFIXES: [&str; 40] = [
    "operator new",
    "std::",
    "__gnu_cxx::",
    "void std::",
    "alloc::",
    "<alloc::",
    "core::",
    "<core::",
    "hashbrown::",
    "<hashbrown::",
    "__rust_",
    "__rdl_",
    "__rg_",
    "<T as alloc::",
    "je_",
    "tc_",
    "mi_",
    "zmalloc",
    "zcalloc",
    "zrealloc",
    "ztry",
    "ngx_alloc",
    "ngx_calloc",
    "ngx_palloc",
    "ngx_pnalloc",
    "ngx_pcalloc",
    "ngx_create_pool",
    "ngx_memalign",
    "PyMem_",
    "_PyMem_",
    "PyObject_Malloc",
    "PyObject_Realloc",
    "_PyObject_Malloc",
    "_PyObject_Realloc",
    "g_malloc",
    "g_realloc",
    "runtime.mallocgc",
    "runtime.(*mheap)",
    "__libc_",
    "__GI_",
];

/// Functions of C libraries that are linked into a program.
const NAMES: [&str; 44] = [
    "alloc_slot",
    "alloc_group",
    "__malloc_alloc_meta",
    "__malloc",
    "__calloc",
    "__realloc",
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "posix_memalign",
    "aligned_alloc",
    "valloc",
    "pvalloc",
    "free",
    "cfree",
    "strdup",
    "strndup",
    "__strdup",
    "brk",
    "__brk",
    "sbrk",
    "__sbrk",
    "mmap",
    "mmap64",
    "__mmap",
    "__mmap64",
    "mremap",
    "__mremap",
    "mprotect",
    "__mprotect",
    "sysmalloc",
    "_int_malloc",
    "_int_realloc",
    "_int_memalign",
    "__libc_malloc",
    "tcache_init",
    "memcpy",
    "memmove",
    "memset",
    "__morecore",
    "__default_morecore",
    "asprintf",
];

/// Whether `frame` is only on the way to memory.
pub fn is_allocator(frame: &Frame) -> bool {
    if frame.module.as_ref().is_some_and(|module| MODULES.iter().any(|known| module.starts_with(known))) {
        return true;
    }
    let Some(function) = &frame.function else { return false };
    // __memcpy_avx_unaligned_erms and its like.
    let copies = ["__memcpy", "__memmove", "__memset", "__mempcpy"].iter().any(|copy| function.starts_with(copy));
    // <u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem and its like.
    let of_rust = [" as alloc::vec::", " as alloc::slice::"].iter().any(|own| function.contains(own));
    copies
        || of_rust
        || NAMES.contains(&function.as_str())
        || PREFIXES.iter().any(|prefix| function.starts_with(prefix))
}

/// The frame that wanted the memory: the first outside the allocator, else the outermost.
pub fn first_outside(frames: &[Frame]) -> Option<&Frame> {
    frames.iter().find(|frame| !is_allocator(frame)).or(frames.last())
}
