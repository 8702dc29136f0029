//! A python program that keeps too much, spoken to like any other patient.

use std::process::Command;

use super::{Patient, package, program};

/// Starts `test-programs/python/NAME.py`; what is missing where python is not installed.
pub fn start(name: &str, arguments: &[&str]) -> Result<Patient, String> {
    let python = program("python3").ok_or("python is not installed (apt-get install python3)")?;
    let script = package().join(format!("test-programs/python/{name}.py"));
    // A wrapper that chooses among several pythons may be what PATH names: the interpreter itself is to be the child.
    let real = Command::new(&python).args(["-c", "import sys; print(sys.executable)"]).output();
    let real = real.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let python = if real.is_empty() { python } else { real.into() };
    Ok(Patient::start(name, Command::new(python).arg(script).args(arguments)))
}
