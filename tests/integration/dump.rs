//! Dumps: the same bytes as gdb's, holes where nothing was, a manifest, and care with the files of others.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::common::answer::{address, regions_of};
use crate::common::run::{binary, dump};
use crate::common::{Patient, assert_near, folder, heavy, is_root, leakscope, members, program, skip, wait_until};

/// The range of the main heap, as an argument.
#[track_caller]
fn heap(patient: &Patient) -> (u64, u64) {
    let value = leakscope(["map", &patient.target(), "--json"]).run().json();
    let heaps = regions_of(&value, "heap");
    assert_eq!(heaps.len(), 1, "{heaps:#?}");
    (address(&heaps[0]["start"]), address(&heaps[0]["end"]))
}

fn range((start, end): (u64, u64)) -> String {
    format!("{start:#x}-{end:#x}")
}

fn manifest(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// What is in a folder.
fn listing(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn gdb_dump(pid: i32, span: (u64, u64), path: &Path) {
    let order = format!("dump binary memory {} {:#x} {:#x}", path.display(), span.0, span.1);
    let output = Command::new("gdb")
        .args(["-nx", "-batch", "-p", &pid.to_string(), "-ex", &order])
        .env("DEBUGINFOD_URLS", "")
        .output()
        .expect("gdb starts");
    assert!(path.exists(), "gdb: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_dump_is_byte_for_byte_what_gdb_writes() {
    if program("gdb").is_none() {
        return skip("gdb is not installed (apt-get install gdb)");
    }
    for name in ["stopped", "unreadable", "two_heaps"] {
        let (patient, folder) = (Patient::spawn(name, &["20000"]), folder());
        if name == "stopped" {
            patient.wait_stopped();
        }
        let span = heap(&patient);
        let ours = folder.path().join("ours");
        let value = dump(&patient.target(), &range(span), &ours).run().json();
        patient.assert_unharmed();
        let theirs = folder.path().join("theirs");
        gdb_dump(patient.pid(), span, &theirs);
        patient.expect_end(); // gdb may have woken it
        let (a, b) = (fs::read(&ours).expect("our dump"), fs::read(&theirs).expect("gdb's dump"));
        assert_eq!(a.len(), b.len(), "{name}");
        let differs = a.iter().zip(&b).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{name}: they differ at this offset of {}", a.len());
        let (stored, holes) = (value["bytes"].as_u64().unwrap_or(0), value["hole_bytes"].as_u64().unwrap_or(0));
        assert_eq!(stored + holes, a.len() as u64, "{name}");
    }
}

#[test]
fn a_dump_tells_what_it_did() {
    let (patient, folder) = (Patient::spawn("json_leak", &["50000"]), folder());
    let span = heap(&patient);
    let path = folder.path().join("heap.raw");
    let value = dump(&patient.target(), &range(span), &path).run().json();
    assert_eq!(value["target"]["pid"], patient.pid());
    assert_eq!(value["format"], "raw");
    assert_eq!((address(&value["range"]["start"]), address(&value["range"]["end"])), span);
    assert_eq!(value["path"].as_str().map(Path::new), Some(path.as_path()));
    assert!(value["pause_ms"].as_f64().is_some_and(|pause| pause < 2000.0), "{value:#}");
    let bytes = fs::read(&path).expect("the dump");
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(value["sha256"], sum.as_str());
    let text = fs::read_to_string(manifest(&path)).expect("the manifest");
    let manifest: Value = serde_json::from_str(&text).expect("the manifest is JSON");
    assert_eq!(manifest["schema_version"], 1);
    assert_eq!(manifest["sha256"], sum.as_str());

    let scanned = leakscope(["scan", "--json"]).arg(&path).run().json();
    let label = [patient.text("label")];
    let (count, _) = members(&scanned, "json", &label.each_ref().map(String::as_str));
    assert_eq!(count, patient.number("count"));
    let sample = &scanned["content"]["groups"][0]["samples"][0]["address"];
    assert!((span.0..span.1).contains(&address(sample)), "the manifest gives scan the addresses: {sample}");
}

/// What `zstd -dc` makes of a file, or its library where the program is not installed.
fn unpacked(path: &Path) -> Vec<u8> {
    if program("zstd").is_none() {
        return zstd::decode_all(fs::File::open(path).expect("a file")).expect("zstd frames");
    }
    let output = Command::new("zstd").arg("-dc").arg(path).output().expect("zstd starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_compressed_dump_is_the_same_dump() {
    let (patient, folder) = (Patient::spawn("json_leak", &["60000"]), folder());
    let (plain, span) = (folder.path().join("plain"), heap(&patient));
    let whole = dump(&patient.target(), &range(span), &plain).run().json();
    let scan = |path: &Path| leakscope(["scan", "--json"]).arg(path).run().json()["content"].clone();
    let hex = |path: &Path| {
        let run = leakscope(["hex", "--json", "--find", "Pixel 8 Pro", "--length", "64"]).arg(path).run().json();
        (run["matches"].clone(), run["stretches"].clone())
    };
    for method in ["idle", "precopy", "fork", "stop", "live"] {
        let path = folder.path().join(method);
        let run =
            dump(&patient.target(), &range(span), &path).arg("--compress").arg("zstd").arg("--method").arg(method);
        let value = run.run().json();
        for field in ["sha256", "bytes", "hole_bytes", "range"] {
            assert_eq!(value[field], whole[field], "{method}: {field}");
        }
        let meta = fs::metadata(&path).expect("the dump");
        assert_eq!((value["method"].as_str(), value["compressed_bytes"].as_u64()), (Some(method), Some(meta.len())));
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        assert!(meta.len() < whole["bytes"].as_u64().expect("a size") * 2 / 3, "{} bytes", meta.len());
        assert!(unpacked(&path) == fs::read(&plain).expect("the plain dump"), "{method}");
        assert_eq!(scan(&path), scan(&plain), "{method}");
        assert_eq!(hex(&path), hex(&plain), "{method}");
        patient.assert_unharmed();
    }
    let grown = leakscope(["diff", "--json"]).arg(&plain).arg(folder.path().join("fork")).run().json();
    assert_eq!(members(&grown, "json", &["{trace_id:hex"]).0, patient.number("count"));
    let words = ["dump", &patient.target(), "--format", "core", "--compress", "zstd"];
    leakscope(words).within(folder.path()).run().fails(2, &["--format raw"]);
    leakscope(["dump", &patient.target(), "--region", "heap", "--compress", "zstd"]).within(folder.path()).run().ok();
    assert!(folder.path().join(format!("leakscope-{}.raw.zst", patient.pid())).exists());
}

#[test]
fn compressed_holes_cost_next_to_nothing_and_endless_ones_are_refused() {
    let (patient, folder) = (Patient::spawn("sparse", &[]), folder());
    let (start, size) = (patient.number("start"), patient.number("size"));
    let path = folder.path().join("sparse.zst");
    let run = dump(&patient.target(), &range((start, start + size)), &path).arg("--compress").arg("zstd");
    let value = run.run().json();
    assert_eq!(
        (value["bytes"].as_u64(), value["hole_bytes"].as_u64().map(|holes| holes > 0)),
        (Some(patient.number("resident")), Some(true))
    );
    let limit = patient.number("resident") + size / (4 << 20) * 256;
    assert!(value["compressed_bytes"].as_u64().expect("a size") < limit, "{value:#}");
    let scanned = leakscope(["scan", "--json"]).arg(&path).run().json();
    assert_eq!(members(&scanned, "json", &["{trace_id:hex"]).0, patient.number("count"));
    let run =
        dump(&patient.target(), "0x1000-0x7fffffffffff", &folder.path().join("all")).arg("--compress").arg("zstd");
    run.run().fails(1, &["TiB"]);
    assert_eq!(listing(folder.path()).len(), 2);
}

#[test]
fn files_are_for_their_owner_alone() {
    let (patient, folder) = (Patient::spawn("json_leak", &[]), folder());
    let path = folder.path().join("heap.raw");
    let words = ["sh", "-c", "umask 0; exec \"$@\"", "sh"];
    dump(&patient.target(), &range(heap(&patient)), &path).through(&words, binary()).run().ok();
    for file in [path.clone(), manifest(&path)] {
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn a_file_is_not_overwritten_without_force() {
    let (patient, folder) = (Patient::spawn("json_leak", &[]), folder());
    let path = folder.path().join("heap.raw");
    let span = range(heap(&patient));
    fs::write(&path, "precious").expect("a file in the way");
    dump(&patient.target(), &span, &path).run().fails(1, &["--force"]);
    assert_eq!(fs::read(&path).expect("it is still there"), b"precious");
    assert_eq!(listing(folder.path()), ["heap.raw"]);
    dump(&patient.target(), &span, &path).arg("--force").run().ok();
    assert_ne!(fs::read(&path).expect("it was replaced"), b"precious");
}

#[test]
fn a_symlink_is_not_followed() {
    let (patient, folder) = (Patient::spawn("json_leak", &[]), folder());
    let (victim, link) = (folder.path().join("victim"), folder.path().join("link"));
    let span = range(heap(&patient));
    fs::write(&victim, "precious").expect("a victim");
    symlink(&victim, &link).expect("a symlink");
    dump(&patient.target(), &span, &link).run().fails(1, &["link"]);
    assert_eq!(fs::read(&victim).expect("the victim"), b"precious");
    // With --force the link itself may give way, never what it points to.
    dump(&patient.target(), &span, &link).arg("--force").run();
    assert_eq!(fs::read(&victim).expect("the victim"), b"precious");
    let dangling = folder.path().join("dangling");
    symlink(folder.path().join("nowhere"), &dangling).expect("a symlink");
    dump(&patient.target(), &span, &dangling).run().fails(1, &[]);
    assert!(!folder.path().join("nowhere").exists());
    // The manifest's name is as exposed as the dump's.
    let other = folder.path().join("other");
    symlink(&victim, manifest(&other)).expect("a symlink");
    dump(&patient.target(), &span, &other).run().fails(1, &[]);
    assert_eq!(fs::read(&victim).expect("the victim"), b"precious");
}

#[test]
fn absent_pages_are_holes_and_stay_absent() {
    let (patient, folder) = (Patient::spawn("sparse", &[]), folder());
    let (start, size) = (patient.number("start"), patient.number("size"));
    let path = folder.path().join("sparse.raw");
    let value = dump(&patient.target(), &range((start, start + size)), &path).run().json();
    let meta = fs::metadata(&path).expect("the dump");
    assert_eq!(meta.len(), size);
    assert!(meta.blocks() * 512 <= 4 * patient.number("resident"), "{} KiB on disk", meta.blocks() / 2);
    assert_eq!(value["bytes"], patient.number("resident"), "what is stored; holes are counted apart");
    assert_eq!(value["hole_bytes"], size - patient.number("resident"));
    let scanned = leakscope(["scan", "--json"]).arg(&path).run().json();
    let (count, _) = members(&scanned, "json", &["{trace_id:hex"]);
    assert_eq!(count, patient.number("count"));
}

/// leakscope in a mount namespace of its own where `place` is a file system mounted with `options`.
fn on_tmpfs(run: crate::common::Leakscope, place: &Path, options: &str) -> crate::common::Leakscope {
    let script = format!("mount -t tmpfs -o {options} none '{}' && exec \"$@\"", place.display());
    run.through(&["unshare", "--mount", "sh", "-c", &script, "sh"], binary())
}

#[test]
fn a_disk_that_is_too_small_is_refused_before_it_is_filled() {
    if !is_root() {
        return skip("mounting needs root");
    }
    let (patient, folder) = (Patient::spawn("json_leak", &["100000"]), folder());
    let path = folder.path().join("heap.raw");
    let run = dump(&patient.target(), &range(heap(&patient)), &path);
    on_tmpfs(run, folder.path(), "size=4m").run().fails(1, &["free"]);
}

#[test]
fn a_read_only_folder_is_an_error_of_one_line() {
    if !is_root() {
        return skip("mounting needs root");
    }
    let (patient, folder) = (Patient::spawn("json_leak", &[]), folder());
    let path = folder.path().join("heap.raw");
    let run = dump(&patient.target(), &range(heap(&patient)), &path);
    on_tmpfs(run, folder.path(), "ro").run().fails(1, &["heap.raw"]);
    dump(&patient.target(), "0x1000-0x2000", &folder.path().join("no/such/folder/heap.raw")).run().fails(1, &[]);
}

#[test]
fn a_dump_of_a_process_that_ends_is_not_left_as_if_it_were_whole() {
    let _one = heavy();
    for milliseconds in [0, 5, 20, 60, 120] {
        let (patient, folder) = (Patient::spawn("stamper", &["200M"]), folder());
        let path = folder.path().join("heap.raw");
        let mut child = dump(&patient.target(), &range(heap(&patient)), &path).spawn();
        std::thread::sleep(Duration::from_millis(milliseconds));
        patient.end();
        assert!(wait_until(Duration::from_secs(20), || child.try_wait().expect("our child").is_some()), "it hangs");
        let output = child.wait_with_output().expect("its output");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => assert!(path.exists()),
            Some(3) if path.exists() => {
                let text = fs::read_to_string(manifest(&path)).expect("a part has a manifest that says so");
                assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")["complete"], false);
            }
            Some(3) => assert!(!manifest(&path).exists(), "{:?}", listing(folder.path())),
            code => panic!("code {code:?}: {stderr}"),
        }
    }
}

#[test]
fn hex_shows_the_targets_addresses() {
    let (patient, folder) = (Patient::spawn("json_leak", &["100"]), folder());
    let span = heap(&patient);
    let path = folder.path().join("heap.raw");
    dump(&patient.target(), &range(span), &path).run().ok();
    let run = leakscope(["hex", "--color", "never"]).arg(&path).run().ok();
    let start = format!("{:x}", span.0);
    assert!(run.stdout.to_ascii_lowercase().contains(&start), "no {start}\n{}", run.scene());
}

#[test]
fn inspect_keeps_the_bytes_it_looked_into() {
    let (patient, folder) = (Patient::spawn("json_leak", &["5000", "2000000"]), folder());
    patient.tell("go");
    let run = leakscope(["inspect", &patient.target(), "--for", "1s", "--json", "--dump"]).arg(folder.path()).run();
    let value = run.json();
    let path = value["snapshot"]["path"].as_str().map(PathBuf::from).expect("the path of what was kept");
    assert!(path.starts_with(folder.path()), "{}", path.display());
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    let scanned = leakscope(["scan", "--json"]).arg(&path).run().json();
    let (count, _) = members(&scanned, "json", &["{trace_id:hex"]);
    let (said, _) = members(&value, "json", &["{trace_id:hex"]);
    // It grows, and the copy was made at another moment than the scan.
    assert_near("records in what was kept", count as f64, said as f64, 10.0);
}
