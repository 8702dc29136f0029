//! Who has which role: a worker that is killed and the one forked in its place share one line of history. Knows roles and
//! pids; whether a process lives is for others to find out.

use std::collections::{BTreeMap, BTreeSet};

/// Roles that nobody has are remembered up to this number.
const VACANT: usize = 1024;

/// Kinds told apart; a process may call itself anything, as often as it likes.
const KINDS: usize = 4096;
const OTHERS: &str = "(other)";

/// A role that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its name, unique in this watch.
    pub role: String,
    /// Who had it before, where somebody had.
    pub before: Option<i32>,
}

/// The roles of a watch.
#[derive(Debug, Default)]
pub struct Roster {
    /// Who has a role now.
    holders: BTreeMap<String, i32>,
    /// Roles without a holder, in the order in which they were left: kind, role, last holder.
    vacant: Vec<(String, String, i32)>,
    /// Kinds with the number given last.
    numbers: BTreeMap<String, u64>,
    /// Roles that end with their holder.
    passing: BTreeSet<String>,
}

impl Roster {
    /// Gives `pid` a role of `kind`, such as `nginx worker`: one that was left where there is one, else a new one.
    pub fn give(&mut self, kind: &str, pid: i32) -> Given {
        let left = self.vacant.iter().position(|(of, _, _)| of == kind);
        if let Some(index) = left {
            let (_, role, before) = self.vacant.remove(index);
            self.holders.insert(role.clone(), pid);
            return Given { role, before: Some(before) };
        }
        match self.number(kind) {
            Some(role) => {
                self.holders.insert(role.clone(), pid);
                Given { role, before: None }
            }
            None => self.name(self.free(OTHERS), pid),
        }
    }

    /// Gives `pid` a role that nobody takes over.
    pub fn name(&mut self, role: String, pid: i32) -> Given {
        self.holders.insert(role.clone(), pid);
        self.passing.insert(role.clone());
        Given { role, before: None }
    }

    /// Whether a role of `kind` waits for an heir.
    pub fn is_vacant(&self, kind: &str) -> bool {
        self.vacant.iter().any(|(of, _, _)| of == kind)
    }

    /// The holder of `role` is gone; the role waits for an heir. The role that nobody will have again, where there is one.
    pub fn leave(&mut self, kind: &str, role: &str) -> Option<String> {
        let pid = self.holders.remove(role)?;
        if self.passing.remove(role) {
            return Some(role.to_owned());
        }
        self.vacant.push((kind.to_owned(), role.to_owned(), pid));
        (self.vacant.len() > VACANT).then(|| self.vacant.remove(0).1)
    }

    /// The holder of `role` goes on only to finish its work: it gets a role of its own that ends with it, and the one it
    /// had waits for an heir. That role, and the one that nobody will have again, where there is one.
    pub fn retire(&mut self, kind: &str, role: &str) -> Option<(String, Option<String>)> {
        let pid = *self.holders.get(role)?;
        let forgotten = self.leave(kind, role);
        let old = self.free(&format!("{kind} (draining)"));
        Some((self.name(old, pid).role, forgotten))
    }

    /// The next role of `kind`; None of a kind too many.
    fn number(&mut self, kind: &str) -> Option<String> {
        if !self.numbers.contains_key(kind) && self.numbers.len() >= KINDS {
            return None;
        }
        let number = self.numbers.entry(kind.to_owned()).or_insert(0);
        *number += 1;
        Some(format!("{kind} {number}"))
    }

    /// The first role of `kind` that nobody has. Roles that end with their holder are named again: names are labels of
    /// metrics and must not become more with every reload.
    fn free(&self, kind: &str) -> String {
        let names = (1u64..).map(|number| format!("{kind} {number}"));
        names.into_iter().find(|role| !self.holders.contains_key(role)).unwrap_or_else(|| kind.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heirs_take_the_role_that_was_left_first() {
        let mut roster = Roster::default();
        assert_eq!(roster.give("w", 10).role, "w 1");
        assert_eq!(roster.give("w", 11).role, "w 2");
        assert_eq!(roster.give("cache", 12).role, "cache 1");
        assert_eq!(roster.leave("w", "w 2"), None);
        assert_eq!(roster.leave("w", "w 1"), None);
        assert_eq!(roster.give("w", 20), Given { role: "w 2".into(), before: Some(11) });
        assert_eq!(roster.give("w", 21), Given { role: "w 1".into(), before: Some(10) });
        assert_eq!(roster.give("w", 22), Given { role: "w 3".into(), before: None });
    }

    #[test]
    fn a_reload_hands_roles_on_while_the_old_drain() {
        let mut roster = Roster::default();
        roster.give("w", 10);
        let (old, forgotten) = roster.retire("w", "w 1").unwrap();
        assert_eq!(forgotten, None);
        assert_eq!(old, "w (draining) 1");
        assert_eq!(roster.give("w", 20), Given { role: "w 1".into(), before: Some(10) });
        assert_eq!(roster.leave("w", &old), Some(old.clone()));
        assert_eq!(roster.retire("w", "w 1").unwrap().0, old, "named again");
        roster.give("w", 30);
        assert_eq!(roster.give("w", 21).role, "w 2");
        assert_eq!(roster.retire("w", "nobody"), None);
    }

    #[test]
    fn what_nobody_takes_over_is_bounded() {
        let mut roster = Roster::default();
        for pid in 0..5000 {
            let role = roster.give(&format!("kind {pid}"), pid).role;
            let forgotten = roster.leave(&format!("kind {pid}"), &role);
            assert_eq!(forgotten.is_some(), pid >= VACANT as i32);
            assert!(pid < KINDS as i32 || role == "(other) 1", "{role}");
        }
        assert!(roster.vacant.len() == VACANT && roster.numbers.len() <= KINDS + 1);
    }
}
