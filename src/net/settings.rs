//! What can be set on a connector.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::dial::Sockets;
use super::event::Event;
use super::family::Family;
use super::order::Preference;
use crate::context::time::Limit;
use crate::race::entrants::Entrants;
use crate::race::stagger::Pace;
use crate::race::{self, Tell};
use crate::tree::Site;

/// Whoever listens.
pub(super) type Listener = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) pace: Pace,
    pub(super) preference: Preference,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Option<Duration>,
    pub(super) sockets: Sockets,
    pub(super) listener: Option<Listener>,
}

impl Settings {
    /// Whether addresses of `family` can be tried: if there is a local address, then one of theirs too.
    pub(super) fn can_try(&self, family: Family) -> bool {
        let local = &self.sockets.local;
        local.of(family).is_some() || local.of(family.other()).is_none()
    }

    /// For one connection.
    pub(super) fn race(&self, site: Site) -> race::Settings {
        let mut settings = race::Settings::new(self.pace, site);
        settings.grace = self.grace;
        if let Some(limit) = self.timeout {
            settings.limit = Limit::After(limit);
        }
        settings
    }

    /// How the listener is told of the race, if there is one.
    pub(super) fn teller<C>(&self) -> Option<Tell<C, &Self>>
    where
        C: Entrants<Label = SocketAddr, Error = io::Error>,
    {
        let tell: Tell<C, &Self> = |settings, event| settings.tell(&Event::Attempt(*event));
        self.listener.is_some().then_some(tell)
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}
