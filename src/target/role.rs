//! The part a process plays among processes that work together, as far as its title and relatives tell.
//! Knows the titles that servers give themselves; draws no conclusion from the part.

use std::fmt;

use super::identity::{Identity, read_cmdline};
use super::roots::Roots;
use super::stat::Stat;

/// The part a process plays in its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Starts and supervises the others.
    Master,
    /// Does the work.
    Worker,
    /// nginx's keeper of the cache on disk.
    CacheManager,
    /// nginx's reader of the cache on disk, short-lived.
    CacheLoader,
    /// A part with a name of its own, such as PostgreSQL's `checkpointer`. Hostile text, at most 40 characters.
    Named(String),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Master => "master",
            Role::Worker => "worker",
            Role::CacheManager => "cache manager",
            Role::CacheLoader => "cache loader",
            Role::Named(name) => name,
        })
    }
}

/// Servers that fork workers without giving them a title: there the family tells.
const PREFORKING: &[&str] = &["apache2", "httpd", "gunicorn", "uwsgi", "uwsgi-core", "haproxy", "unicorn", "celery"];

pub(super) fn role_of(roots: &Roots, identity: &Identity) -> Option<Role> {
    let title = identity.cmdline.join(" ");
    if let Some(role) = role_of_title(&title) {
        return Some(role);
    }
    if !PREFORKING.contains(&identity.name.as_str()) {
        return None;
    }
    let is_same = |pid: i32| {
        let directory = roots.proc.join(pid.to_string());
        let cmdline = std::fs::File::open(directory.join("cmdline")).and_then(read_cmdline);
        let name = roots.proc_text(&format!("{pid}/stat")).ok().and_then(|text| Stat::parse(&text));
        name.is_some_and(|stat| stat.name == identity.name) && cmdline.is_ok_and(|other| other == identity.cmdline)
    };
    if is_same(identity.ppid) {
        return Some(Role::Worker);
    }
    super::relatives::children_of(roots, identity.pid).into_iter().any(is_same).then_some(Role::Master)
}

/// From a title alone.
fn role_of_title(title: &str) -> Option<Role> {
    if let Some((program, part)) = title.split_once(": ") {
        match program.rsplit('/').next().unwrap_or(program) {
            "nginx" | "openresty" | "tengine" | "angie" => return role_of_nginx(part),
            "gunicorn" => return master_or_worker(part),
            "postgres" | "postmaster" => return Some(role_of_postgres(part)),
            "puma" if part.starts_with("cluster worker") => return Some(Role::Worker),
            _ if program.contains("php-fpm") => return role_of_php(part),
            _ => {}
        }
    }
    let program = title.split(' ').next().unwrap_or("");
    let name = program.rsplit('/').next().unwrap_or(program);
    match name {
        "unicorn" | "unicorn_rails" => master_or_worker(title.split_once(' ')?.1),
        "postgres" | "postmaster" => Some(Role::Master),
        "redis-rdb-bgsave" | "redis-aof-rewrite" => Some(Role::Named("background save".into())),
        _ => None,
    }
}

fn master_or_worker(part: &str) -> Option<Role> {
    if part.starts_with("master") {
        return Some(Role::Master);
    }
    part.starts_with("worker").then_some(Role::Worker)
}

fn role_of_nginx(part: &str) -> Option<Role> {
    if part.starts_with("cache manager") {
        return Some(Role::CacheManager);
    }
    if part.starts_with("cache loader") {
        return Some(Role::CacheLoader);
    }
    if part.starts_with("privileged agent") {
        return Some(Role::Named("privileged agent".into()));
    }
    master_or_worker(part)
}

fn role_of_php(part: &str) -> Option<Role> {
    if part.starts_with("pool ") { Some(Role::Worker) } else { master_or_worker(part) }
}

/// Background processes have fixed names; everything else is a backend, titled `user database host state`.
fn role_of_postgres(part: &str) -> Role {
    const BACKGROUND: &[&str] = &[
        "checkpointer",
        "background writer",
        "walwriter",
        "wal writer",
        "autovacuum launcher",
        "autovacuum worker",
        "logical replication launcher",
        "logical replication worker",
        "stats collector",
        "archiver",
        "logger",
        "startup",
        "walsender",
        "walreceiver",
        "parallel worker",
        "io worker",
        "slotsync worker",
    ];
    // With cluster_name set the title is `postgres: NAME: part`.
    let part = part.split_once(": ").map_or(part, |(_, rest)| rest);
    match BACKGROUND.iter().find(|name| part.starts_with(**name)) {
        Some(name) => Role::Named((*name).to_owned()),
        None => Role::Worker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_servers() {
        let named = |name: &str| Some(Role::Named(name.into()));
        for (title, role) in [
            ("nginx: master process /usr/sbin/nginx -g daemon off;", Some(Role::Master)),
            ("nginx: worker process", Some(Role::Worker)),
            ("nginx: worker process is shutting down", Some(Role::Worker)),
            ("nginx: cache manager process", Some(Role::CacheManager)),
            ("nginx: cache loader process", Some(Role::CacheLoader)),
            ("php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)", Some(Role::Master)),
            ("php-fpm: pool www", Some(Role::Worker)),
            ("gunicorn: master [app:app]", Some(Role::Master)),
            ("gunicorn: worker [app:app]", Some(Role::Worker)),
            ("unicorn worker[3] -c /srv/unicorn.rb", Some(Role::Worker)),
            ("/usr/bin/unicorn master -D", Some(Role::Master)),
            ("puma: cluster worker 0: 4213 [shop]", Some(Role::Worker)),
            ("postgres: checkpointer ", named("checkpointer")),
            ("postgres: 15/main: walwriter ", named("walwriter")),
            ("postgres: shop orders 10.0.0.2(3312) idle", Some(Role::Worker)),
            ("/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main", Some(Role::Master)),
            ("redis-rdb-bgsave *:6379", named("background save")),
            ("redis-server *:6379", None),
            ("vi nginx: worker", None),
            ("", None),
        ] {
            assert_eq!(role_of_title(title), role, "{title}");
        }
    }

    #[test]
    fn an_untitled_family_is_told_by_who_is_whose_child() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots { proc: folder.path().to_owned(), sys: folder.path().to_owned() };
        for (pid, ppid) in [(10, 1), (11, 10)] {
            let directory = roots.proc.join(pid.to_string());
            std::fs::create_dir_all(directory.join(format!("task/{pid}"))).unwrap();
            std::fs::write(directory.join("cmdline"), "/usr/sbin/apache2\0-k\0start\0").unwrap();
            let stat = format!("{pid} (apache2) S {ppid} 0 0 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9981 100 200");
            std::fs::write(directory.join("stat"), stat).unwrap();
        }
        std::fs::write(roots.proc.join("10/task/10/children"), "11 ").unwrap();
        let cmdline: Vec<String> = ["/usr/sbin/apache2", "-k", "start"].map(String::from).to_vec();
        let identity =
            |pid, ppid| Identity { pid, ppid, name: "apache2".into(), cmdline: cmdline.clone(), ..Identity::default() };
        assert_eq!(role_of(&roots, &identity(11, 10)), Some(Role::Worker));
        assert_eq!(role_of(&roots, &identity(10, 1)), Some(Role::Master));
        assert_eq!(role_of(&roots, &Identity { name: "bash".into(), ..identity(11, 10) }), None);
    }
}
