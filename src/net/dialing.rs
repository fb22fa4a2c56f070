//! The addresses of a host, as entrants of a race.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::stream::{Empty, Stream};
use pin_project_lite::pin_project;

use super::dial::is_shortage;
use super::error::{self, LookupFailed};
use super::event::Event;
use super::family::Family;
use super::order::Order;
use super::resolve::Answer;
use super::settings::Settings;
use super::source;
use crate::race::attempt::Ticket;
use crate::race::entrants::Entrants;
use crate::race::stagger::Supply;

pin_project! {
    /// Looks a host up while it is connected to.
    pub(super) struct Dialing<'a, S, D> {
        // Nothing once it has said all.
        #[pin]
        v6: Option<S>,
        #[pin]
        v4: Option<S>,
        port: u16,
        order: Order,
        // For want of a local address.
        skipped: Vec<io::Error>,
        dial: D,
        settings: &'a Settings,
        began: Option<Instant>,
    }
}

/// How many answers of a family are taken in one poll. If it has more, others have their turn first.
const ANSWERS: usize = 64;

impl<'a, D> Dialing<'a, Empty<Answer>, D> {
    /// Addresses that are known.
    pub(super) fn of_list(
        addresses: impl IntoIterator<Item = SocketAddr>,
        settings: &'a Settings,
        dial: D,
    ) -> Self {
        let mut skipped = Vec::new();
        let addresses =
            addresses.into_iter().filter(|address| can_try(settings, address, &mut skipped));
        let order = Order::of_list(addresses, settings.preference, source::source_for);
        Self { v6: None, v4: None, port: 0, order, skipped, dial, settings, began: None }
    }
}

impl<'a, S, D> Dialing<'a, S, D> {
    /// Addresses that are being looked up. A family that cannot be tried is not asked about, and not waited for.
    pub(super) fn of_answers(
        ask: impl Fn(Family) -> S,
        port: u16,
        settings: &'a Settings,
        dial: D,
    ) -> Self {
        let mut order = Order::of_answers(settings.preference, source::source_for);
        let mut skipped = Vec::new();
        let [v6, v4] = [Family::V6, Family::V4].map(|family| {
            let can_try = settings.can_try(family);
            if !can_try {
                order.finished(family);
                skipped.push(error::not_asked(family));
            }
            can_try.then(|| ask(family))
        });
        Self { v6, v4, port, order, skipped, dial, settings, began: None }
    }
}

/// Whether there is a local address to try this one from, if one is needed.
fn can_try(settings: &Settings, address: &SocketAddr, skipped: &mut Vec<io::Error>) -> bool {
    let can_try = settings.can_try(Family::of(address));
    if !can_try {
        skipped.push(error::skipped(*address));
    }
    can_try
}

impl<S: Stream<Item = Answer>, D> Dialing<'_, S, D> {
    /// What one family has to say. Whether it had something, and may have more.
    fn hear(
        self: Pin<&mut Self>,
        family: Family,
        cx: &mut Context<'_>,
        now: Instant,
        errors: &mut Vec<io::Error>,
    ) -> bool {
        let this = self.project();
        let began = *this.began.get_or_insert(now);
        let mut lookup = match family {
            Family::V6 => this.v6,
            Family::V4 => this.v4,
        };
        let Some(listening) = lookup.as_mut().as_pin_mut() else { return false };
        let Poll::Ready(answer) = listening.poll_next(cx) else { return false };
        let Some(mut answer) = answer else {
            lookup.set(None);
            this.order.finished(family);
            return false;
        };
        answer.iter_mut().flatten().for_each(|address| address.set_port(*this.port));
        this.settings.tell(&Event::Resolved {
            at: now.saturating_duration_since(began),
            family,
            answer: answer.as_deref(),
        });
        match answer {
            Ok(mut addresses) => {
                addresses.retain(|address| can_try(this.settings, address, this.skipped));
                this.order.answer(family, addresses, now);
            }
            Err(error) => {
                this.order.failed(family);
                errors.push(LookupFailed::made(family, error));
            }
        }
        true
    }
}

#[cfg(test)]
impl<S, D> Dialing<'_, S, D> {
    /// With what a test says of the ways to addresses, and not the system.
    pub(super) fn with_order(self, order: Order) -> Self {
        Self { order, ..self }
    }
}

impl<S, D, F, T> Entrants for Dialing<'_, S, D>
where
    S: Stream<Item = Answer>,
    D: FnMut(Ticket<'_>, SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    type Label = SocketAddr;
    type Value = T;
    type Error = io::Error;
    type Attempt = F;

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        now: Instant,
        errors: &mut Vec<io::Error>,
    ) -> Supply {
        // AAAA first, A right after it: RFC 8305, section 3.
        for family in [Family::V6, Family::V4] {
            let mut answers = 0;
            while self.as_mut().hear(family, cx, now, errors) {
                answers += 1;
                if answers == ANSWERS {
                    cx.waker().wake_by_ref();
                    break;
                }
            }
        }
        let this = self.project();
        errors.append(this.skipped);
        this.order.supply(now)
    }

    fn launch(self: Pin<&mut Self>, ticket: Ticket<'_>) -> Option<(SocketAddr, F)> {
        let this = self.project();
        let address = this.order.take()?;
        Some((address, (this.dial)(ticket, address)))
    }

    fn rest(self: Pin<&mut Self>) -> Vec<SocketAddr> {
        self.project().order.rest()
    }

    fn excuse(&self, errors: &mut Vec<io::Error>) {
        let silent = |&family: &Family| !self.order.has_answered(family);
        errors.extend([Family::V6, Family::V4].into_iter().filter(silent).map(error::unanswered));
    }

    fn is_ours(&self, error: &io::Error) -> bool {
        is_shortage(error)
    }
}
