//! A real nginx with one worker on a free port of the loopback, its Lua module, and the library that forgets records. Load
//! comes from a thread here, paced by the clock, so that growth does not depend on the machine.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Health, build, folder, is_root, package, program, scene, wait_until};

const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_lua_module.so";

/// A running nginx.
pub struct Nginx {
    master: Child,
    worker: i32,
    port: u16,
    health: Health,
    folder: tempfile::TempDir,
    loses_workers: Cell<bool>,
}

/// Requests that go on until the value is dropped.
pub struct Load {
    ends: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// A port of the loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
    listener.local_addr().expect("its address").port()
}

impl Nginx {
    /// Starts it; None, with what is missing, where it is not installed.
    pub fn start() -> Result<Nginx, String> {
        let nginx = program("nginx").ok_or("nginx is not installed (apt-get install nginx)")?;
        if !Path::new(MODULE).exists() {
            return Err("nginx has no Lua (apt-get install libnginx-mod-http-lua)".into());
        }
        // Between looking for a free port and taking it somebody else may have it.
        (0..5).find_map(|_| Nginx::start_once(&nginx)).ok_or_else(|| panic!("nginx does not start"))
    }

    fn start_once(nginx: &Path) -> Option<Nginx> {
        let (folder, port) = (folder(), free_port());
        let here = package().join("test-programs/nginx");
        let template = fs::read_to_string(here.join("nginx.conf")).expect("nginx.conf");
        let conf = folder.path().join("nginx.conf");
        let filled = template
            .replace("@USER@", if is_root() { "user root;" } else { "" })
            .replace("@DIR@", &folder.path().to_string_lossy())
            .replace("@PORT@", &port.to_string())
            .replace("@HERE@", &here.to_string_lossy())
            .replace("@LIB@", &build::crypt_library().to_string_lossy());
        fs::write(&conf, filled).expect("a filled nginx.conf");
        // It does not read stdin: the kernel has to end it when this test does not live to.
        let mut master = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(nginx)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(&conf)
            .stdin(Stdio::null())
            .spawn()
            .expect("setpriv and nginx start");
        let pid = master.id() as i32;
        let answers = || get(port, "/healthy").is_some();
        let mut worker = None;
        let serves = wait_until(Duration::from_secs(5), || {
            worker = Health::of(pid).and_then(|health| health.children.first().copied());
            worker.is_some() && answers()
        });
        let (Some(worker), true) = (worker, serves) else {
            let _ = master.kill();
            let _ = master.wait();
            return None;
        };
        let health = Health::of(worker).expect("the worker runs");
        Some(Nginx { master, worker, port, health, folder, loses_workers: Cell::new(false) })
    }

    /// Declares that its workers are killed in this test: no harm of ours.
    pub fn expect_kills(&self) {
        self.loses_workers.set(true);
    }

    /// Asks for `path` once, whether or not there is an answer.
    pub fn try_ask(&self, path: &str) -> Option<String> {
        get(self.port, path)
    }

    /// The worker's pid.
    pub fn worker(&self) -> i32 {
        self.worker
    }

    /// The master's pid.
    pub fn master(&self) -> i32 {
        self.master.id() as i32
    }

    /// Asks for `path` once.
    pub fn ask(&self, path: &str) -> String {
        get(self.port, path).unwrap_or_else(|| panic!("nginx does not answer {path}: {}", self.log()))
    }

    /// So many requests whose heads never end: each holds its connection and itself open.
    pub fn hold(&self, count: usize) -> Vec<TcpStream> {
        let open = |_| {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("nginx takes a connection");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nX-Held: 1\r\n").expect("nginx reads");
            stream
        };
        (0..count).map(open).collect()
    }

    /// Asks for `path`, `rate` times a second.
    pub fn load(&self, path: &str, rate: f64) -> Load {
        let (ends, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (port, path, ended, counter) = (self.port, path.to_owned(), ends.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            let mut connection = Connection::open(port).expect("nginx takes a connection");
            let begun = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                let due = Duration::from_secs_f64(counter.load(Ordering::Relaxed) as f64 / rate);
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
                connection.get(&path).expect("nginx answers under load");
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Load { ends, asked, thread: Some(thread) }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// Panics unless the worker is traced by nobody, runs, and answers.
    #[track_caller]
    pub fn assert_unharmed(&self) {
        Health::assert_unharmed(self.worker, &self.health, true);
        self.ask("/healthy");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        if panicking {
            scene::show("nginx worker", self.worker);
        }
        let check = || self.assert_unharmed();
        let checks = !panicking && !self.loses_workers.get();
        let result = checks.then(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)));
        let pid = nix::unistd::Pid::from_raw(self.master());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.master.wait();
        if let Some(Err(harm)) = result {
            std::panic::resume_unwind(harm);
        }
    }
}

impl Load {
    /// Requests answered so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ends it and tells how many requests were answered.
    pub fn end(mut self) -> u64 {
        self.join();
        self.asked()
    }

    fn join(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            assert!(std::thread::panicking() || result.is_ok(), "the load broke off");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(port: u16) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Connection(BufReader::new(stream)))
    }

    /// The body of the answer; both of nginx's ways to say its length are understood.
    fn get(&mut self, path: &str) -> std::io::Result<String> {
        write!(self.0.get_mut(), "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            chunked |= line == "transfer-encoding: chunked";
        }
        if !chunked {
            return self.body(length);
        }
        let mut whole = String::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).unwrap_or(0);
            whole += &self.body(length)?;
            self.line()?;
            if length == 0 {
                return Ok(whole);
            }
        }
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn body(&mut self, length: usize) -> std::io::Result<String> {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

fn get(port: u16, path: &str) -> Option<String> {
    Connection::open(port).and_then(|mut connection| connection.get(path)).ok()
}
