//! Checks of umbel that need room: what is written down once and compared with what the library did.
