//! A real python whose dictionary of sessions is never emptied.

use crate::common::answer::members_per_second;
use crate::common::{assert_near, groups, leakscope, members, python, skip};

#[test]
fn sessions_that_are_kept_are_named() {
    let patient = match python::start("sessions", &["20000", "20000"]) {
        Ok(patient) => patient,
        Err(missing) => return skip(&missing),
    };
    patient.tell("go");
    let value = leakscope(["inspect", &patient.target(), "--for", "4s", "--json"]).run().json();
    let kind = value["verdict"]["kind"].as_str().unwrap_or("");
    assert!(["growing", "leak"].contains(&kind), "{:#}", value["verdict"]);
    let first = groups(&value).iter().find(|group| group["kind"] == "json").expect("a json group");
    assert_eq!(first["label"], patient.text("label").as_str());
    assert_near("records a second", members_per_second(first), 20_000.0, 15.0);
}

#[test]
fn an_idle_python_is_counted() {
    let patient = match python::start("sessions", &["30000", "1"]) {
        Ok(patient) => patient,
        Err(missing) => return skip(&missing),
    };
    let value = leakscope(["scan", &patient.target(), "--json"]).run().json();
    let (count, _) = members(&value, "json", &["{session:hex, user_id:int, path:str"]);
    // A few lie about in buffers.
    assert!((29_990..=30_010).contains(&count), "{count}");
}
