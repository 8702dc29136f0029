//! Where cgroups are: a process's membership, the mounts that show them, and their files.
//! Knows v1's memory hierarchy and v2; what their limits mean is `limits`'.

use std::path::{Component, Path, PathBuf};

use super::roots::{Roots, path_text};

/// Which of the two cgroup interfaces has the memory controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Version {
    V1,
    V2,
}

/// The cgroup that limits a process's memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Membership {
    pub version: Version,
    /// As in /proc/PID/cgroup: relative to our cgroup namespace's root, beginning with `/`.
    pub path: String,
}

impl Membership {
    /// From a /proc/PID/cgroup text. A v1 memory hierarchy has the controller where there is one.
    pub fn parse(text: &str) -> Option<Membership> {
        let mut unified = None;
        for line in text.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if controllers.split(',').any(|controller| controller == "memory") {
                return Some(Membership { version: Version::V1, path: path.to_owned() });
            }
            if number == "0" && controllers.is_empty() {
                unified = Some(Membership { version: Version::V2, path: path.to_owned() });
            }
        }
        unified
    }
}

/// A mounted cgroup hierarchy with the memory controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub version: Version,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Which cgroup is at that point, `/` for the root of our cgroup namespace.
    pub root: String,
}

impl Mount {
    /// The mount of `version`, from our own mountinfo, else where systemd puts it.
    pub fn find(roots: &Roots, version: Version) -> Option<Mount> {
        let text = roots.proc_text("self/mountinfo").unwrap_or_default();
        let mounted = text.lines().filter_map(parse_mount).filter(|mount| mount.version == version);
        // The one that shows most comes first: container engines mount parts of the tree elsewhere too.
        mounted.min_by_key(|mount| mount.root.len()).or_else(|| Mount::usual(roots, version))
    }

    fn usual(roots: &Roots, version: Version) -> Option<Mount> {
        let (folder, sign) = match version {
            Version::V1 => ("fs/cgroup/memory", "memory.usage_in_bytes"),
            Version::V2 => ("fs/cgroup", "cgroup.controllers"),
        };
        let point = roots.sys.join(folder);
        point.join(sign).exists().then(|| Mount { version, point, root: "/".into() })
    }

    /// The folder of the cgroup `path`, `None` where this mount does not show it (it is above our namespace's root).
    pub fn folder(&self, path: &str) -> Option<PathBuf> {
        let below = if self.root == "/" { path } else { strip_cgroup(path, &self.root)? };
        let below = Path::new(below.trim_start_matches('/'));
        let inside = below.components().all(|part| matches!(part, Component::Normal(_)));
        inside.then(|| self.point.join(below))
    }
}

/// `path` below the cgroup `root`; `None` where it is elsewhere.
fn strip_cgroup<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(root)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// One line of mountinfo: `id parent device root point options… - type source super-options`.
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let mut kind = right.split(' ');
    let version = match kind.next()? {
        "cgroup2" => Version::V2,
        "cgroup" if kind.nth(1)?.split(',').any(|option| option == "memory") => Version::V1,
        _ => return None,
    };
    Some(Mount { version, point: PathBuf::from(unescape(point)), root: unescape(root) })
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
pub(super) fn unescape(text: &str) -> String {
    ["\\040 ", "\\011\t", "\\012\n", "\\134\\"].iter().fold(text.to_owned(), |text, pair| {
        let (code, plain) = pair.split_at(4);
        text.replace(code, plain)
    })
}

/// A file of one number, `None` where it says `max` or cannot be read.
pub(super) fn number(folder: &Path, file: &str) -> Option<u64> {
    path_text(&folder.join(file)).ok()?.trim().parse().ok()
}

/// A value of a `key value` file such as memory.stat.
pub(super) fn keyed(folder: &Path, file: &str, key: &str) -> Option<u64> {
    let text = path_text(&folder.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_memory_controller_decides_which_line_counts() {
        let hybrid = "9:name=systemd:/\n4:cpu,memory:/a:b/c\n0::/\n";
        assert_eq!(Membership::parse(hybrid), Some(Membership { version: Version::V1, path: "/a:b/c".into() }));
        let unified = Membership { version: Version::V2, path: "/system.slice/x.service".into() };
        assert_eq!(Membership::parse("1:name=systemd:/x\n0::/system.slice/x.service\n"), Some(unified));
        assert_eq!(Membership::parse("nonsense"), None);
    }

    #[test]
    fn mounts_are_found_with_their_roots() {
        let v1 =
            parse_mount("35 31 0:32 /docker/ab /sys/fs/cgroup/memory rw,relatime master:9 - cgroup cgroup rw,memory")
                .unwrap();
        assert_eq!((v1.version, v1.root.as_str()), (Version::V1, "/docker/ab"));
        assert_eq!(v1.folder("/docker/ab/x"), Some("/sys/fs/cgroup/memory/x".into()));
        assert_eq!(v1.folder("/docker/ab"), Some("/sys/fs/cgroup/memory/".into()));
        assert_eq!(v1.folder("/docker/abc"), None);
        let v2 = parse_mount("41 31 0:38 / /a\\040b rw - cgroup2 cgroup2 rw").unwrap();
        assert_eq!(v2.folder("/x/y"), Some("/a b/x/y".into()));
        assert_eq!(v2.folder("/../x"), None);
        assert_eq!(parse_mount("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"), None);
    }

    proptest! {
        #[test]
        fn any_text_ends_and_no_path_leaves_the_mount(line in ".{0,120}", path in "[/a.]{0,12}") {
            let _ = Membership::parse(&line);
            let _ = parse_mount(&format!("1 2 3:4 {line} / - cgroup2 {line}"));
            let mount = Mount { version: Version::V2, point: "/mnt".into(), root: "/".into() };
            if let Some(folder) = mount.folder(&path) {
                prop_assert!(folder.starts_with("/mnt") && !folder.to_string_lossy().contains("/../"));
            }
        }
    }
}
