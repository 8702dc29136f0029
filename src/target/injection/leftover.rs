//! What an injection can leave behind in a target when the process that made it is killed by SIGKILL in a window of
//! some 0.1 ms: one userfaultfd that does nothing. Finds it and has the target close it.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::fcntl::readlinkat;
use serde::{Deserialize, Serialize};

use super::site::Site;
use crate::sys::aside::{self, Talk};
use crate::sys::userfaultfd;
use crate::target::Target;

/// A program that uses one itself agrees with the kernel on its version right after creating it.
const PATIENCE: Duration = Duration::from_millis(20);

#[derive(Debug, Serialize, Deserialize)]
struct Closed;

impl Target {
    /// Removes what an earlier run left behind when it was killed. Costs nothing where there is nothing; what cannot be
    /// removed is harmless.
    pub fn heal(&self) {
        let left = leftovers(self);
        if left.is_empty() {
            return;
        }
        std::thread::sleep(PATIENCE);
        let again = leftovers(self);
        let ours: Vec<i32> = left.into_iter().filter(|number| again.contains(number)).collect();
        let (Ok(site), Ok(mem)) = (Site::find(self), self.writable_memory()) else { return };
        let closer = aside::begin(&[mem.as_fd()], |talk| {
            close(&site, &mem, &ours);
            let _ = talk.say(&Closed);
        });
        let _ = closer.ok().as_mut().and_then(aside::Aside::talk).map(Talk::hear::<Closed>);
    }
}

/// Descriptors that look like one of ours before it was used: no agreement with the kernel, and our flags.
fn leftovers(target: &Target) -> Vec<i32> {
    let numbers = target.list("fd").unwrap_or_default().into_iter().filter_map(|name| name.parse().ok());
    numbers.filter(|number| is_idle_userfaultfd(target, *number)).collect()
}

fn is_idle_userfaultfd(target: &Target, number: i32) -> bool {
    let link = readlinkat(target.directory(), format!("fd/{number}").as_str());
    if !link.is_ok_and(|link| link == "anon_inode:[userfaultfd]") {
        return false;
    }
    let text = target.proc_text(&format!("fdinfo/{number}")).unwrap_or_default();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim();
    let flags = u64::from_str_radix(value("flags:"), 8).unwrap_or(0);
    let ours = userfaultfd::FLAGS & !1;
    // `API: version:features:ioctls`; without an agreement the features are 0.
    flags & ours == ours && value("API:").split(':').nth(1) == Some("0")
}

#[cfg(target_arch = "x86_64")]
fn close(site: &Site, mem: &std::fs::File, numbers: &[i32]) {
    let mut work = |seat: &mut crate::sys::inject::Seat<'_>| {
        numbers.iter().try_for_each(|number| seat.call(libc::SYS_close, &[*number as u64]).map(|_| ()))
    };
    // What fails leaves an idle descriptor, as before.
    let _ = super::sitting::with_seat(site, mem, &mut work);
}

#[cfg(not(target_arch = "x86_64"))]
fn close(_: &Site, _: &std::fs::File, _: &[i32]) {}
