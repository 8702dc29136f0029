//! The process a document speaks of.

use serde::{Serialize, Serializer};

use crate::target::{Identity, Role};

/// A process under examination.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TargetRow {
    /// Its process id.
    pub pid: i32,
    /// Its parent's.
    pub ppid: Option<i32>,
    /// The kernel's short name (comm).
    pub name: String,
    /// Path of its program.
    pub exe: Option<String>,
    /// Its arguments as they stand in its memory now.
    pub cmdline: Vec<String>,
    /// Real user id.
    pub uid: Option<u32>,
    /// Threads.
    pub threads: Option<u64>,
    /// When it started; RFC 3339 in UTC.
    #[serde(serialize_with = "rfc3339")]
    pub start_time: Option<jiff::Timestamp>,
    /// Its memory control group.
    pub cgroup: Option<String>,
    /// The container it runs in, as its control group tells.
    pub container_id: Option<String>,
    /// What it does among its siblings: `master`, `worker`, …
    pub role: Option<String>,
}

impl From<&Identity> for TargetRow {
    fn from(identity: &Identity) -> TargetRow {
        TargetRow {
            pid: identity.pid,
            // 0 is a parent outside our pid namespace.
            ppid: Some(identity.ppid).filter(|ppid| *ppid > 0),
            name: identity.name.clone(),
            exe: identity.exe.clone(),
            cmdline: identity.cmdline.clone(),
            uid: Some(identity.uid),
            threads: Some(identity.threads).filter(|threads| *threads > 0),
            start_time: Some(identity.start_time),
            cgroup: identity.cgroup.clone(),
            container_id: identity.container_id.clone(),
            role: identity.role.as_ref().map(Role::to_string),
        }
    }
}

fn rfc3339<S: Serializer>(time: &Option<jiff::Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
