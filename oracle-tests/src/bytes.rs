//! Scripts out of bytes: every byte string is one. So a fuzzer, a generator of random cases and its
//! shrinking all work on the same thing.
//!
//! An operation takes [`SIZE`] bytes. Zeros mean the simplest that there is, and what refers to others
//! counts back from the newest, so that a script stays much the same when an operation is taken out.

use crate::script::{GROUND, Held, How, Number, Op, Open, Script, Step, Thing};

/// Bytes for one operation.
pub const SIZE: usize = 6;

/// An operation as bytes: what, by whom, to whom, how, for how long, and whether in one turn with the
/// one before.
pub type Word = [u8; SIZE];

/// From here on the last byte has an operation share a turn with the one before.
const JOINED: u8 = 176;

/// The longest script that is made. Every step has a moment of its own: see `machine`.
pub const LONGEST: usize = 120;

/// What the first byte stands for, as often as it is to occur.
#[derive(Clone, Copy)]
enum Code {
    Open,
    Shield,
    Start,
    Defer,
    Drop,
    Cancel,
    Stop,
    Deadline,
    Forget,
    Check,
    Drain,
    Return,
    Fail,
    Panic,
    Wait,
}

const CODES: [(Code, usize); 15] = [
    (Code::Open, 10),
    (Code::Start, 13),
    (Code::Cancel, 5),
    (Code::Shield, 6),
    (Code::Return, 4),
    (Code::Wait, 3),
    (Code::Stop, 3),
    (Code::Defer, 5),
    (Code::Drop, 2),
    (Code::Panic, 2),
    (Code::Fail, 3),
    (Code::Deadline, 2),
    (Code::Check, 3),
    (Code::Forget, 1),
    (Code::Drain, 2),
];

impl Code {
    fn of(byte: u8) -> Self {
        let all: usize = CODES.iter().map(|(_, share)| share).sum();
        let mut place = usize::from(byte) % all;
        for (code, share) in CODES {
            if place < share {
                return code;
            }
            place -= share;
        }
        Self::Open
    }
}

/// The script that the bytes stand for. What is left over at the end counts as if zeros followed.
#[must_use]
pub fn script(bytes: &[u8]) -> Script {
    let mut words = bytes.chunks(SIZE).map(|chunk| {
        let mut word = [0; SIZE];
        word[..chunk.len()].copy_from_slice(chunk);
        word
    });
    from_words(&mut words)
}

/// The script that the words stand for.
pub fn from_words(words: &mut dyn Iterator<Item = Word>) -> Script {
    let mut writer = Writer::default();
    words.take(LONGEST).for_each(|word| writer.add(word));
    writer.script
}

/// Writes a script word by word, and knows what there is by then.
struct Writer {
    script: Script,
    things: Vec<Thing>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { script: Script::default(), things: vec![Thing::Ground] }
    }
}

impl Writer {
    fn add(&mut self, word: Word) {
        let [code, by, what, how, long, joined] = word;
        let before = self.turn_to_join().filter(|_| joined >= JOINED);
        let by = before.or_else(|| self.pick(by, |_| true)).unwrap_or(GROUND);
        let Some((by, op)) = self.op(Code::of(code), by, what, how, long) else {
            self.script.steps.push(Step::Wait(1 + long % 3));
            return;
        };
        self.things.extend(Thing::of(by, op));
        match self.script.steps.last_mut() {
            Some(Step::Turn { ops, .. }) if before == Some(by) => ops.push(op),
            _ => self.script.steps.push(Step::Turn { by, ops: vec![op] }),
        }
    }

    /// Who has the last turn, if there can be more in it.
    fn turn_to_join(&self) -> Option<Number> {
        match self.script.steps.last() {
            Some(Step::Turn { by, ops }) if ops.len() < 4 && !ends(ops) => Some(*by),
            _ => None,
        }
    }

    /// The operation, and who does it. Nothing if time is to pass.
    fn op(&self, code: Code, by: Number, what: u8, how: u8, long: u8) -> Option<(Number, Op)> {
        let limit = (long & 3 != 0 && long & 4 == 0).then_some(long & 3);
        let held = held(how);
        let listens = how & 4 != 0;
        let target = |wanted: fn(Thing) -> bool| self.pick(what, wanted);
        let op = match code {
            Code::Open => open(how, long),
            Code::Shield => Op::Shield { limit, held },
            Code::Start => match target(Thing::is_scope) {
                Some(on) => Op::Start { on, how: sort(how), listens },
                None => open(how, long),
            },
            Code::Defer => match target(Thing::is_scope) {
                Some(on) => Op::Defer { on, limit, at_once: how & 1 != 0 },
                None => open(how, long),
            },
            Code::Drop => {
                let what = target(|thing| thing.holder().is_some())?;
                return Some((self.things[what].holder()?, Op::Drop(what)));
            }
            Code::Cancel => Op::Cancel { what: target(Thing::has_handle)?, said: how & 1 != 0 },
            Code::Stop => Op::Stop { what: target(Thing::has_handle)?, grace: long % 3 },
            Code::Deadline => Op::Deadline { what: target(Thing::has_handle)?, after: limit },
            Code::Forget => Op::Forget(target(|thing| matches!(thing, Thing::Child { .. }))?),
            Code::Check => Op::Check,
            Code::Drain => Op::Drain,
            Code::Return => Op::Return,
            Code::Fail => Op::Fail,
            Code::Panic => Op::Panic,
            Code::Wait => return None,
        };
        Some((by, op))
    }

    /// One of those that are wanted: the newest for 0, and newer ones more often than older ones.
    fn pick(&self, byte: u8, wanted: impl Fn(Thing) -> bool) -> Option<Number> {
        let wanted: Vec<Number> =
            (0..self.things.len()).rev().filter(|&number| wanted(self.things[number])).collect();
        let byte = usize::from(byte);
        wanted.get((byte * byte * wanted.len()) >> 16).copied()
    }
}

fn open(how: u8, long: u8) -> Op {
    let span = |bits: u8| (bits & 3 != 0).then_some(bits & 3);
    Op::Open(Open {
        fallible: how & 16 != 0,
        timeout: if long & 16 == 0 { None } else { span(long) },
        grace: if long & 32 == 0 { None } else { span(long >> 2) },
        early: how & 8 != 0,
        listens: how & 4 != 0,
        held: held(how),
    })
}

/// Not both: what is held apart may come to its end a poll later than the rest of the body, which can
/// then be too late to make its failure the body's own.
fn held(how: u8) -> Held {
    Held { apart: how & 1 != 0, passes: how & 3 == 2 }
}

fn sort(how: u8) -> How {
    match how >> 4 {
        0..=7 => How::Spawn,
        8..=11 => How::Fork,
        _ => How::Service,
    }
}

/// Nothing can come after that in the same turn.
fn ends(ops: &[Op]) -> bool {
    matches!(ops.last(), Some(Op::Return | Op::Fail | Op::Panic))
}
