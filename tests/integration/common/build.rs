//! Compiles C and C++ test programs on demand into the target folder. A finished program is renamed into place, under a
//! name made of its sources' content: any number of test processes may do it at once and none sees half a file.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::package;

/// The executable of `test-programs/NAME.c` or `.cpp`.
pub fn patient(name: &str) -> PathBuf {
    let folder = package().join("test-programs");
    let cpp = folder.join(format!("{name}.cpp"));
    let (compiler, source) = if cpp.exists() { ("c++", cpp) } else { ("cc", folder.join(format!("{name}.c"))) };
    let header = folder.join("patient.h");
    compile(compiler, &["-O2", "-g", "-pthread"], &[source, header], name)
}

/// The same as a 32-bit program; None where the compiler cannot make one.
pub fn patient_of_32_bits(name: &str) -> Option<PathBuf> {
    let folder = package().join("test-programs");
    let able = Command::new("cc").args(["-m32", "-include", "stdio.h", "-E", "-xc", "/dev/null"]).output();
    let links = Command::new("cc").args(["-m32", "-print-file-name=crt1.o"]).output();
    let found = links.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute());
    (found && able.is_ok_and(|output| output.status.success())).then(|| {
        let sources = [folder.join(format!("{name}.c")), folder.join("patient.h")];
        compile("cc", &["-m32", "-O2", "-g", "-pthread"], &sources, name)
    })
}

/// The same by another compiler or with further flags; None where that compiler is not installed.
pub fn patient_by(compiler: &str, flags: &[&str], name: &str) -> Option<PathBuf> {
    super::program(compiler)?;
    let folder = package().join("test-programs");
    let sources = [folder.join(format!("{name}.c")), folder.join("patient.h")];
    Some(compile(compiler, &[&["-O2", "-g", "-pthread"], flags].concat(), &sources, name))
}

/// A program in Rust.
pub fn rust_program(name: &str) -> PathBuf {
    let source = package().join(format!("test-programs/{name}.rs"));
    compile("rustc", &["--edition", "2024", "-O", "-g"], &[source], name)
}

/// The library that the nginx demonstration leaks through.
pub fn crypt_library() -> PathBuf {
    let source = package().join("test-programs/nginx/crypt_old.c");
    compile("cc", &["-O2", "-g", "-fPIC", "-shared"], &[source], "libcrypt_old.so")
}

/// The folder of a library in place of jemalloc, for programs that are to take malloc from the C library.
pub fn no_jemalloc() -> PathBuf {
    let source = package().join("test-programs/redis/no_jemalloc.c");
    let library = compile("cc", &["-O2", "-fPIC", "-shared"], &[source], "libjemalloc.so.2");
    library.parent().expect("its folder").to_path_buf()
}

/// `sources[0]` compiled; the others only decide whether it is up to date.
fn compile(compiler: &str, flags: &[&str], sources: &[PathBuf], name: &str) -> PathBuf {
    static ATTEMPT: AtomicUsize = AtomicUsize::new(0);
    let mut hasher = DefaultHasher::new();
    (compiler, flags).hash(&mut hasher);
    for source in sources {
        fs::read(source).unwrap_or_else(|error| panic!("{}: {error}", source.display())).hash(&mut hasher);
    }
    // A folder per content and not a longer name: the kernel cuts a process name after 15 bytes.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("patients/{:016x}", hasher.finish()));
    let program = folder.join(name);
    if program.exists() {
        return program;
    }
    fs::create_dir_all(&folder).expect("the folder of the patients");
    let attempt = ATTEMPT.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!("{name}.{}.{attempt}", std::process::id()));
    let output = Command::new(compiler)
        .args(flags)
        .arg("-o")
        .arg(&unfinished)
        .arg(&sources[0])
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(output.status.success(), "{}: {}", sources[0].display(), String::from_utf8_lossy(&output.stderr));
    fs::rename(&unfinished, &program).expect("a compiled patient in its place");
    program
}
