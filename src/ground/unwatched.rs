//! As `watch.rs`, in a build without the checks of `umbel::testing`: nobody looks on.

use std::any::Any;
use std::sync::Arc;

use super::runtime::RuntimeId;

pub(crate) type Root = Arc<dyn Any + Send + Sync>;

#[inline]
pub(crate) fn born(_: impl FnOnce() -> Option<RuntimeId>, _: impl FnOnce() -> Root) {}

pub(crate) fn unhandled(_: Option<RuntimeId>, _: impl FnOnce() -> String) {}

pub(crate) fn panicked(_: Option<RuntimeId>, _: impl FnOnce() -> String, _: bool) {}

pub(crate) fn resumed(_: Option<RuntimeId>, _: Option<RuntimeId>) {}
