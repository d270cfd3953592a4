//! What kind of place an IP address is.
//!
//! The tables follow the IANA special-purpose registries (RFC 6890 and its
//! updates); the RFC of each block stands beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// A host on the Internet.
    Public,
    /// This machine or its own network: only where the connection allows it.
    Private(&'static str),
    /// Never a customer's system: link-local and metadata services, groups,
    /// documentation, reserved blocks.
    Forbidden(&'static str),
}

use AddressClass::{Forbidden, Private, Public};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(text: [u16; 8], length: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = text;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

/// The first match counts.
const V4: [(Ipv4Net, AddressClass); 19] = [
    // Azure and Alibaba answer for credentials at these.
    (
        v4(168, 63, 129, 16, 32),
        Forbidden("a cloud's metadata service"),
    ),
    (
        v4(100, 100, 100, 200, 32),
        Forbidden("a cloud's metadata service"),
    ),
    (v4(127, 0, 0, 0, 8), Private("loopback")), // RFC 1122
    (v4(10, 0, 0, 0, 8), Private("a private network")), // RFC 1918
    (v4(172, 16, 0, 0, 12), Private("a private network")), // RFC 1918
    (v4(192, 168, 0, 0, 16), Private("a private network")), // RFC 1918
    (v4(100, 64, 0, 0, 10), Private("a carrier's network")), // RFC 6598
    // Connecting to 0.0.0.0 reaches this machine on Linux.
    (v4(0, 0, 0, 0, 8), Forbidden("unspecified")), // RFC 1122
    (
        v4(169, 254, 0, 0, 16),
        Forbidden("link-local, where clouds keep metadata"),
    ), // RFC 3927
    (v4(192, 0, 0, 0, 24), Forbidden("reserved for protocols")), // RFC 6890
    (v4(192, 0, 2, 0, 24), Forbidden("for documentation")), // RFC 5737
    (v4(198, 51, 100, 0, 24), Forbidden("for documentation")), // RFC 5737
    (v4(203, 0, 113, 0, 24), Forbidden("for documentation")), // RFC 5737
    (v4(192, 88, 99, 0, 24), Forbidden("a 6to4 relay")), // RFC 7526
    (v4(192, 31, 196, 0, 24), Forbidden("an AS112 sink")), // RFC 7535
    (v4(192, 175, 48, 0, 24), Forbidden("an AS112 sink")), // RFC 7534
    (v4(198, 18, 0, 0, 15), Forbidden("for benchmarks")), // RFC 2544
    (v4(224, 0, 0, 0, 4), Forbidden("multicast")), // RFC 5771
    (v4(240, 0, 0, 0, 4), Forbidden("reserved or broadcast")), // RFC 1112, RFC 919
];

/// The first match counts; what matches nothing is public inside 2000::/3.
const V6: [(Ipv6Net, AddressClass); 11] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Private("loopback")), // RFC 4291
    (v6([0; 8], 128), Forbidden("unspecified")),              // RFC 4291
    // AWS and Google Cloud answer for credentials at these.
    (
        v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
        Forbidden("a cloud's metadata service"),
    ),
    (
        v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
        Forbidden("a cloud's metadata service"),
    ),
    (
        v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        Private("a private network"),
    ), // RFC 4193
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        Forbidden("link-local"),
    ), // RFC 4291
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Forbidden("multicast")), // RFC 4291
    // Teredo (RFC 4380) hides its IPv4 address, and nothing else of this block
    // is a host either.
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        Forbidden("reserved for protocols"),
    ), // RFC 2928
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        Forbidden("for documentation"),
    ), // RFC 3849
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        Forbidden("for documentation"),
    ), // RFC 9637
    (
        v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
        Forbidden("an AS112 sink"),
    ), // RFC 7534
];

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3); // RFC 4291
const MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96); // RFC 4291
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96); // RFC 6052
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16); // RFC 3056

pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    V4.iter()
        .find(|(net, _)| net.contains(&address))
        .map_or(Public, |(_, class)| *class)
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    // Addresses that stand for an IPv4 address are what that one is.
    if let Some(inner) = embedded_v4(address) {
        return classify_v4(inner);
    }
    if let Some((_, class)) = V6.iter().find(|(net, _)| net.contains(&address)) {
        return *class;
    }
    if GLOBAL_UNICAST.contains(&address) {
        Public
    } else {
        Forbidden("outside of the public IPv6 range")
    }
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = if MAPPED.contains(&address) || NAT64.contains(&address) {
        12
    } else if SIX_TO_FOUR.contains(&address) {
        2
    } else {
        return None;
    };
    Some(Ipv4Addr::new(
        octets[at],
        octets[at + 1],
        octets[at + 2],
        octets[at + 3],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_their_registry_says() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.215.14",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "169.253.255.255",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ];
        let private = [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd12:3456:789a::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
        ];
        let forbidden = [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::127.0.0.1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "64:ff9b:1::1",
            "64:ff9b::a9fe:a9fe",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "2002:a9fe:a9fe::1",
        ];
        for text in public {
            assert_eq!(classify(text.parse().unwrap()), Public, "{text}");
        }
        for text in private {
            let class = classify(text.parse().unwrap());
            assert!(matches!(class, Private(_)), "{text}: {class:?}");
        }
        for text in forbidden {
            let class = classify(text.parse().unwrap());
            assert!(matches!(class, Forbidden(_)), "{text}: {class:?}");
        }
    }
}
