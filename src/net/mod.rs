//! Connections.

#[cfg_attr(not(test), expect(dead_code, reason = "the connector will call it"))]
mod sort;
#[cfg_attr(not(test), expect(dead_code, reason = "the connector will call it"))]
mod source;
