//! Programs that others have written, where they are installed.

use std::process::{Command, Stdio};

use super::Client;
use super::order::Order;
use crate::Lab;
use crate::plan::PORT;

const NODE: &str = include_str!("../../peers/connect.js");
const PYTHON: &str = include_str!("../../peers/connect.py");

/// A command that succeeds if the program that a client needs is there.
pub(super) fn version(client: Client) -> Option<Command> {
    let program = match client {
        Client::Curl => "curl",
        Client::Node => "node",
        Client::Asyncio => "python3",
        Client::Umbel | Client::Tokio | Client::HyperUtil => return None,
    };
    let mut command = Command::new(program);
    command.arg("--version");
    Some(command)
}

pub(super) fn succeeds(mut command: Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Its time is up to the connection, and not to the answer, which never comes.
pub(super) fn curl(lab: &Lab, order: &Order) -> Command {
    let mut command = lab.inside("curl");
    command.args(["--silent", "--noproxy", "*", "--output", "/dev/null"]);
    command.args(["--max-time", &order.limit.as_secs_f64().to_string()]);
    command.args(["--write-out", "%{remote_ip}\t%{time_connect}\t%{time_total}\t%{errormsg}\n"]);
    if !order.addresses.is_empty() {
        let addresses: Vec<_> = order.addresses.iter().map(ToString::to_string).collect();
        let pair = format!("{}:{PORT}:{}", order.host, addresses.join(","));
        command.args(["--resolve", &pair]);
    }
    command.arg(format!("http://{}:{PORT}/", order.host));
    command
}

pub(super) fn node(lab: &Lab, order: &Order) -> Command {
    let mut command = lab.inside("node");
    command.args(["-e", NODE, "--"]).args(order.arguments());
    command
}

pub(super) fn asyncio(lab: &Lab, order: &Order) -> Command {
    let mut command = lab.inside("python3");
    command.args(["-c", PYTHON]).args(order.arguments());
    command
}
