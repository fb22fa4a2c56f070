//! What a connector has told.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use umbel::net::Event;
use umbel::{AttemptOutcome, RaceEventKind};

/// Listens to a connector: `.on_event(heard.ear())`.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    lines: Arc<Mutex<Vec<(Duration, String)>>>,
    news: Arc<Notify>,
}

impl Heard {
    /// What hears.
    pub fn ear(&self) -> impl Fn(&Event<'_>) + Send + Sync + use<> {
        let heard = self.clone();
        move |event| {
            let Event::Attempt(event) = event else { return };
            let what = match event.kind {
                RaceEventKind::Started => "started",
                RaceEventKind::Progress(_) => "got further",
                RaceEventKind::Ended(AttemptOutcome::Won) => "won",
                RaceEventKind::Ended(AttemptOutcome::Failed(_)) => "failed",
                RaceEventKind::Ended(AttemptOutcome::TimedOut) => "timed out",
                RaceEventKind::Ended(AttemptOutcome::Lost { .. }) => "lost",
                _ => "something else",
            };
            let line = format!("{} {what}", event.candidate.ip());
            heard.lines().push((event.at, line));
            heard.news.notify_waiters();
        }
    }

    /// All about attempts, in order: `127.0.0.1 started`.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.lines().iter().map(|(_, line)| line.clone()).collect()
    }

    /// When that was told first.
    #[must_use]
    pub fn at(&self, line: &str) -> Option<Duration> {
        self.lines().iter().find(|(_, told)| told == line).map(|(at, _)| *at)
    }

    /// Waits until that has been told.
    pub async fn until(&self, line: &str) {
        loop {
            let mut news = pin!(self.news.notified());
            news.as_mut().enable();
            if self.at(line).is_some() {
                return;
            }
            news.await;
        }
    }

    fn lines(&self) -> MutexGuard<'_, Vec<(Duration, String)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
