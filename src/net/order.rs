//! Which address is next, and from when on: the pure machine of RFC 8305, sections 3, 4 and 6. It is
//! told what the resolver says, and the time, as arguments; it knows no clock and no socket. The other half,
//! when an attempt may start at all (section 5), is the race's own machine.
//!
//! | rule | source |
//! |---|---|
//! | nothing starts before the preferred family has addresses, or has none, or the resolution delay has passed since the other one answered | section 3 |
//! | an error is a negative answer | section 3 |
//! | addresses of a family are sorted by RFC 6724, and so is the choice of the first family, if both have answered by then | section 4 |
//! | the first `first_family_count` attempts are of the preferred family, then families take turns | section 4 |
//! | a list that the caller gave keeps its order, and the family of its first address is preferred | section 4 ("whichever address family is first in the list") |
//! | an answer that comes late is sorted in, and moves no timer | sections 3 and 6; draft-ietf-happy-happyeyeballs-v3, section 7 |
//! | a later answer replaces what was not tried of an earlier one; what is in flight goes on | section 6 |
//! | an address is tried once; one that is mapped from IPv4 is that of IPv4 | ours |

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::family::{Both, Family};
use super::sort::{self, Source};
use crate::race::stagger::Supply;

/// What may be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preference {
    /// Goes first; if there is none, a list's own order decides, or RFC 6724, and before it can, IPv6.
    pub(super) family: Option<Family>,
    pub(super) first_family_count: usize,
    pub(super) resolution_delay: Duration,
}

impl Default for Preference {
    /// Source: RFC 8305, section 8.
    fn default() -> Self {
        Self { family: None, first_family_count: 1, resolution_delay: Duration::from_millis(50) }
    }
}

/// What the system says about the way to an address.
pub(super) type SourceOf = fn(SocketAddr) -> Option<Source>;

/// What is known of one family.
#[derive(Debug, Default)]
struct Answers {
    /// In the order in which they are to be tried.
    untried: VecDeque<SocketAddr>,
    /// It has said something, if only that there is nothing.
    has_answered: bool,
    /// It will say nothing more.
    is_over: bool,
}

#[derive(Debug)]
pub(super) struct Order {
    preference: Preference,
    source_of: SourceOf,
    answers: Both<Answers>,
    /// The family that goes first, if it has any, once attempts may start.
    first: Option<Family>,
    /// When they may without an answer for it.
    opens_at: Option<Instant>,
    /// How many attempts it has had.
    head: usize,
    last: Option<Family>,
    tried: BTreeSet<SocketAddr>,
}

impl Order {
    fn new(preference: Preference, source_of: SourceOf) -> Self {
        Self {
            preference,
            source_of,
            answers: Both::default(),
            first: None,
            opens_at: None,
            head: 0,
            last: None,
            tried: BTreeSet::new(),
        }
    }

    /// Of addresses that are known.
    pub(super) fn of_list(
        addresses: impl IntoIterator<Item = SocketAddr>,
        preference: Preference,
        source_of: SourceOf,
    ) -> Self {
        let mut order = Self::new(preference, source_of);
        let mut addresses = addresses.into_iter().map(canonical);
        if let Some(first) = addresses.next() {
            order.first = Some(preference.family.unwrap_or(Family::of(&first)));
            order.answers.of_mut(Family::of(&first)).untried.push_back(first);
        }
        let mut seen = BTreeSet::new();
        for address in addresses {
            if seen.is_empty() {
                seen.extend(order.all());
            }
            if seen.insert(address) {
                order.answers.of_mut(Family::of(&address)).untried.push_back(address);
            }
        }
        order.finished(Family::V4);
        order.finished(Family::V6);
        order
    }

    /// Of addresses that are being looked up.
    pub(super) fn of_answers(preference: Preference, source_of: SourceOf) -> Self {
        Self::new(preference, source_of)
    }

    /// The resolver has an answer for `family`: addresses, or none. It replaces an earlier one.
    pub(super) fn answer(
        &mut self,
        family: Family,
        addresses: impl IntoIterator<Item = SocketAddr>,
        now: Instant,
    ) {
        // One that is mapped from IPv4 may come in both answers.
        let other = &self.answers.of(family.other()).untried;
        let mut seen: BTreeSet<_> = other.iter().copied().collect();
        let mut fresh: Vec<_> = addresses.into_iter().map(canonical).collect();
        fresh.retain(|address| !self.tried.contains(address) && seen.insert(*address));
        sort::sort(&mut fresh, self.source_of);
        let is_positive = !fresh.is_empty();
        let answers = self.answers.of_mut(family);
        answers.has_answered = true;
        answers.untried = fresh.into();
        if is_positive && family != self.preferred() {
            let at = now.checked_add(self.preference.resolution_delay);
            self.opens_at = self.opens_at.or(at);
        }
    }

    /// The resolver has failed for `family`.
    pub(super) fn failed(&mut self, family: Family) {
        self.answers.of_mut(family).has_answered = true;
    }

    /// There will be no further answer for `family`.
    pub(super) fn finished(&mut self, family: Family) {
        let answers = self.answers.of_mut(family);
        answers.has_answered = true;
        answers.is_over = true;
    }

    /// Whether the resolver has said anything about `family`.
    pub(super) fn has_answered(&self, family: Family) -> bool {
        self.answers.of(family).has_answered
    }

    /// What there is at `now`.
    pub(super) fn supply(&mut self, now: Instant) -> Supply {
        if !self.has_some(Family::V4) && !self.has_some(Family::V6) {
            let is_over = self.answers.v4.is_over && self.answers.v6.is_over;
            return if is_over { Supply::End } else { Supply::Later };
        }
        if self.first.is_none() {
            self.first = self.decide(now);
        }
        match (self.first, self.opens_at) {
            (Some(_), _) => Supply::Ready,
            (None, Some(at)) => Supply::At(at),
            (None, None) => Supply::Later,
        }
    }

    /// The next address; there is one if the supply is ready.
    pub(super) fn take(&mut self) -> Option<SocketAddr> {
        let first = self.first?;
        let turn = match self.last {
            Some(last) if self.head >= self.preference.first_family_count => last.other(),
            _ => first,
        };
        let family = if self.has_some(turn) { turn } else { turn.other() };
        let address = self.answers.of_mut(family).untried.pop_front()?;
        self.head += usize::from(family == first);
        self.last = Some(family);
        if !(self.answers.v4.is_over && self.answers.v6.is_over) {
            self.tried.insert(address);
        }
        Some(address)
    }

    /// What has not been taken, in the order in which it would be.
    pub(super) fn rest(&mut self) -> Vec<SocketAddr> {
        self.first = self.first.or(Some(self.preferred()));
        std::iter::from_fn(|| self.take()).collect()
    }

    /// Which family goes first, if it can be said at `now`.
    fn decide(&self, now: Instant) -> Option<Family> {
        let preferred = self.preferred();
        let has_answered = self.has_answered(preferred);
        let is_time = self.opens_at.is_some_and(|at| at <= now);
        (has_answered || is_time).then(|| self.best().unwrap_or(preferred))
    }

    /// The family of the better of both first addresses, if nobody has set one.
    fn best(&self) -> Option<Family> {
        if self.preference.family.is_some() {
            return None;
        }
        let best = |family| self.answers.of(family).untried.front().copied();
        let mut both = [best(Family::V6)?, best(Family::V4)?];
        sort::sort(&mut both, self.source_of);
        Some(Family::of(&both[0]))
    }

    fn preferred(&self) -> Family {
        self.preference.family.unwrap_or(Family::V6)
    }

    fn has_some(&self, family: Family) -> bool {
        !self.answers.of(family).untried.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = SocketAddr> {
        self.answers.v4.untried.iter().chain(&self.answers.v6.untried).copied()
    }
}

/// An address of IPv4 that is mapped into IPv6, as one of IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}
