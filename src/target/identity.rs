//! Who a process is: names, user, age, cgroup, container. Read once when a target is opened.
//! Everything in it was written by the target or its users: hostile text, bounded here, escaped by the writers.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use jiff::{SignedDuration, Timestamp};
use nix::unistd::{SysconfVar, sysconf};

use super::cgroup::Membership;
use super::opening::open_in;
use super::role::{Role, role_of};
use super::roots::{Roots, whole_text};
use super::stat::{Stat, Status};

/// Who a process is, as it stood when it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Its number in our pid namespace.
    pub pid: i32,
    /// Its parent's; 0 where that is outside our pid namespace.
    pub ppid: i32,
    /// The kernel's short name for it, at most 15 bytes.
    pub name: String,
    /// Its program file as seen from its own root, without a ` (deleted)`; `None` where we may not see it.
    pub exe: Option<String>,
    /// Whether that file was deleted or replaced since it was started.
    pub exe_deleted: bool,
    /// Its arguments as they stand now, cut at 64 KiB in all. Servers overwrite them with a title.
    pub cmdline: Vec<String>,
    /// Its real user.
    pub uid: u32,
    /// Threads when it was opened.
    pub threads: u64,
    /// When it was started, to a hundredth of a second (the machine's boot time is known to a second).
    pub start_time: Timestamp,
    /// The same in clock ticks since the boot: a clock that is set does not move it, and with the pid it names one process.
    pub start_ticks: u64,
    /// Its cgroup below the mount that limits memory, such as `/system.slice/nginx.service`.
    pub cgroup: Option<String>,
    /// 64 hexadecimal digits, as docker, containerd, CRI-O and podman name containers.
    pub container_id: Option<String>,
    /// Its part among processes that work together.
    pub role: Option<Role>,
    /// Whether its program is a 32-bit one.
    pub is_32bit: bool,
}

const CMDLINE_LIMIT: u64 = 64 * 1024;

impl Identity {
    /// Reads what can be read; what cannot is left out. `stat` is the process's own of just now.
    pub(super) fn read(roots: &Roots, directory: &OwnedFd, pid: i32, stat: &Stat) -> Identity {
        let text = |name: &str| open_in(directory, name).and_then(whole_text).unwrap_or_default();
        let status = Status::parse(&text("status"));
        let cgroups = text("cgroup");
        let exe = nix::fcntl::readlinkat(directory, "exe").ok().map(|path| path.to_string_lossy().into_owned());
        let (exe, exe_deleted) = split_deleted(exe);
        let mut identity = Identity {
            pid,
            ppid: stat.ppid,
            name: stat.name.clone(),
            exe,
            exe_deleted,
            cmdline: open_in(directory, "cmdline").and_then(read_cmdline).unwrap_or_default(),
            uid: status.uid,
            threads: status.threads,
            start_time: BootClock::read(roots).time(stat.start_ticks),
            start_ticks: stat.start_ticks,
            cgroup: Membership::parse(&cgroups).map(|membership| membership.path),
            container_id: container_id(&cgroups).or_else(|| container_id_of_mounts(&text("mountinfo"))),
            role: None,
            is_32bit: open_in(directory, "exe").and_then(elf_class).is_ok_and(|class| class == ELFCLASS32),
        };
        identity.role = role_of(roots, &identity);
        identity
    }
}

const ELFCLASS32: u8 = 1;

fn elf_class(mut exe: File) -> io::Result<u8> {
    let mut head = [0u8; 5];
    exe.read_exact(&mut head)?;
    if head.starts_with(b"\x7fELF") { Ok(head[4]) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn split_deleted(path: Option<String>) -> (Option<String>, bool) {
    let Some(path) = path else { return (None, false) };
    match path.strip_suffix(" (deleted)") {
        Some(alive) => (Some(alive.to_owned()), true),
        None => (Some(path), false),
    }
}

pub(super) fn read_cmdline(file: File) -> io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    file.take(CMDLINE_LIMIT).read_to_end(&mut bytes)?;
    Ok(parse_cmdline(&bytes))
}

/// Arguments end in NUL; a title written over them may be padded with NULs or spaces.
fn parse_cmdline(bytes: &[u8]) -> Vec<String> {
    let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
    if end == 0 {
        return Vec::new();
    }
    bytes[..end].split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Turns clock ticks after boot into times.
pub(super) struct BootClock {
    boot: Timestamp,
    ticks_per_second: u64,
}

impl BootClock {
    /// Reads when the machine was booted.
    pub fn read(roots: &Roots) -> BootClock {
        let text = roots.proc_text("stat").unwrap_or_default();
        let seconds = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
        let boot = Timestamp::from_second(seconds.unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH);
        let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok());
        BootClock { boot, ticks_per_second: ticks.filter(|ticks| *ticks > 0).unwrap_or(100) }
    }

    /// When so many ticks had passed since boot.
    pub fn time(&self, ticks: u64) -> Timestamp {
        let (seconds, rest) = (ticks / self.ticks_per_second, ticks % self.ticks_per_second);
        let millis = i64::try_from(rest.saturating_mul(1000) / self.ticks_per_second).unwrap_or(0);
        let since_boot = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
            .saturating_add(SignedDuration::from_millis(millis));
        self.boot.checked_add(since_boot).unwrap_or(self.boot)
    }
}

/// The id of the innermost container that a /proc/PID/cgroup text names: `/docker/ID`, `docker-ID.scope`,
/// `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope`, `/kubepods/…/ID`.
pub(super) fn container_id(cgroups: &str) -> Option<String> {
    let paths = cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.rsplit('/').find_map(id_in_component)).next()
}

fn id_in_component(component: &str) -> Option<String> {
    let bare = component.strip_suffix(".scope").unwrap_or(component);
    if bare.contains("conmon") {
        return None;
    }
    let id = bare.rsplit('-').next()?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

/// In a cgroup namespace of its own a container shows no id in its cgroup path, but engines mount its hostname
/// file from a folder named by the id.
fn container_id_of_mounts(mountinfo: &str) -> Option<String> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        if point != "/etc/hostname" { None } else { root.rsplit('/').find_map(id_in_component) }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::target::child::WaitingChild;

    const ID: &str = "3f4b1c2d3f4b1c2d3f4b1c2d3f4b1c2d3f4b1c2d3f4b1c2d3f4b1c2d3f4b1c2d";

    #[test]
    fn container_ids_in_every_engines_spelling() {
        for path in [
            format!("12:memory:/docker/{ID}"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{ID}.scope"
            ),
            format!("0::/kubepods.slice/crio-{ID}.scope/container"),
            format!("0::/machine.slice/libpod-{ID}.scope/nested"),
            format!("1:name=systemd:/\n4:memory:/kubepods/burstable/pod12-34/{ID}\n0::/"),
        ] {
            assert_eq!(container_id(&path).as_deref(), Some(ID), "{path}");
        }
        for path in ["0::/", "0::/user.slice/user-0.slice", "", "4:memory:/a/c29264f186c1977e34b4a53f6d53c236"] {
            assert_eq!(container_id(path), None, "{path}");
        }
        assert_eq!(container_id(&format!("0::/machine.slice/libpod-conmon-{ID}.scope")), None);
    }

    #[test]
    fn a_container_with_its_own_cgroup_namespace_is_known_by_its_hostname_file() {
        let mounts = format!(
            "600 500 0:50 / / rw - overlay overlay rw\n\
             601 600 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
        );
        assert_eq!(container_id_of_mounts(&mounts).as_deref(), Some(ID));
    }

    #[test]
    fn arguments_and_titles() {
        assert_eq!(parse_cmdline(b"a\0b c\0\0d\0"), ["a", "b c", "", "d"]);
        assert_eq!(parse_cmdline(b"nginx: worker process\0\0\0   \0"), ["nginx: worker process"]);
        assert!(parse_cmdline(b"").is_empty());
        assert!(parse_cmdline(b"\0\0").is_empty());
    }

    #[test]
    fn a_deleted_program_is_told_apart() {
        assert_eq!(split_deleted(Some("/a (deleted)".into())), (Some("/a".into()), true));
        assert_eq!(split_deleted(Some("/a".into())), (Some("/a".into()), false));
    }

    #[test]
    fn a_childs_start_lies_between_before_and_after() {
        let before = Timestamp::now();
        let child = WaitingChild::of(std::process::Command::new("sleep").arg("60"));
        let identity = crate::target::Target::open(child.pid()).unwrap().identity().clone();
        // The boot time is a whole number of seconds, rounded either way.
        let slack = SignedDuration::from_secs(2);
        assert!(identity.start_time > before - slack && identity.start_time < Timestamp::now() + slack);
        assert_eq!(identity.cmdline, ["sleep", "60"]);
        assert_eq!((identity.name.as_str(), identity.ppid), ("sleep", std::process::id() as i32));
        assert!(identity.exe.unwrap().starts_with('/') && !identity.is_32bit && !identity.exe_deleted);
    }

    proptest! {
        #[test]
        fn any_text_ends(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,200}") {
            prop_assert!(parse_cmdline(&bytes).iter().map(String::len).sum::<usize>() <= 3 * bytes.len());
            prop_assert!(container_id(&text).is_none_or(|id| id.len() == 64));
            let _ = container_id_of_mounts(&format!("1 2 3 {text} /etc/hostname"));
        }
    }
}
