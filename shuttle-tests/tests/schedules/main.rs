//! Random schedules of whole scopes. Each test names the rules that it is about.
#![cfg(umbel_shuttle)]

mod defects;
mod scenarios;
mod scripts;
