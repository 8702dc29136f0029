//! Symbol names as their authors wrote them. Names come from files that may be hostile: what comes out is bounded.

use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, Symbol};

/// Longer symbols are taken as they are, cut off; templates reach a few KiB.
const SYMBOL_LIMIT: usize = 4096;
/// Back references let a short symbol grow without end.
const NAME_LIMIT: usize = 512;

/// The name of a function or an object, as its author wrote it in C++ or Rust; at most half a KiB.
pub fn demangled(symbol: &str) -> String {
    if symbol.len() <= SYMBOL_LIMIT {
        if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
            let mut name = Bounded::default();
            // `#` leaves out the hash; a refusal means that the limit was reached.
            let _ = write!(name, "{rust:#}");
            return name.0;
        }
        if let Some(name) = cpp(symbol) {
            return name;
        }
    }
    let mut name = Bounded::default();
    let _ = name.write_str(symbol);
    name.0
}

/// The class whose vtable is `symbol`, such as `_ZTV7Session`.
pub(super) fn class_of_vtable(symbol: &str) -> Option<String> {
    let name = cpp(symbol.strip_prefix("_ZTV").map(|_| symbol)?)?;
    Some(
        name.strip_prefix("{vtable(")
            .and_then(|rest| rest.strip_suffix(")}"))
            .map_or_else(|| name.strip_prefix("vtable for ").unwrap_or(&name).to_owned(), str::to_owned),
    )
}

/// The class that a typeinfo calls `name`, such as `7Session`. A leading `*` says that it is of one object file only.
pub(super) fn class_of_typeinfo(name: &str) -> Option<String> {
    let name = name.strip_prefix('*').unwrap_or(name);
    let starts_like_a_class = name.starts_with(|first: char| first.is_ascii_digit() || "NSZ".contains(first));
    if !starts_like_a_class {
        return None;
    }
    class_of_vtable(&format!("_ZTV{name}"))
}

fn cpp(symbol: &str) -> Option<String> {
    if !symbol.starts_with("_Z") || symbol.len() > SYMBOL_LIMIT {
        return None;
    }
    let parsed = Symbol::new(symbol).ok()?;
    let mut name = Bounded::default();
    let complete = parsed.structured_demangle(&mut name, &DemangleOptions::default());
    (complete.is_ok() || name.is_full()).then_some(name.0)
}

/// A text that takes no more than its limit.
#[derive(Default)]
struct Bounded(String);

impl Bounded {
    fn is_full(&self) -> bool {
        self.0.ends_with('…')
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_full() {
            return Err(fmt::Error);
        }
        if self.0.len() + text.len() <= NAME_LIMIT {
            self.0.push_str(text);
            return Ok(());
        }
        let room = NAME_LIMIT - self.0.len();
        let cut = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.0.push_str(&text[..cut]);
        self.0.push('…');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_read_as_their_authors_wrote_them() {
        assert_eq!(demangled("ngx_http_core_run_phases"), "ngx_http_core_run_phases");
        assert_eq!(demangled("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"), "core::fmt::Write::write_fmt");
        assert_eq!(demangled("_ZN7Session5touchEi"), "Session::touch(int)");
        assert_eq!(class_of_vtable("_ZTV7Session").as_deref(), Some("Session"));
        assert_eq!(class_of_vtable("_ZTVN3app5CacheISsE4NodeE").as_deref(), Some("app::Cache<std::string>::Node"));
        assert_eq!(class_of_vtable("_ZTI7Session"), None);
        assert_eq!(class_of_typeinfo("*N12_GLOBAL__N_14UserE").as_deref(), Some("(anonymous namespace)::User"));
        assert_eq!(class_of_typeinfo("hello"), None);
    }

    #[test]
    fn a_name_that_grows_without_end_is_cut() {
        let mut symbol = String::from("_Z1fSt4pairI1AS0_E");
        for level in 0..60 {
            symbol.push_str(&format!("St4pairIS{}_S{}_E", level, level));
        }
        assert!(demangled(&symbol).len() <= NAME_LIMIT + 3);
        assert!(demangled(&"x".repeat(100_000)).len() <= NAME_LIMIT + 3);
    }

    proptest! {
        #[test]
        fn any_symbol_gives_a_bounded_name(tail in "[A-Za-z0-9_$.]{0,200}", rest in ".{0,64}") {
            for prefix in ["", "_Z", "_ZTV", "_R", "_ZN"] {
                let symbol = format!("{prefix}{tail}{rest}");
                prop_assert!(demangled(&symbol).len() <= NAME_LIMIT + 3);
                let _ = class_of_vtable(&format!("{prefix}{tail}"));
                let _ = class_of_typeinfo(&tail);
            }
        }
    }
}
