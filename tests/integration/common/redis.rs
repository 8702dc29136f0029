//! A real redis on a free port of the loopback that saves nothing, and a thread that fills it with keys that never expire,
//! through redis's own protocol in plain TCP.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::nginx::free_port;
use super::{Health, build, folder, program, scene, wait_until};

/// A running redis-server.
pub struct Redis {
    child: Child,
    port: u16,
    health: Health,
    _folder: tempfile::TempDir,
}

/// Keys being set until the value is dropped.
pub struct Filling {
    ends: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Redis {
    /// Starts it; what is missing where it is not installed.
    pub fn start() -> Result<Redis, String> {
        Redis::start_in(&[])
    }

    /// The same with malloc of the C library, where it takes it from a library at all.
    pub fn start_without_jemalloc() -> Result<Redis, String> {
        Redis::start_in(&[("LD_LIBRARY_PATH", build::no_jemalloc())])
    }

    fn start_in(environment: &[(&str, PathBuf)]) -> Result<Redis, String> {
        program("redis-server").ok_or("redis is not installed (apt-get install redis-server)")?;
        (0..5).find_map(|_| Redis::start_once(environment)).ok_or_else(|| panic!("redis does not start"))
    }

    fn start_once(environment: &[(&str, PathBuf)]) -> Option<Redis> {
        let (folder, port) = (folder(), free_port());
        let mut child = Command::new("setpriv")
            .envs(environment.iter().cloned())
            .args(["--pdeathsig", "TERM", "redis-server", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("setpriv and redis-server start");
        let pong = || Connection::open(port).and_then(|mut c| c.send(&["PING"])).is_ok_and(|line| line == "+PONG");
        if !wait_until(Duration::from_secs(5), pong) {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        let health = Health::of(child.id() as i32).expect("redis runs");
        Some(Redis { child, port, health, _folder: folder })
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The bytes that it counts itself; `None` without redis-cli.
    pub fn used_memory(&self) -> Option<u64> {
        let said = Command::new("redis-cli").args(["-p", &self.port.to_string(), "info", "memory"]).output().ok()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        said.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok())
    }

    /// Sets `count` keys now, from number `first` on.
    pub fn set(&self, first: u64, count: u64) {
        let mut connection = Connection::open(self.port).expect("redis takes a connection");
        (first..first + count).for_each(|n| connection.set(n));
    }

    /// Sets keys at `rate` a second, from number `first` on.
    pub fn fill(&self, first: u64, rate: f64) -> Filling {
        let (ends, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (port, ended, counter) = (self.port, ends.clone(), count.clone());
        let thread = std::thread::spawn(move || {
            let mut connection = Connection::open(port).expect("redis takes a connection");
            let begun = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                let done = counter.load(Ordering::Relaxed);
                std::thread::sleep(Duration::from_secs_f64(done as f64 / rate).saturating_sub(begun.elapsed()));
                (0..20).for_each(|n| connection.set(first + done + n));
                counter.fetch_add(20, Ordering::Relaxed);
            }
        });
        Filling { ends, count, thread: Some(thread) }
    }

    /// Panics unless it is traced by nobody, runs and answers.
    #[track_caller]
    pub fn assert_unharmed(&self) {
        Health::assert_unharmed(self.pid(), &self.health, true);
        let answer = Connection::open(self.port).and_then(|mut connection| connection.send(&["PING"]));
        assert_eq!(answer.ok().as_deref(), Some("+PONG"));
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        if panicking {
            scene::show("redis", self.pid());
        }
        let check = || self.assert_unharmed();
        let result = (!panicking).then(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)));
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(Err(harm)) = result {
            std::panic::resume_unwind(harm);
        }
    }
}

impl Filling {
    /// Keys set so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            assert!(std::thread::panicking() || result.is_ok(), "the filling broke off");
        }
    }
}

/// The value of key number `n`: JSON of one shape, different in every key.
pub fn value(n: u64) -> String {
    let token = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        r#"{{"session":"{token:016x}{:016x}","user_id":{},"cart":["oak table","tea kettle"],"ttl":-1}}"#,
        token.rotate_left(29),
        100_000 + n
    )
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(port: u16) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Connection(BufReader::new(stream)))
    }

    fn set(&mut self, n: u64) {
        let answer = self.send(&["SET", &format!("session:{n}"), &value(n)]);
        assert_eq!(answer.expect("redis answers"), "+OK");
    }

    fn send(&mut self, words: &[&str]) -> std::io::Result<String> {
        let mut request = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| request += &format!("${}\r\n{word}\r\n", word.len()));
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}
