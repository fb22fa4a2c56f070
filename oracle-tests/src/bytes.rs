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
    (Code::Open, 9),
    (Code::Start, 9),
    (Code::Cancel, 6),
    (Code::Shield, 4),
    (Code::Return, 5),
    (Code::Wait, 4),
    (Code::Stop, 4),
    (Code::Defer, 4),
    (Code::Drop, 3),
    (Code::Panic, 2),
    (Code::Fail, 4),
    (Code::Deadline, 2),
    (Code::Check, 2),
    (Code::Forget, 1),
    (Code::Drain, 1),
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
        let Some((by, op)) = self.op(Code::of(code), by, what, how, long) else {
            self.script.steps.push(Step::Wait(1 + long % 3));
            return;
        };
        let thing = Thing::of(by, op);
        self.things.extend(thing);
        match self.script.steps.last_mut() {
            Some(Step::Turn { by: before, ops })
                if *before == by && joined >= 128 && ops.len() < 4 && !ends(ops) =>
            {
                ops.push(op);
            }
            _ => self.script.steps.push(Step::Turn { by, ops: vec![op] }),
        }
    }

    /// The operation, and who does it. Nothing if time is to pass.
    fn op(&self, code: Code, by: u8, what: u8, how: u8, long: u8) -> Option<(Number, Op)> {
        let by = self.pick(by, |_| true).unwrap_or(GROUND);
        let limit = (long % 4 != 0).then_some(long % 4);
        let held = Held { apart: how & 1 != 0, passes: how & 2 != 0 };
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
        held: Held { apart: how & 1 != 0, passes: how & 2 != 0 },
    })
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
