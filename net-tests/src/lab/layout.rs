//! The steps in which a lab is set up, in the order in which they are taken.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::ground::{Ground, ip, is_there, nft};
use crate::plan::{self, CLIENT, DNS, EACH, Family, Host, Kind, Link};
use crate::trouble::Trouble;

/// Nothing is set up where one of these is missing.
pub(super) fn require() -> Result<(), Trouble> {
    let needed = [
        (is_there(ip()), "no `ip` command (package iproute2)"),
        (is_there(nft()), "no `nft` command (package nftables)"),
        (Path::new("/dev/net/tun").exists(), "no /dev/net/tun"),
        (Path::new("/proc/net/if_inet6").exists(), "no IPv6"),
    ];
    match needed.into_iter().find(|(there, _)| !there) {
        Some((_, what)) => Err(Trouble::Missing(what)),
        None => Ok(()),
    }
}

pub(super) fn namespaces(ground: &Ground) -> Result<(), Trouble> {
    for name in [ground.client(), ground.server()] {
        ground
            .run(ip().args(["netns", "add", name]), "")
            .map_err(|_| Trouble::Missing("no permission to make network namespaces"))?;
    }
    Ok(())
}

/// Has the system's resolver ask the lab's server, and nobody else, in the client's namespace.
pub(super) fn resolver(ground: &Ground) -> Result<(), Trouble> {
    let server = plan::dns().ip();
    let files = ground.files();
    ground.step(|| {
        fs::create_dir_all(&files)?;
        fs::write(files.join("resolv.conf"), format!("nameserver {server}\nsearch .\n"))?;
        // It can only stand in for a file that is there. Without one, this is the default.
        if Path::new("/etc/nsswitch.conf").exists() {
            fs::write(files.join("nsswitch.conf"), "hosts: files dns\n")?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The pair of veth interfaces, and the addresses at both of its ends.
pub(super) fn wire(ground: &Ground) -> Result<(), Trouble> {
    let wire = Link::Wire.interface();
    let mut client = String::from("link set lo up\n");
    line(&mut client, format_args!(
        "link add {wire} type veth peer name {wire} netns {}", ground.server(),
    ));
    batch(ground, ground.client(), &(client + &client_end(Link::Wire)))?;

    let mut server = String::from("link set lo up\n") + &server_end(Link::Wire);
    line(&mut server, format_args!("addr add {}/24 dev {wire}", Link::Wire.address(Family::V4, DNS)));
    batch(ground, ground.server(), &server)
}

/// The addresses of the TUN interfaces, which the bridge has made.
pub(super) fn slow_link(ground: &Ground) -> Result<(), Trouble> {
    batch(ground, ground.client(), &client_end(Link::Slow))?;
    batch(ground, ground.server(), &server_end(Link::Slow))
}

/// Black holes, and hosts that refuse.
pub(super) fn rules(ground: &Ground) -> Result<(), Trouble> {
    let mut rules = String::from("table inet lab {\nchain input {\ntype filter hook input priority 0;\n");
    for (kind, deed) in [(Kind::Hole, "drop"), (Kind::Refused, "reject with tcp reset")] {
        for (family, header) in [(Family::V4, "ip"), (Family::V6, "ip6")] {
            let [first, last] = [kind.first(), kind.first() + EACH - 1]
                .map(|last| Link::Wire.address(family, last));
            line(&mut rules, format_args!("{header} daddr {first}-{last} tcp flags syn {deed}"));
        }
    }
    rules.push_str("}\n}\n");
    let mut nft = nft_in(ground.server());
    Ok(ground.run(&mut nft, &rules)?)
}

fn nft_in(namespace: &str) -> std::process::Command {
    let mut command = ip();
    command.args(["netns", "exec", namespace, "nft", "-f", "-"]);
    command
}

fn client_end(link: Link) -> String {
    let addresses = [Family::V4, Family::V6].map(|family| (family, link.address(family, CLIENT)));
    end(link, addresses.into_iter())
}

fn server_end(link: Link) -> String {
    let hosts = Host::all().filter(|host| host.kind().link() == link);
    end(link, hosts.map(|host| (host.family(), host.address())))
}

fn end(link: Link, addresses: impl Iterator<Item = (Family, std::net::IpAddr)>) -> String {
    let interface = link.interface();
    let mut batch = format!("link set {interface} up\n");
    for (family, address) in addresses {
        // Without `nodad` an IPv6 address cannot be used for its first second.
        let rest = if family == Family::V4 { "/24" } else { "/64 nodad" };
        let (prefix, nodad) = rest.split_once(' ').unwrap_or((rest, ""));
        line(&mut batch, format_args!("addr add {address}{prefix} dev {interface} {nodad}"));
    }
    batch
}

fn line(batch: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes everything that is written to it.
    let _ = writeln!(batch, "{line}");
}

fn batch(ground: &Ground, namespace: &str, lines: &str) -> Result<(), Trouble> {
    Ok(ground.run(ip().args(["-n", namespace, "-batch", "-"]), lines)?)
}
