//! The names that the lab's DNS server knows, and how it answers for each of them.

use std::time::Duration;

use umbel::net::Family;

use crate::plan::{Host, Kind};

/// What is answered to a question for one type of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The address of this host, after so long.
    Late(Host, Duration),
    /// That the server has failed.
    ServFail,
    /// Nothing.
    Silence,
}

/// A name, with the answers for its two types of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Zone {
    /// The name.
    pub name: &'static str,
    /// What a question for AAAA gets.
    pub aaaa: Answer,
    /// What a question for A gets.
    pub a: Answer,
}

impl Zone {
    pub(crate) fn answer(&self, family: Family) -> Answer {
        match family {
            Family::V4 => self.a,
            Family::V6 => self.aaaa,
        }
    }
}

const A: Answer = Answer::Late(Host::v4(Kind::Good), Duration::ZERO);
const AAAA: Answer = aaaa_late(0);

const fn aaaa_late(millis: u64) -> Answer {
    Answer::Late(Host::v6(Kind::Good), Duration::from_millis(millis))
}

/// Both types of record are answered at once.
pub const BOTH: Zone = Zone { name: "both.test", aaaa: AAAA, a: A };
/// AAAA is answered within the resolution delay of RFC 8305.
pub const AAAA_LATE: Zone = Zone { name: "aaaa-late.test", aaaa: aaaa_late(30), a: A };
/// AAAA is answered when nobody should be waiting for it any more.
pub const AAAA_TOO_LATE: Zone = Zone { name: "aaaa-too-late.test", aaaa: aaaa_late(1500), a: A };
/// The server fails for AAAA.
pub const AAAA_FAILS: Zone = Zone { name: "aaaa-fails.test", aaaa: Answer::ServFail, a: A };
/// Questions for AAAA get no answer.
pub const AAAA_LOST: Zone = Zone { name: "aaaa-lost.test", aaaa: Answer::Silence, a: A };
/// Questions for A get no answer.
pub const A_LOST: Zone = Zone { name: "a-lost.test", aaaa: AAAA, a: Answer::Silence };

/// All of them.
pub(crate) const ALL: [&Zone; 6] =
    [&BOTH, &AAAA_LATE, &AAAA_TOO_LATE, &AAAA_FAILS, &AAAA_LOST, &A_LOST];
