//! The steps in which a lab is set up, in the order in which they are taken.

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::Path;

use umbel::net::Family;

use super::namespaces::Namespaces;
use super::tools::{ip, is_there, nft};
use crate::plan::{self, CLIENT, EACH, Host, Kind, Link};
use crate::trouble::Trouble;

/// Nothing is set up where one of these is missing.
pub(super) fn require() -> Result<(), Trouble> {
    let needed = [
        (is_there(ip()), "no `ip` command (package iproute2)"),
        (is_there(nft()), "no `nft` command (package nftables)"),
        (Path::new("/proc/net/if_inet6").exists(), "no IPv6"),
    ];
    match needed.into_iter().find(|(there, _)| !there) {
        Some((_, what)) => Err(Trouble::Missing(what)),
        None => Ok(()),
    }
}

/// Two namespaces, each with its loopback interface: to have them and to change them are two permissions.
pub(super) fn add(namespaces: &Namespaces) -> Result<(), Trouble> {
    for name in [namespaces.client(), namespaces.server()] {
        let added = namespaces.run(ip().args(["netns", "add", name]), "");
        added
            .and_then(|()| namespaces.run(ip().args(["-n", name, "link", "set", "lo", "up"]), ""))
            .map_err(|_| Trouble::Missing("no permission to make network namespaces"))?;
    }
    // To be looked at by whoever may have namespaces: to others it is closed anyway.
    let tun = File::options().read(true).write(true).open("/dev/net/tun");
    tun.map(drop).map_err(|_| Trouble::Missing("no /dev/net/tun"))
}

/// Has the system's resolver ask the lab's server, and nobody else, in the client's namespace.
pub(super) fn resolver(namespaces: &Namespaces) -> Result<(), Trouble> {
    let server = plan::dns().ip();
    let files = namespaces.files();
    namespaces.step(|| {
        fs::create_dir_all(&files)?;
        fs::write(files.join("resolv.conf"), format!("nameserver {server}\n"))?;
        // It can only stand in for a file that is there. Without one, this is the default.
        if Path::new("/etc/nsswitch.conf").exists() {
            fs::write(files.join("nsswitch.conf"), "hosts: files dns\n")?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The pair of veth interfaces, and the addresses at both of its ends.
pub(super) fn wire(namespaces: &Namespaces) -> Result<(), Trouble> {
    let (wire, server) = (Link::Wire.interface(), namespaces.server());
    let pair = format!("link add {wire} type veth peer name {wire} netns {server}");
    batch(namespaces, namespaces.client(), [pair].into_iter().chain(client(Link::Wire)))?;
    let dns = address(Link::Wire, Family::V4, plan::dns().ip());
    batch(namespaces, server, hosts(Link::Wire).chain([dns]))
}

/// The addresses of the TUN interfaces, which the bridge has made.
pub(super) fn slow_link(namespaces: &Namespaces) -> Result<(), Trouble> {
    batch(namespaces, namespaces.client(), client(Link::Slow))?;
    batch(namespaces, namespaces.server(), hosts(Link::Slow))
}

/// Black holes, and hosts that refuse.
pub(super) fn rules(namespaces: &Namespaces) -> Result<(), Trouble> {
    let deeds = [(Kind::Hole, "drop"), (Kind::Refused, "reject with tcp reset")];
    let families = [(Family::V4, "ip"), (Family::V6, "ip6")];
    let rules = deeds.into_iter().flat_map(|(kind, deed)| {
        families.map(|(family, header)| {
            let [first, last] = [kind.first(), kind.first() + EACH - 1]
                .map(|last| Link::Wire.address(family, last));
            format!("{header} daddr {first}-{last} tcp flags syn {deed}\n")
        })
    });
    let chain = format!("type filter hook input priority 0;\n{}", rules.collect::<String>());
    let table = format!("table inet lab {{\nchain input {{\n{chain}}}\n}}\n");
    let mut nft = ip();
    nft.args(["netns", "exec", namespaces.server(), "nft", "-f", "-"]);
    Ok(namespaces.run(&mut nft, &table)?)
}

/// The client's end of a link.
fn client(link: Link) -> impl Iterator<Item = String> {
    let families = [Family::V4, Family::V6].into_iter();
    let own = families.map(move |family| address(link, family, link.address(family, CLIENT)));
    [up(link)].into_iter().chain(own)
}

/// The server's end, with all of its hosts.
fn hosts(link: Link) -> impl Iterator<Item = String> {
    let hosts = Host::all().filter(move |host| host.kind().link() == link);
    let all = hosts.map(move |host| address(link, host.family(), host.address()));
    [up(link)].into_iter().chain(all)
}

fn up(link: Link) -> String {
    format!("link set {} up", link.interface())
}

fn address(link: Link, family: Family, address: IpAddr) -> String {
    let interface = link.interface();
    match family {
        Family::V4 => format!("address add {address}/24 dev {interface}"),
        // Otherwise it could not be used for its first second, in which others are asked about it.
        Family::V6 => format!("address add {address}/64 dev {interface} nodad"),
    }
}

fn batch(
    namespaces: &Namespaces,
    namespace: &str,
    lines: impl Iterator<Item = String>,
) -> Result<(), Trouble> {
    let lines: String = lines.map(|line| line + "\n").collect();
    Ok(namespaces.run(ip().args(["-n", namespace, "-batch", "-"]), &lines)?)
}
