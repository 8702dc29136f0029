//! The round of a watch: who is there, what they hold, who ended and how, what is thought and done about it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::evidence::{ByHand, Order, Outcome, work};
use super::judge::Judge;
use super::kernel::Kernel;
use super::listen::Door;
use super::process::Process;
use super::record::Record;
use super::roster::Roster;
use super::trigger::Triggers;
use super::{Each, Watch, Wish};
use crate::error::{Error, ErrorKind, Result};
use crate::jobs::{Context, storing};
use crate::report::LimitRow;
use crate::report::watch::{Board, Event, EventKind, Header, Line, Sample};
use crate::target::{Following, machine_memory};
use crate::units::ByteCount;

mod ends;
mod members;
mod rounds;

/// Naps are cut in pieces of this length, so that a wish to stop is heard soon.
const NAP: Duration = Duration::from_millis(50);
/// With triggers armed and a limit near, rounds come more often: so many before it is reached, but not more often than this.
const ROUNDS_TO_LIMIT: f64 = 20.0;
const SHORTEST_ROUND: Duration = Duration::from_millis(100);
/// A process that holds still is written at least so often, in seconds.
const WRITTEN_EVERY: f64 = 60.0;
/// A process is new for so long: a few samples tell its pace.
const NEW: Duration = Duration::from_secs(4);
/// Orders that wait while one is carried out.
const ORDERS: usize = 4;

/// Watches until the time is over, all ended, a person interrupts, or `each` has enough. `wishes` come from a person.
///
/// # Errors
/// A selector makes no sense or means nobody, a file or an address cannot be had.
pub fn run(request: &Watch, context: &Context, wishes: Option<&Receiver<Wish>>, each: &mut Each) -> Result<()> {
    let acts = request.actions.inspect || request.actions.exec.is_some();
    if acts {
        storing::check_folder(&request.actions.folder)?;
    }
    let followings = request.selectors.iter().map(|selector| Following::of(selector)).collect::<Result<Vec<_>>>()?;
    let record = request.record.as_deref().map(Record::append).transpose()?;
    let board = Arc::new(Mutex::new(Board::default()));
    let door = request.listen.map(|address| Door::open(address, &board)).transpose()?;
    raise_descriptors();
    let (orders, taken) = channel();
    let (done, outcomes) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || work(&taken, &done, &request.actions, context));
        let board = door.is_some().then_some(board);
        let out = Out { began: Instant::now(), record, unrecorded: 0, board, each, wanted: true };
        let mut watcher = Watcher::new(request, context, followings, out, orders);
        let watched = watcher.watch(wishes, &outcomes);
        // Evidence that was begun is finished.
        watcher.close();
        for outcome in outcomes {
            watcher.outcome(outcome);
        }
        watched
    })
}

/// Three descriptors a process add up; what the hard limit allows is ours to take.
fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Where lines go.
struct Out<'e, 'o> {
    began: Instant,
    record: Option<Record>,
    /// Lines that could not be recorded since one last was.
    unrecorded: u64,
    board: Option<Arc<Mutex<Board>>>,
    each: &'o mut Each<'e>,
    wanted: bool,
}

impl Out<'_, '_> {
    /// Hands `line` on.
    fn line(&mut self, line: &Line, recorded: bool) {
        if recorded {
            self.record(line);
        }
        if let Some(board) = &self.board {
            board.lock().unwrap_or_else(PoisonError::into_inner).take(line);
        }
        self.wanted = (self.each)(line) && self.wanted;
    }

    /// Records `line`. That a disk is full is said once, and so is that there is room again.
    fn record(&mut self, line: &Line) {
        let Some(record) = &mut self.record else { return };
        let missing = self.unrecorded;
        match record.write(line) {
            Ok(()) => self.unrecorded = 0,
            Err(error) => {
                self.unrecorded += 1;
                if missing == 0 {
                    let event = self.stamped(Event::new(EventKind::Failed, "", 0, error.to_string()));
                    self.line(&Line::Event(event), false);
                }
            }
        }
        if missing > 0 && self.unrecorded == 0 {
            let text = format!("recording goes on; {missing} lines are missing");
            self.event(Event::new(EventKind::Notice, "", 0, text));
        }
    }

    fn event(&mut self, event: Event) {
        let event = self.stamped(event);
        self.line(&Line::Event(event), true);
    }

    /// With the time of now, by a clock that nobody sets.
    fn stamped(&self, event: Event) -> Event {
        Event { at_seconds: self.at(), time: now(), ..event }
    }

    fn at(&self) -> f64 {
        millis(self.began.elapsed().as_secs_f64())
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Processes that ended and may yet turn out to be killed for want of memory.
struct Ended {
    process: Process,
    ending: crate::target::Ending,
    noticed: Instant,
    /// The same moment as lines have it.
    at_seconds: f64,
    time: String,
    /// What is said of its role after it, and whether it is recorded.
    then: Vec<(Line, bool)>,
}

struct Watcher<'w, 'e, 'o> {
    request: &'w Watch,
    context: &'w Context<'w>,
    followings: Vec<Following>,
    processes: BTreeMap<i32, Process>,
    roster: Roster,
    judge: Judge,
    kernel: Kernel,
    triggers: Triggers,
    out: Out<'e, 'o>,
    orders: Option<Sender<Order>>,
    ordered: usize,
    ended: Vec<Ended>,
    /// Pids that could not be taken in, with the round in which to try again.
    refused: HashMap<i32, u64>,
    /// Pids that may not have their own title yet, with the round in which they came.
    unnamed: HashMap<i32, u64>,
    /// Pids that were typed and taken in.
    met: HashSet<i32>,
    /// Newcomers that may be heirs of somebody who is about to say that it drains.
    newcomers: HashMap<i32, u64>,
    /// The nearest limit of each group, and when it was read.
    limits: HashMap<String, (f64, LimitRow)>,
    round: u64,
    soonest: Option<Duration>,
    has_swap: bool,
    ever_seen: bool,
}

impl<'w, 'e, 'o> Watcher<'w, 'e, 'o> {
    fn new(
        request: &'w Watch,
        context: &'w Context<'w>,
        followings: Vec<Following>,
        out: Out<'e, 'o>,
        orders: Sender<Order>,
    ) -> Self {
        Watcher {
            request,
            context,
            followings,
            processes: BTreeMap::new(),
            roster: Roster::default(),
            judge: Judge::new(request.interval),
            kernel: Kernel::listen(),
            triggers: Triggers::new(request.levels.clone(), request.cool_down),
            out,
            orders: Some(orders),
            ordered: 0,
            ended: Vec::new(),
            refused: HashMap::new(),
            unnamed: HashMap::new(),
            met: HashSet::new(),
            newcomers: HashMap::new(),
            limits: HashMap::new(),
            round: 0,
            soonest: None,
            has_swap: machine_memory().is_ok_and(|machine| machine.swap_total > ByteCount::ZERO),
            ever_seen: false,
        }
    }

    fn watch(&mut self, wishes: Option<&Receiver<Wish>>, outcomes: &Receiver<Outcome>) -> Result<()> {
        let header = Header {
            schema_version: 1,
            command: "watch".into(),
            time: now(),
            interval_seconds: self.request.interval.as_secs_f64(),
            selectors: self.request.selectors.clone(),
        };
        self.out.line(&Line::Watch(header), true);
        if !self.kernel.is_heard {
            let text = "the kernel's log may not be read here: kills for want of memory are told by counters alone";
            self.out.event(Event::new(EventKind::Notice, "", 0, text.into()));
        }
        loop {
            let began = Instant::now();
            self.round();
            if self.round == 1 && !self.ever_seen {
                return Err(self.nobody());
            }
            wishes.into_iter().flat_map(Receiver::try_iter).for_each(|wish| self.wish(wish));
            outcomes.try_iter().for_each(|outcome| self.outcome(outcome));
            if self.is_over() || !self.nap_until(began + self.pause()) {
                return Ok(());
            }
        }
    }

    /// Nothing is left to be watched, or the time is over.
    fn is_over(&self) -> bool {
        let all_gone = self.processes.is_empty() && self.ended.is_empty();
        let may_return = self.followings.iter().any(Following::may_return);
        (all_gone && !may_return) || self.time_is_over() || !self.out.wanted
    }

    fn time_is_over(&self) -> bool {
        self.request.window.is_some_and(|window| self.out.began.elapsed() >= window)
    }

    fn nobody(&self) -> Error {
        let selectors = self.request.selectors.join(", ");
        let refused = self.refused.keys().next().copied();
        match refused.map(crate::target::Target::open) {
            Some(Err(error)) => error,
            _ => Error::new(ErrorKind::Gone, "cannot watch", format!("“{selectors}”"), "no live process fits")
                .with_hint("leakscope top lists the processes"),
        }
    }

    /// Until the next round: the interval, or less where something is to be done before a limit is reached.
    fn pause(&self) -> Duration {
        let interval = self.request.interval;
        match self.soonest.filter(|_| !self.triggers.is_empty()) {
            Some(left) => left.div_f64(ROUNDS_TO_LIMIT).clamp(SHORTEST_ROUND.min(interval), interval),
            None => interval,
        }
    }

    /// False where a person wants to stop.
    fn nap_until(&self, wake: Instant) -> bool {
        loop {
            if self.context.progress.interrupted() {
                return false;
            }
            let left = wake.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(NAP));
        }
    }

    /// Hands `line` about `role` on; after the end of who had that role before, where that is not told yet.
    fn line(&mut self, role: &str, line: Line, recorded: bool) {
        match self.ended.iter_mut().rev().find(|ended| ended.process.role == role) {
            Some(ended) => ended.then.push((line, recorded)),
            None => self.out.line(&line, recorded),
        }
    }

    fn event(&mut self, event: Event) {
        let event = self.out.stamped(event);
        self.line(&event.target.clone(), Line::Event(event), true);
    }

    /// No orders are given any more.
    fn close(&mut self) {
        self.settle_ends(true);
        self.orders = None;
    }

    fn wish(&mut self, wish: Wish) {
        let Some(process) = self.processes.get(&wish.pid) else { return };
        let sample = sample_of(process, self.out.at());
        self.order(sample, "asked for".into(), Some(wish.what));
    }

    /// Has evidence secured, unless too much waits already.
    fn order(&mut self, sample: Sample, reason: String, by_hand: Option<ByHand>) {
        let Some(process) = self.processes.get(&sample.pid) else { return };
        if self.ordered >= ORDERS {
            let text = format!("{reason}: no evidence is secured, {ORDERS} orders wait already");
            self.event(Event::new(EventKind::Failed, &sample.target, sample.pid, text));
            return;
        }
        let order = Order {
            started: process.target.identity().start_ticks,
            verdict: self.judge.said(&sample.target).cloned(),
            left: self.judge.alarm(&sample.target),
            is_new: by_hand.is_none() && process.taken_in.elapsed() < NEW,
            sample,
            reason,
            by_hand,
        };
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok());
        self.ordered += usize::from(sent);
    }

    fn outcome(&mut self, outcome: Outcome) {
        let Outcome { order, paths, took, failures, is_secured } = outcome;
        self.ordered = self.ordered.saturating_sub(usize::from(is_secured));
        let (target, pid) = (&order.sample.target, order.sample.pid);
        if !paths.is_empty() {
            let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            let text = format!("{}: {} in {:.1} s", order.reason, paths.join(", "), took.as_secs_f64());
            let event = Event::new(EventKind::Dumped, target, pid, text);
            self.event(Event { paths, ..event });
        }
        for failure in failures {
            let text = format!("{}: {failure}", order.reason);
            self.event(Event::new(EventKind::Failed, target, pid, text));
        }
    }
}

/// How a process stands.
fn sample_of(process: &Process, at: f64) -> Sample {
    Sample {
        at_seconds: at,
        time: now(),
        target: process.role.clone(),
        pid: process.target.pid(),
        rss_bytes: process.glance.rss,
        held_bytes: process.held(),
        swap_bytes: process.standing.swap,
        threads: Some(process.standing.threads),
        mappings: process.mappings(),
        limits: None,
        regions: Vec::new(),
    }
}
