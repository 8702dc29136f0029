//! Evidence without a process: names, times, caps, commands.

use super::*;

fn actions(folder: &Path, keep: usize, max_disk: u64) -> Actions {
    Actions {
        inspect: true,
        folder: folder.to_owned(),
        dump: false,
        exec: None,
        keep,
        max_disk: ByteCount(max_disk),
        redact: false,
    }
}

fn order() -> Order {
    let sample = Sample { pid: 7, target: "nginx: worker/../$(x)\0\n1".into(), ..Sample::default() };
    let left = Some(Duration::from_secs(3));
    Order {
        sample,
        started: jiff::Timestamp::UNIX_EPOCH,
        verdict: None,
        reason: "70 % of the limit".into(),
        left,
        by_hand: None,
    }
}

#[test]
fn the_look_fits_into_the_time_left() {
    assert_eq!(window(None), Duration::from_secs(10));
    assert_eq!(window(Some(Duration::from_secs(3600))), Duration::from_secs(10));
    assert_eq!(window(Some(Duration::from_secs(10))), Duration::from_secs(2));
    assert_eq!(window(Some(Duration::from_millis(50))), Duration::from_millis(200));
}

#[test]
fn names_are_harmless() {
    let name = name(&order().sample);
    assert!(name.starts_with("leakscope-nginx--worker------x---1-7-"), "{name}");
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
}

#[test]
fn the_oldest_sets_go_first_and_the_newest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Kept::default();
    let set = |index: usize| {
        let path = folder.path().join(index.to_string());
        std::fs::write(&path, vec![1; 8192]).unwrap();
        vec![path]
    };
    let there = || std::fs::read_dir(folder.path()).unwrap().count();
    (0..5).for_each(|index| kept.add(set(index), &actions(folder.path(), 3, 1 << 30)));
    assert_eq!(there(), 3);
    assert!(!folder.path().join("1").exists() && folder.path().join("4").exists());
    kept.add(set(5), &actions(folder.path(), 3, 10_000));
    assert_eq!(there(), 1);
    kept.add(set(6), &actions(folder.path(), 3, 1));
    assert!(there() == 1 && folder.path().join("6").exists());
}

#[test]
fn a_command_has_the_facts() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let command = format!("{{ echo \"$LEAKSCOPE_PID $LEAKSCOPE_REASON $LEAKSCOPE_PATHS\"; cat; }} > {}", out.display());
    run_command(&command, &order(), &[PathBuf::from("/a"), PathBuf::from("/b")]).unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    let (first, facts) = text.split_once('\n').unwrap();
    assert_eq!(first, "7 70 % of the limit /a:/b");
    let facts: serde_json::Value = serde_json::from_str(facts).unwrap();
    assert_eq!((&facts["sample"]["pid"], &facts["seconds_to_limit"]), (&7.into(), &3.0.into()));
    let error = run_command("exit 3", &order(), &[]).unwrap_err().to_string();
    assert!(error.contains("exit status: 3"), "{error}");
}
