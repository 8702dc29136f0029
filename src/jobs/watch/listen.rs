//! A door for scrapers: answers `GET /metrics` with the board, one caller after the other. Knows as much of HTTP as that
//! takes; callers are hostile and get little time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::report::watch::{Board, metrics};

/// A request is a line and a few headers.
const LONGEST_REQUEST: usize = 8 << 10;
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the wish to stop is heard.
const NAP: Duration = Duration::from_millis(100);

/// An open door; closed when dropped.
pub struct Door {
    stop: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

impl Door {
    /// Listens at `address`.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub fn open(address: SocketAddr, board: &Arc<Mutex<Board>>) -> Result<Door> {
        let failed = |error: io::Error| Error::new(ErrorKind::Failed, "cannot listen at", address.to_string(), error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, board) = (Arc::clone(&stop), Arc::clone(board));
        let keep = move || {
            while !asked.load(Ordering::Relaxed) {
                match listener.accept() {
                    // A caller that goes away harms nobody.
                    Ok((caller, _)) => drop(answer(caller, &board)),
                    Err(_) => std::thread::sleep(NAP),
                }
            }
        };
        let keeper = std::thread::Builder::new().name("metrics".into()).spawn(keep).map_err(failed)?;
        Ok(Door { stop, keeper: Some(keeper) })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

fn answer(mut caller: TcpStream, board: &Mutex<Board>) -> io::Result<()> {
    caller.set_nonblocking(false)?;
    caller.set_read_timeout(Some(PATIENCE))?;
    caller.set_write_timeout(Some(PATIENCE))?;
    let request = request(&mut caller)?;
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        ("GET" | "HEAD", "/metrics" | "/") => {
            let board = board.lock().unwrap_or_else(PoisonError::into_inner);
            ("200 OK", metrics::CONTENT_TYPE, metrics::encoded(&board))
        }
        ("GET" | "HEAD", _) => ("404 Not Found", "text/plain", "there is only /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain", "only GET is answered\n".to_owned()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    caller.write_all(head.as_bytes())?;
    if method != "HEAD" {
        caller.write_all(body.as_bytes())?;
    }
    caller.flush()
}

/// The first line of the request; the rest is read and dropped, so that closing does not reset the connection.
fn request(caller: &mut TcpStream) -> io::Result<String> {
    let until = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = caller.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..length]);
        if length == 0 || bytes.len() > LONGEST_REQUEST || Instant::now() > until {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request).unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    #[test]
    fn scrapers_are_answered_and_others_told_off() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let board = Arc::new(Mutex::new(Board::default()));
        let door = Door::open(free, &board).unwrap();
        let good = ask(free, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(good.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text"), "{good}");
        assert!(good.ends_with("# EOF\n"));
        assert!(ask(free, b"GET /etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask(free, b"POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        assert_eq!(ask(free, &[b'x'; 20_000]), "");
        assert!(Door::open(free, &board).is_err());
        drop(door);
        assert!(TcpStream::connect(free).is_err());
    }
}
