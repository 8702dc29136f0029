//! The screen drawn into memory: sizes, keys, hostile names.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::{Next, State};
use super::{Screen, view};
use crate::report::watch::{Event, EventKind, Line, Sample, Verdict};
use crate::units::{ByteCount, Rate};

fn screen() -> Screen<'static> {
    Screen {
        zone: jiff::tz::TimeZone::UTC,
        unicode: true,
        color: false,
        is_replay: false,
        interrupted: &|| false,
        given_back: &|| (),
    }
}

fn filled() -> State {
    let mut state = State::new(false);
    for (target, pid, rate) in [("web 1", 7, 0.0), ("web \u{1b}[31m2", 8, 1048576.0)] {
        for at in 0..30 {
            let rss_bytes = ByteCount::mib(10 + at * (rate as u64 >> 20));
            let sample = Sample { at_seconds: at as f64, target: target.into(), pid, rss_bytes, ..Sample::default() };
            state.take(&Line::Sample(sample));
        }
        let kind = if rate > 0.0 { "growing" } else { "stable" };
        let seconds_to_limit = (rate > 0.0).then_some(90.0);
        let verdict = Verdict { at_seconds: 29.0, target: target.into(), kind: kind.into(), ..Verdict::default() };
        state.take(&Line::Verdict(Verdict { bytes_per_second: Some(Rate(rate)), seconds_to_limit, ..verdict }));
    }
    state.take(&Line::Event(Event::new(EventKind::OomKilled, "web 1", 7, "killed\u{1b}[2J".into())));
    state
}

fn drawn(state: &mut State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, state, &screen())).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = buffer.content.chunks(usize::from(width));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>() + "\n").collect()
}

fn press(state: &mut State, code: KeyCode) -> Next {
    state.key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn what_is_nearest_to_its_limit_comes_first_and_is_escaped() {
    let page = drawn(&mut filled(), 110, 30);
    let lines: Vec<&str> = page.lines().collect();
    assert!(lines[2].starts_with("web \\x1b[31m2") && lines[2].contains("growing"), "{page}");
    assert!(lines[2].contains("+1.0 MiB/s") && lines[2].contains("1 min 30 s"), "{page}");
    assert!(lines[3].starts_with("web 1") && lines[3].contains("oom-killed"), "{page}");
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn every_size_is_drawn() {
    for (width, height) in [(1, 1), (5, 3), (20, 6), (40, 15), (80, 24), (200, 60), (300, 2)] {
        let mut state = filled();
        drawn(&mut state, width, height);
        state.helps = true;
        drawn(&mut state, width, height);
        drawn(&mut State::new(false), width, height);
    }
}

#[test]
fn keys_sort_choose_pause_ask_and_quit() {
    let mut state = filled();
    assert!(matches!(press(&mut state, KeyCode::Char('i')), Next::Wish(wish) if wish.pid == 8));
    press(&mut state, KeyCode::Down);
    assert!(matches!(press(&mut state, KeyCode::Char('d')), Next::Stay), "what ended is not dumped");
    assert!(drawn(&mut state, 100, 30).contains("it ended"));
    press(&mut state, KeyCode::Char('s'));
    assert!(drawn(&mut state, 100, 30).contains("by growth"));
    press(&mut state, KeyCode::Char('p'));
    state.take(&Line::Sample(Sample { target: "new".into(), ..Sample::default() }));
    let page = drawn(&mut state, 100, 30);
    assert!(page.contains("PAUSED") && !page.contains("\nnew"));
    press(&mut state, KeyCode::Char('p'));
    assert!(drawn(&mut state, 100, 30).contains("\nnew"));
    press(&mut state, KeyCode::Char('?'));
    assert!(drawn(&mut state, 100, 30).contains("pause the screen"));
    assert!(matches!(press(&mut state, KeyCode::Esc), Next::Stay), "closes the help");
    assert!(matches!(press(&mut state, KeyCode::Char('q')), Next::Quit));
    let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    assert!(matches!(state.key(control('c')), Next::Quit) && matches!(state.key(control('z')), Next::Suspend));
}

#[test]
fn a_small_screen_tells_workers_apart() {
    let mut state = State::new(false);
    for number in 1..=3 {
        let target = format!("postgres background worker {number}");
        state.take(&Line::Sample(Sample { target, pid: number, rss_bytes: ByteCount::mib(7), ..Sample::default() }));
    }
    for width in [60, 80, 95, 96, 120] {
        let page = drawn(&mut state, width, 24);
        for number in 1..=3 {
            assert!(
                page.lines()
                    .any(|line| line.contains(&format!("worker {number}")) || line.contains(&format!("ker {number}"))),
                "{page}"
            );
        }
        assert!(width < 80 || page.contains("VERDICT") && page.contains("7.0 MiB"), "{page}");
    }
}
