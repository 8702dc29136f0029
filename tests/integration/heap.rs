//! The heap against what programs know of their own: totals as mallinfo2 has them, chunks kept and lost, who holds what,
//! growth, and the same from a core.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::nginx::Nginx;
use crate::common::{Patient, assert_near, folder, heavy, leakscope, note, package, program, python, skip};

#[track_caller]
pub fn heap(target: &str, options: &[&str]) -> Value {
    let words = ["heap", target, "--json", "--top", "200"];
    let value = leakscope(words.iter().chain(options)).run().json();
    assert_eq!(value["command"], "heap");
    value
}

#[track_caller]
pub fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path} in {value:#}"))
}

/// Sum of `key` over the groups whose label has `word`.
fn of_groups(value: &Value, word: &str, key: &str) -> u64 {
    let groups = value["groups"].as_array().expect("groups");
    let like = groups.iter().filter(|group| group["label"].as_str().unwrap_or("").contains(word));
    like.map(|group| group[key].as_u64().unwrap_or(0)).sum()
}

#[track_caller]
fn assert_exact(value: &Value) {
    assert_eq!(value["consistency"]["verdict"], "exact", "{:#}", value["consistency"]);
}

/// What `heap_lost` says of its heap against what was found.
#[track_caller]
fn assert_true(value: &Value, patient: &Patient) {
    assert_exact(value);
    let arenas = value["arenas"].as_array().expect("arenas");
    let system: u64 = arenas.iter().map(|arena| number(arena, "/system_bytes")).sum();
    assert_eq!(system, patient.number("arena"));
    assert_eq!(number(value, "/free/bins/chunks") + arenas.len() as u64, patient.number("ordblks"));
    assert_eq!(number(value, "/free/fast_bins/chunks"), patient.number("smblks"));
    assert_eq!(number(value, "/free/fast_bins/bytes"), patient.number("fsmblks"));
    assert_eq!(number(value, "/mmapped/chunks"), patient.number("hblks"));
    let free = number(value, "/free/bins/bytes") + number(value, "/free/fast_bins/bytes") + number(value, "/top/bytes");
    assert_eq!(free, patient.number("fordblks"));
    let lost = patient.number("lost");
    let (found, bytes) = (number(value, "/reach/unreachable/chunks"), number(value, "/reach/unreachable/bytes"));
    assert!(found <= lost && found as f64 >= lost as f64 * 0.999, "{found} of {lost} lost chunks were found");
    assert_near("lost bytes", bytes as f64, patient.number("lost_bytes") as f64, 0.1);
    let inner = found - number(value, "/reach/unreachable_directly/chunks");
    assert_near("chunks lost by way of others", inner as f64, patient.number("inner") as f64, 0.5);
    assert_eq!(of_groups(value, "kept_id", "unreachable_count"), 0, "what is kept was called lost");
}

#[test]
fn totals_are_those_of_mallinfo2_and_what_is_lost_is_found() {
    let patient = Patient::spawn("heap_lost", &["3", "8000"]);
    let value = heap(&patient.target(), &[]);
    assert_true(&value, &patient);
    assert_eq!(of_groups(&value, "lost_id", "unreachable_count"), of_groups(&value, "lost_id", "count"));
    let pause = value["snapshot"]["pause_ms"].as_f64();
    assert!(pause.is_some_and(|pause| pause > 0.0), "{:#}", value["snapshot"]);
}

/// `heap_lost` compiled with `options`.
fn compiled(options: &[&str], folder: &Path) -> Option<PathBuf> {
    let out = folder.join("heap_lost");
    let source = package().join("test-programs/heap_lost.c");
    let built = Command::new("cc").args(["-O2", "-pthread"]).args(options).arg(source).arg("-o").arg(&out).output();
    built.is_ok_and(|built| built.status.success()).then_some(out)
}

#[test]
fn programs_without_symbols_and_without_libraries_are_walked_too() {
    for options in [&["-s"][..], &["-static", "-s"], &["-static-pie", "-s"], &["-no-pie", "-s"]] {
        let folder = folder();
        let Some(program) = compiled(options, folder.path()) else {
            skip(&format!("cc cannot link with {options:?} (apt-get install libc6-dev)"));
            continue;
        };
        let patient = Patient::start("heap_lost", Command::new(program).args(["2", "4000"]));
        assert_true(&heap(&patient.target(), &[]), &patient);
    }
}

/// `heap_lost` under C libraries that were unpacked somewhere: LEAKSCOPE_LIBCS names their folders, colons between them.
#[test]
fn other_versions_of_the_c_library_are_walked_too() {
    let Ok(folders) = std::env::var("LEAKSCOPE_LIBCS") else {
        return note("no other C library is here (LEAKSCOPE_LIBCS=FOLDER:…, each with libc.so.6 and its loader)");
    };
    for folder in folders.split(':') {
        let loader = Path::new(folder).join("ld-linux-x86-64.so.2");
        let mut command = Command::new(loader);
        command.args(["--library-path", folder]).arg(crate::common::build::patient("heap_lost")).args(["3", "8000"]);
        let patient = Patient::start("heap_lost", &mut command);
        assert_true(&heap(&patient.target(), &[]), &patient);
    }
}

#[test]
fn tunables_change_nothing() {
    let tunables = [
        "glibc.malloc.tcache_count=0",
        "glibc.malloc.mxfast=0",
        "glibc.malloc.perturb=85",
        "glibc.malloc.mmap_threshold=65536",
        "glibc.malloc.hugetlb=1",
    ];
    for tunable in tunables {
        let program = crate::common::build::patient("heap_lost");
        let patient =
            Patient::start("heap_lost", Command::new(program).args(["2", "4000"]).env("GLIBC_TUNABLES", tunable));
        assert_true(&heap(&patient.target(), &[]), &patient);
    }
}

#[test]
fn a_main_arena_in_pieces_is_found_whole() {
    for manner in ["foreign", "blocked"] {
        let patient = Patient::spawn("heap_pieces", &[manner]);
        let value = heap(&patient.target(), &[]);
        assert_exact(&value);
        assert_eq!(number(&value, "/arenas/0/system_bytes"), patient.number("arena"), "{manner}");
        assert_eq!(number(&value, "/free/bins/chunks") + 1, patient.number("ordblks"), "{manner}");
        let free = number(&value, "/free/bins/bytes") + number(&value, "/top/bytes");
        assert_eq!(free + number(&value, "/free/fast_bins/bytes"), patient.number("fordblks"), "{manner}");
        let (found, lost) = (number(&value, "/reach/unreachable/chunks"), patient.number("lost"));
        assert!(found <= lost && found as f64 >= lost as f64 * 0.999, "{manner}: {found} of {lost}");
    }
}

#[test]
fn threads_that_share_an_arena_leave_stale_links() {
    let program = crate::common::build::patient("heap_lost");
    let mut command = Command::new(program);
    let command = command.args(["2", "4000"]).env("GLIBC_TUNABLES", "glibc.malloc.arena_max=1");
    let patient = Patient::start("heap_lost", command);
    let value = heap(&patient.target(), &[]);
    assert_exact(&value);
    let found = number(&value, "/reach/unreachable/chunks") + number(&value, "/reach/probably_unreachable/chunks");
    let lost = patient.number("lost");
    assert!(found <= lost && found as f64 >= lost as f64 * 0.99, "{found} of {lost} lost chunks were found");
}

#[test]
fn one_chunk_is_told_who_holds_it() {
    let patient = Patient::spawn("heap_lost", &["1", "2000"]);
    let value = heap(&patient.target(), &["--why", &patient.text("list_at")]);
    assert_eq!(value["why"]["state"], "in-use", "{:#}", value["why"]);
    assert_eq!(value["why"]["reach"], "reachable", "{:#}", value["why"]);
    let path = value["why"]["path"].as_array().expect("a path");
    assert_eq!(path[0]["what"], "heap_lost!list", "{path:#?}");
    let middle = heap(&patient.target(), &["--why", &patient.text("middle_at")]);
    assert_eq!(middle["why"]["reach"], "reachable", "{:#}", middle["why"]);
    leakscope(["heap", &patient.target(), "--why", "0x10"]).run().fails(1, &["0x10", "no chunk"]);
    let text = leakscope(["heap", &patient.target()]).run().ok().stdout;
    assert!(text.contains("exact: the allocator's own books balance"), "{text}");
}

#[test]
fn a_core_says_the_same() {
    let Some(gcore) = program("gcore") else { return skip("gcore is not installed (apt-get install gdb)") };
    let (folder, patient) = (folder(), Patient::spawn("heap_lost", &["3", "4000"]));
    let live = heap(&patient.target(), &[]);
    let made = Command::new(gcore).arg("-o").arg(folder.path().join("core")).arg(patient.target()).output();
    let made = made.expect("gcore starts");
    let core = folder.path().join(format!("core.{}", patient.pid()));
    // The debugger looked at more of it than we do.
    patient.settle();
    assert!(core.exists(), "{}", String::from_utf8_lossy(&made.stderr));
    let recorded = heap(&core.to_string_lossy(), &[]);
    assert_true(&recorded, &patient);
    for part in ["allocator", "arenas", "in_use", "free", "top", "mmapped", "sizes", "consistency"] {
        assert_eq!(recorded[part], live[part], "{part}");
    }
    assert_eq!(recorded["reach"], live["reach"]);
    assert_eq!(recorded["groups"], live["groups"]);
}

#[test]
fn growth_of_a_group_is_what_the_program_says() {
    let _alone = heavy();
    let value = (0..3).map(|_| grown()).find(|(_, off)| *off <= 2.0).map(|(value, _)| value);
    let value = value.expect("within 2 % of the truth where the machine lets the program keep its pace");
    let held = value["groups"].as_array().and_then(|groups| {
        groups.iter().find(|group| group["label"].as_str().is_some_and(|label| label.contains("held_id")))
    });
    let by = &held.expect("a group")["held_by"][0];
    assert!(by["path"].as_str().is_some_and(|path| path.starts_with("lost_beside_held!list")), "{by:#}");
}

/// What is said after five seconds of growth, and by how many percent the growth of a group is off.
fn grown() -> (Value, f64) {
    let patient = Patient::spawn("lost_beside_held", &["2M"]);
    let told = || (patient.number("count") as f64, patient.number("bytes") as f64);
    let (count_before, bytes_before) = told();
    patient.tell("go");
    let value = heap(&patient.target(), &["--for", "5s"]);
    patient.tell("stop");
    let (count, bytes) = told();
    // Both records of a pair are made together.
    let per_second = (2 << 20) as f64 / ((bytes - bytes_before) / (count - count_before)) / 2.0;
    let seconds = value["seconds"].as_f64().expect("seconds");
    let off = |word| (of_groups(&value, word, "growth_count") as f64 / seconds / per_second - 1.0).abs() * 100.0;
    let off = f64::max(off("lost_id"), off("held_id"));
    (value, off)
}

#[test]
fn of_two_that_grow_alike_the_lost_one_is_the_leak() {
    let patient = Patient::spawn("lost_beside_held", &["4M"]);
    patient.tell("go");
    let value = leakscope(["inspect", &patient.target(), "--for", "4s", "--json"]).run().json();
    assert_eq!(value["verdict"]["kind"], "leak", "{:#}", value["verdict"]);
    let summary = value["verdict"]["summary"].as_str().unwrap_or("");
    assert!(summary.contains("lost_id") && !summary.contains("held_id"), "{summary}");
    let first = value["content"]["groups"][0]["label"].as_str().unwrap_or("");
    assert!(first.contains("lost_id"), "{first}");
    assert_eq!(value["heap"]["allocator"], "glibc", "{:#}", value["heap"]);
    assert!(number(&value, "/heap/unreachable_chunks") > 2000, "{:#}", value["heap"]);
}

#[test]
fn freed_memory_that_is_held_is_fragmentation() {
    let patient = Patient::spawn("freed_held", &["60M"]);
    let value = leakscope(["inspect", &patient.target(), "--for", "2s", "--json"]).run().json();
    assert_eq!(value["verdict"]["kind"], "fragmentation", "{:#}", value["verdict"]);
    let value = heap(&patient.target(), &[]);
    assert_exact(&value);
    assert!(number(&value, "/trimmable_bytes") > 50_000_000, "{:#}", value["free"]);
}

#[test]
fn the_exit_code_tells_and_values_are_masked() {
    let patient = Patient::spawn("heap_lost", &["1", "2000"]);
    leakscope(["heap", &patient.target(), "--exit-code"]).run().code(10);
    let steady = Patient::spawn("warm_cache", &[]);
    leakscope(["heap", &steady.target(), "--exit-code"]).run().code(0);
    let plain = leakscope(["heap", &patient.target()]).run().ok().stdout;
    let masked = leakscope(["heap", &patient.target(), "--redact"]).run().ok().stdout;
    assert!(plain.contains("\"session\":\"") && masked.contains("session"), "{masked}");
    let session = plain.split("\"session\":\"").nth(1).and_then(|rest| rest.get(..8)).expect("a value");
    assert!(!masked.contains(session), "{session} in {masked}");
    let large = Patient::spawn("heap_lost", &["1", "60000"]);
    leakscope(["heap", &large.target(), "--method", "stop", "--max-pause", "1ms"])
        .run()
        .fails(1, &["stop: some", "--max-pause"]);
}

#[test]
fn every_way_to_copy_shows_the_same_heap() {
    let patient = Patient::spawn("heap_lost", &["1", "5000"]);
    let walked = |method: &str| {
        let answer = leakscope(["heap", &patient.target(), "--json", "--method", method]).run().json();
        assert_eq!(answer["snapshot"]["method"], method);
        assert!(answer["snapshot"]["pause_ms"].as_f64().unwrap() < 50.0, "{}", answer["snapshot"]);
        ["in_use", "free", "top", "arenas", "unreachable_bytes"].map(|part| answer[part].clone())
    };
    let stopped = walked("stop");
    assert_eq!(walked("idle"), stopped);
    assert_eq!(walked("precopy"), stopped);
    leakscope(["heap", &patient.target(), "--method", "fork"]).run().fails(2, &["registers"]);
}

#[test]
fn programs_that_lose_nothing_are_not_accused() {
    let _alone = heavy();
    let patient = Patient::spawn("warm_cache", &[]);
    let value = heap(&patient.target(), &[]);
    assert_exact(&value);
    assert_eq!(number(&value, "/reach/unreachable/chunks"), 0, "{:#}", value["reach"]);
    match Nginx::start() {
        Ok(nginx) => {
            let value = heap(&nginx.worker().to_string(), &[]);
            assert_exact(&value);
            assert_eq!(number(&value, "/reach/unreachable/chunks"), 0, "nginx: {:#}", value["reach"]);
        }
        Err(missing) => skip(&missing),
    }
}

#[test]
fn objects_of_python_are_counted_by_class() {
    let python = match python::start("heap_objects", &[]) {
        Ok(python) => python,
        Err(missing) => return skip(&missing),
    };
    let value = heap(&python.target(), &[]);
    assert_exact(&value);
    assert_eq!(number(&value, "/reach/unreachable/chunks"), 0, "{:#}", value["reach"]);
    let census = value["census"].as_array().expect("a census");
    let of = census.iter().find(|row| row["class"] == "Session").and_then(|row| row["count"].as_u64());
    assert_near("sessions", of.unwrap_or(0) as f64, python.number("sessions") as f64, 0.1);
}

#[test]
fn under_churn_most_is_surely_lost_and_nearly_all_probably() {
    let patient = Patient::spawn("churn", &["100"]);
    // What thirty seconds at a hundred ticks do.
    patient.tell("more 3000");
    let value = heap(&patient.target(), &[]);
    assert_exact(&value);
    let lost = patient.number("lost") as f64;
    let sure = of_groups(&value, "lost_user", "unreachable_count") as f64;
    let probably = of_groups(&value, "lost_user", "probably_unreachable_count") as f64;
    assert!(sure >= 0.75 * lost, "{sure} of {lost} surely");
    assert!(sure + probably >= 0.99 * lost, "{sure} surely and {probably} probably of {lost}");
    assert!(sure <= lost, "{sure} of {lost}");
}

#[test]
fn a_core_of_ours_opens_in_a_debugger_and_says_the_same() {
    let Some(gdb) = program("gdb") else { return skip("gdb is not installed (apt-get install gdb)") };
    let (folder, patient) = (folder(), Patient::spawn("heap_lost", &["3", "4000"]));
    let core = folder.path().join("core");
    let written = leakscope(["dump", &patient.target(), "--format", "core", "--json", "-o"]).arg(&core).run().json();
    assert_eq!(written["format"], "core");
    patient.assert_unharmed();
    let recorded = heap(&core.to_string_lossy(), &[]);
    assert_true(&recorded, &patient);
    let live = heap(&patient.target(), &[]);
    for part in ["allocator", "arenas", "in_use", "free", "top", "mmapped", "consistency"] {
        assert_eq!(recorded[part], live[part], "{part}");
    }
    let exe = crate::common::build::patient("heap_lost");
    let commands = ["info threads", "bt", "info auxv", "info proc mappings", "p records", "x/s label_text"];
    let mut gdb = Command::new(gdb);
    gdb.args(["-nx", "-batch"]).arg(exe).arg(&core);
    commands.iter().for_each(|command| _ = gdb.args(["-ex", command]));
    let said = gdb.output().expect("gdb starts");
    let (said, errors) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let lines = |word: &str| said.lines().filter(|line| line.contains(word)).count();
    assert!(lines("LWP") >= 4 && lines("pause") >= 3, "no threads: {said}\n{errors}");
    assert!(lines(" in main ") >= 1 || lines(" main (") >= 1, "no backtrace: {said}\n{errors}");
    assert!(lines("AT_PHDR") >= 1 && lines("heap_lost") >= 3, "no notes: {said}\n{errors}");
    assert!(lines("$1 = 4000") == 1 && lines("a text to be found") == 1, "no memory: {said}\n{errors}");
}

#[test]
fn a_heap_too_large_for_memory_is_walked_in_a_file() {
    let (folder, patient) = (folder(), Patient::spawn("heap_lost", &["1", "60000"]));
    let core = folder.path().join("core");
    let refused = ["for a copy and up to", "for tables are needed", "--spool"];
    leakscope(["heap", &patient.target(), "--max-memory", "52MiB"]).run().fails(1, &refused);
    let place = folder.path().to_string_lossy().into_owned();
    let options = ["--max-memory", "52MiB", "--spool", &place, "--method"];
    for method in ["idle", "precopy"] {
        assert_true(&heap(&patient.target(), &[&options[..], &[method]].concat()), &patient);
    }
    leakscope(["heap", &patient.target(), "--spool", &place, "--method", "stop"]).run().fails(1, &["for a disk"]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "something was left behind");
    leakscope(["heap", &patient.target(), "--spool", "/nowhere"]).run().fails(1, &["cannot reserve", "/nowhere"]);
    // What is too large for memory lies beside a core in the making.
    leakscope(["dump", &patient.target(), "--format", "core", "--max-memory", "4MiB", "-o"]).arg(&core).run().ok();
    let recorded = heap(&core.to_string_lossy(), &["--max-memory", "52MiB"]);
    assert_true(&recorded, &patient);
    leakscope(["heap", "--max-memory", "41MiB"]).arg(&core).run().fails(1, &["for tables are needed"]);
}

#[test]
fn two_cores_tell_what_grew() {
    let (folder, patient) = (folder(), Patient::spawn("lost_beside_held", &["2M"]));
    let paths = [folder.path().join("core.1"), folder.path().join("core.2")];
    for path in &paths {
        leakscope(["dump", &patient.target(), "--format", "core", "-o"]).arg(path).run().ok();
        patient.tell("more 5000");
    }
    let value = leakscope(["diff", "--json"]).arg(&paths[0]).arg(&paths[1]).run().json();
    assert_eq!(of_groups(&value["heap"], "lost_id", "growth_count"), 5000, "{:#}", value["heap"]["groups"]);
    assert_eq!(of_groups(&value["heap"], "held_id", "growth_count"), 5000, "{:#}", value["heap"]["groups"]);
    assert_eq!(value["heap"]["consistency"]["verdict"], "exact");
}
