//! An [`Order`] that is told, and asked, in the words of the lines.

use super::row::Label;
use super::{Millis, address, at, both_ways, label};
use crate::net::family::Family;
use crate::net::order::{Order, Preference, SourceOf};
use crate::race::stagger::Supply;

/// A host that is looked up.
pub(super) struct Asking(Order);

impl Asking {
    pub(super) fn new(preference: Preference) -> Self {
        Self::with_ways(preference, both_ways)
    }

    pub(super) fn with_ways(preference: Preference, ways: SourceOf) -> Self {
        Self(Order::of_answers(preference, ways))
    }

    pub(super) fn aaaa(&mut self, labels: &str, millis: Millis) {
        self.0.answer(Family::V6, labels.split_whitespace().map(address), at(millis));
    }

    pub(super) fn a(&mut self, labels: &str, millis: Millis) {
        self.0.answer(Family::V4, labels.split_whitespace().map(address), at(millis));
    }

    pub(super) fn failed(&mut self, family: Family) {
        self.0.failed(family);
    }

    pub(super) fn finished(&mut self, family: Family) {
        self.0.finished(family);
    }

    pub(super) fn supply(&mut self, millis: Millis) -> Supply {
        self.0.supply(at(millis))
    }

    /// The next, which must be ready.
    #[track_caller]
    pub(super) fn take(&mut self, millis: Millis) -> Label {
        assert_eq!(self.supply(millis), Supply::Ready);
        label(self.0.take().expect("there is one when it is ready"))
    }

    pub(super) fn rest(&mut self) -> String {
        words(self.0.rest())
    }
}

/// The order of a list.
pub(super) fn order_of(list: &str, preference: Preference) -> String {
    let list = list.split_whitespace().map(address);
    words(Order::of_list(list, preference, |_| panic!("a list keeps its order")).rest())
}

fn words(addresses: Vec<std::net::SocketAddr>) -> String {
    addresses.into_iter().map(label).collect::<Vec<_>>().join(" ")
}

pub(super) fn prefer(family: Family) -> Preference {
    Preference { family: Some(family), ..Preference::default() }
}
