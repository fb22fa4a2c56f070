//! What the connector tells of its attempts, and the scopes that these run in.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use umbel::net::{Connector, Event};
use umbel::{AttemptOutcome, CancelScope, RaceEventKind, task};

#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Notes>>);

#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) lines: Vec<Line>,
    /// The scope of each attempt.
    pub(crate) scopes: Vec<CancelScope>,
    /// The most that the host task's cancel count has been.
    pub(crate) on_task: u64,
}

/// Something that happened to an attempt, and when, counted from the start of its race.
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) to: SocketAddr,
    pub(crate) happened: Happened,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Happened {
    Start,
    Win,
    Fail(ErrorKind),
    Lost,
    Other,
}

impl Journal {
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `connector` write in here.
    pub(crate) fn kept_by(&self, connector: Connector) -> Connector {
        let (told, made) = (self.clone(), self.clone());
        connector.on_event(move |event| told.write(event)).configure(move |_, _| {
            // A socket is made inside the scope of its attempt.
            made.notes().scopes.extend(CancelScope::current());
            Ok(())
        })
    }

    fn write(&self, event: &Event<'_>) {
        let Event::Attempt(event) = event else { return };
        let happened = match event.kind {
            RaceEventKind::Started => Happened::Start,
            RaceEventKind::Ended(AttemptOutcome::Won) => Happened::Win,
            RaceEventKind::Ended(AttemptOutcome::Failed(error)) => Happened::Fail(error.kind()),
            RaceEventKind::Ended(AttemptOutcome::Lost { succeeded: false, .. }) => Happened::Lost,
            _ => Happened::Other,
        };
        let on_task = task::current().cancel_count();
        let mut notes = self.notes();
        notes.on_task = notes.on_task.max(on_task);
        notes.lines.push(Line { at: event.at, to: *event.candidate, happened });
    }
}
