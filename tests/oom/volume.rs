//! Large logs: every report is found, in bounded memory and in passable time.

use std::io::Read;

use leakscope::oom::read_reports;

use crate::logs;

/// Lines as a busy machine writes them, with words that are nearly a report's.
const CHATTER: [&str; 5] = [
    "Jan  5 15:19:01 host1 CRON[14500]: (root) CMD (test -x /usr/sbin/anacron || run-parts --report /etc/cron.daily)\n",
    "Jan  5 15:19:04 host1 kernel: [ 5864.708440] audit: type=1400 audit(1611586770.1:12): apparmor=\"DENIED\" comm=\"x\"\n",
    "Jan  5 15:19:04 host1 java[77]: java.lang.OutOfMemoryError: Java heap space, free: 12kB of total 900\n",
    "Jan  5 15:19:05 host1 systemd[1]: session-12.scope: Succeeded; memory peak 44.1M, process 12 killed by nobody.\n",
    "Jan  5 15:19:05 host1 kernel: [ 5864.708441] IPv4: martian source 10.0.0.1 from 10.0.0.2, on dev eth0 Node 0 free\n",
];

/// A log of `chunks` MiB of chatter with one of the reports after each `every` of them.
struct LargeLog {
    chatter: Vec<u8>,
    reports: Vec<Vec<u8>>,
    chunks: usize,
    every: usize,
    current: std::io::Cursor<Vec<u8>>,
    begun: usize,
}

impl LargeLog {
    fn new(chunks: usize, every: usize) -> LargeLog {
        let mut chatter = Vec::new();
        while chatter.len() < 1 << 20 {
            CHATTER.iter().for_each(|line| chatter.extend_from_slice(line.as_bytes()));
        }
        let whole = logs().into_iter().filter(|(_, _, expected)| expected["expected_reports"] == 1);
        let whole =
            whole.filter(|(name, _, _)| name.starts_with("k2") || name.starts_with("k3") || name.starts_with("k4"));
        let reports = whole.map(|(_, log, _)| log.into_bytes()).collect();
        LargeLog { chatter, reports, chunks, every, current: std::io::Cursor::default(), begun: 0 }
    }

    fn reports_in_it(&self) -> usize {
        self.chunks / self.every
    }
}

impl Read for LargeLog {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || self.begun == self.chunks {
                return Ok(read);
            }
            self.begun += 1;
            let mut next = self.chatter.clone();
            if self.begun.is_multiple_of(self.every) {
                let number = self.begun / self.every;
                let report = &self.reports[number % self.reports.len()];
                next.extend_from_slice(restamped(&String::from_utf8_lossy(report), number).as_bytes());
            }
            self.current = std::io::Cursor::new(next);
        }
    }
}

/// The same report at another time: one that is printed twice is one.
fn restamped(report: &str, number: usize) -> String {
    let mut text = String::new();
    for line in report.lines() {
        let stamp = line.find('[').and_then(|open| Some((open, open + line[open..].find(']')?)));
        match stamp.filter(|(open, close)| line[*open..*close].contains('.')) {
            Some((open, close)) => {
                text.push_str(&format!("{}[{number}.000001]{}\n", &line[..open], &line[close + 1..]))
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// Of this process, so that a busy machine does not spoil the figure.
fn resident_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn every_report_of_a_large_log_is_found() {
    let mut log = LargeLog::new(60, 3);
    let mut found = 0;
    let expected = log.reports_in_it();
    read_reports(&mut log, &mut |report| {
        assert!(report.invoker.is_some() || report.victim.is_some());
        found += 1;
    })
    .unwrap();
    assert_eq!(found, expected);
}

#[test]
fn a_line_without_end_is_bounded() {
    let mut log = std::io::repeat(b'a').take(40 << 20).chain(&b" nginx invoked oom-killer: gfp_mask=0xd0, order=0"[..]);
    let before = resident_peak();
    let mut found = 0;
    read_reports(&mut log, &mut |_| found += 1).unwrap();
    assert_eq!(found, 1);
    assert!(resident_peak() < before + (32 << 20));
}
