//! Without the right to look, leakscope says which permission is missing and which command grants it, and changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::run::binary;
use crate::common::{Patient, build, folder, is_root, leakscope, program, skip};

const NOBODY: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// Programs at a place that every user may reach.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// None, with a word, where users cannot be changed.
    fn new() -> Option<Place> {
        if !is_root() || program("setpriv").is_none() {
            skip("changing the user needs root and setpriv");
            return None;
        }
        let folder = folder();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("an open folder");
        Some(Place { folder })
    }

    fn copy(&self, from: &Path) -> PathBuf {
        let to = self.folder.path().join(from.file_name().expect("a file"));
        fs::copy(from, &to).expect("a copy");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).expect("a program for all");
        to
    }

    /// A patient that runs as nobody.
    fn patient(&self, name: &str) -> Patient {
        let program = self.copy(&build::patient(name));
        Patient::start(name, Command::new(NOBODY[0]).args(&NOBODY[1..]).arg(program).arg("2000"))
    }
}

/// Whether Yama lets a user look into processes that are not children.
fn yama_allows() -> bool {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").map_or(true, |scope| scope.trim() == "0")
}

#[test]
fn a_process_of_another_user_is_code_4() {
    let Some(place) = Place::new() else { return };
    let leakscope_copy = place.copy(binary());
    let patient = Patient::spawn("json_leak", &[]);
    for command in ["inspect", "scan", "dump"] {
        let run =
            leakscope([command, &patient.target()]).within(place.folder.path()).through(&NOBODY, &leakscope_copy).run();
        let run = run.fails(4, &["sudo"]);
        let names = ["CAP_SYS_PTRACE", "root", "user", "uid"];
        assert!(names.iter().any(|name| run.stderr.contains(name)), "it names no permission\n{}", run.scene());
    }
}

#[test]
fn ones_own_process_needs_no_privilege() {
    if !yama_allows() {
        return skip("Yama restricts ptrace on this machine");
    }
    let Some(place) = Place::new() else { return };
    let leakscope_copy = place.copy(binary());
    let patient = place.patient("json_leak");
    let run = leakscope(["scan", &patient.target(), "--json"]).through(&NOBODY, &leakscope_copy).run();
    let (count, _) = crate::common::members(&run.json(), "json", &["{trace_id:hex"]);
    assert_eq!(count, patient.number("count"));
}

#[test]
fn a_process_that_is_not_dumpable_is_code_4_even_for_its_user() {
    let Some(place) = Place::new() else { return };
    let leakscope_copy = place.copy(binary());
    let patient = place.patient("nondumpable");
    leakscope(["scan", &patient.target()]).through(&NOBODY, &leakscope_copy).run().fails(4, &["dumpable"]);
    // Root may.
    let value = leakscope(["scan", &patient.target(), "--json"]).run().json();
    let (count, _) = crate::common::members(&value, "json", &["{trace_id:hex"]);
    assert_eq!(count, patient.number("count"));
}

#[test]
fn doctor_says_what_is_missing() {
    let Some(place) = Place::new() else { return };
    let leakscope_copy = place.copy(binary());
    let patient = Patient::spawn("json_leak", &[]);
    let run = leakscope(["doctor", &patient.target()]).through(&NOBODY, &leakscope_copy).run();
    assert!(run.stdout.contains("CAP_SYS_PTRACE") || run.stdout.contains("sudo"), "{}", run.scene());
    leakscope(["doctor", &patient.target()]).run().ok();
    leakscope(["doctor"]).run().ok();
}

#[test]
fn root_without_the_capability_is_told_so() {
    let Some(place) = Place::new() else { return };
    let patient = place.patient("json_leak");
    let words = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"];
    let run = leakscope(["scan", &patient.target()]).through(&words, binary()).run();
    run.fails(4, &["CAP_SYS_PTRACE"]);
}
