//! Where addresses come from, outside of tests.

use std::error::Error;
use std::net::IpAddr;
use std::process::Stdio;

use tokio::net::lookup_host;
use tokio::process::Command;

use crate::resolver::{Answer, Failed, Source};

/// The resolver of the system, on a thread of tokio's.
#[derive(Clone, Copy, Debug)]
pub struct System;

/// The program `getent`, where there is one.
#[derive(Clone, Copy, Debug)]
pub struct Program;

/// A server that answers `GET <url>/<name>` with an address.
#[derive(Clone, Debug)]
pub struct Server {
    client: reqwest::Client,
    url: String,
}

impl Server {
    /// The server at this address, without a slash at the end. No proxy that the environment names stands
    /// between.
    ///
    /// # Panics
    ///
    /// If there can be no client.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        let client = reqwest::Client::builder().no_proxy().build();
        Self { client: client.expect("a client without TLS"), url: url.into() }
    }
}

impl Source for System {
    fn ask<'a>(&'a self, name: &'a str) -> Answer<'a> {
        Box::pin(async move {
            let found = lookup_host((name, 0)).await.map_err(|error| failed(&error))?.next();
            found.map(|address| address.ip()).ok_or_else(|| none(name))
        })
    }
}

impl Source for Program {
    fn ask<'a>(&'a self, name: &'a str) -> Answer<'a> {
        Box::pin(async move {
            let mut getent = Command::new("getent");
            // Who loses the race is dropped, and with him the program.
            getent.args(["ahosts", name]).stdin(Stdio::null()).kill_on_drop(true);
            let output = getent.output().await.map_err(|error| failed(&error))?;
            let text = String::from_utf8_lossy(&output.stdout);
            first_address(&text).ok_or_else(|| none(name))
        })
    }
}

impl Source for Server {
    fn ask<'a>(&'a self, name: &'a str) -> Answer<'a> {
        Box::pin(async move {
            let answer = self.client.get(format!("{}/{name}", self.url)).send();
            let answer = answer
                .await
                .map_err(|error| failed(&error))?
                .error_for_status()
                .map_err(|error| failed(&error))?;
            first_address(&answer.text().await.map_err(|error| failed(&error))?)
                .ok_or_else(|| none(name))
        })
    }
}

fn first_address(text: &str) -> Option<IpAddr> {
    text.split_whitespace().next()?.parse().ok()
}

fn none(name: &str) -> Failed {
    Failed(format!("no address for {name}"))
}

fn failed(error: &dyn Error) -> Failed {
    Failed(error.to_string())
}
