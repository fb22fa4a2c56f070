//! The lab.

#[cfg(target_os = "linux")]
mod lab;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod lab;

pub mod client;
pub mod plan;
pub mod report;
pub mod scenario;
mod trouble;
pub mod zone;

pub use lab::Lab;
pub use trouble::Trouble;

use std::process::ExitCode;

/// Runs `work` in a lab. Where there can be none, says why, and succeeds unless one is required.
pub fn in_a_lab(required: bool, work: impl FnOnce(&Lab) -> ExitCode) -> ExitCode {
    match Lab::up() {
        Ok(lab) => work(&lab),
        Err(trouble) => {
            println!("{trouble}");
            let passes = matches!(trouble, Trouble::Missing(_)) && !required;
            if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}
