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
    Order { sample, started: 0, verdict: None, reason: "70 % of the limit".into(), left, is_new: false, by_hand: None }
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
fn room_is_made_before_it_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Kept::default();
    for index in 0..3 {
        let path = folder.path().join(index.to_string());
        std::fs::write(&path, vec![1; 8192]).unwrap();
        kept.add(vec![path], &actions(folder.path(), 9, 1 << 20));
    }
    kept.make_room(ByteCount((1 << 20) - 8192), &actions(folder.path(), 9, 1 << 20));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    kept.make_room(ByteCount(u64::MAX), &actions(folder.path(), 9, 1 << 20));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_command_that_hangs_delays_no_evidence() {
    struct Until(Instant);
    impl Progress for Until {
        fn begin(&self, _stage: &str, _total: Option<ByteCount>) {}
        fn advance(&self, _bytes: ByteCount) {}
        fn end(&self) {}
        fn interrupted(&self) -> bool {
            Instant::now() > self.0
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut actions = actions(folder.path(), 3, 1 << 30);
    (actions.inspect, actions.exec) = (false, Some("sleep 1000".into()));
    let began = Instant::now();
    let progress = Until(began + Duration::from_secs(1));
    let context = Context {
        progress: &progress,
        remark: &|_| (),
        max_memory: ByteCount::mib(64),
        max_memory_is_hard: false,
        redact: false,
    };
    let (orders, taken) = std::sync::mpsc::channel();
    let (done, outcomes) = std::sync::mpsc::channel();
    (0..COMMANDS + 2).for_each(|_| orders.send(order()).unwrap());
    drop(orders);
    work(&taken, &done, &actions, &context);
    drop(done);
    assert!(began.elapsed() < Duration::from_secs(10));
    let outcomes: Vec<Outcome> = outcomes.iter().collect();
    let secured = outcomes.iter().filter(|outcome| outcome.is_secured);
    assert!(secured.clone().all(|outcome| outcome.took < Duration::from_millis(900)));
    assert_eq!(secured.clone().count(), COMMANDS + 2);
    let refused = secured.filter(|outcome| outcome.failures.iter().any(|text| text.contains("run already"))).count();
    assert_eq!(refused, 2);
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.is_secured).count(), COMMANDS);
}
