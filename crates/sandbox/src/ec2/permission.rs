//! The terms of a security group's rule, and how requests write them.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::{cidr, prefix_list, security_group::SecurityGroup};
use crate::{call::Call, error::ApiError, params::Params, row::Row};

/// A rule of a security group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) terms: Terms,
}

/// What a rule allows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    pub(crate) protocol: String,
    /// A range of ports, or type and code of ICMP; none where the protocol has none.
    pub(crate) ports: Option<(i32, i32)>,
    pub(crate) peer: Peer,
    pub(crate) description: Option<String>,
}

/// The other end of the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Peer {
    Ipv4(Ipv4Net),
    Ipv6(Ipv6Net),
    Group(String),
    PrefixList(String),
}

/// Finds the group of a rule, and lets tags find the rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RuleIndex {
    pub(crate) id: String,
    pub(crate) group: String,
}

impl Row for RuleIndex {
    const KIND: &'static str = "security-group-rule";
    const PREFIX: &'static str = "sgr";
    const ERROR: &'static str = "InvalidSecurityGroupRuleId";
    const NOUN: &'static str = "security group rule ID";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Rule {
    /// Makes a rule and its index. The caller adds it to the group.
    pub(crate) fn new(call: &mut Call<'_>, group: &str, terms: Terms) -> Self {
        let id = call.new_id("sgr");
        call.put(&RuleIndex { id: id.clone(), group: group.to_owned() });
        Self { id, terms }
    }
}

impl Peer {
    /// The group, if it is one.
    pub(crate) fn group(&self) -> Option<&str> {
        match self {
            Self::Group(id) => Some(id),
            _ => None,
        }
    }

    /// The peer as error messages write it.
    fn text(&self) -> String {
        match self {
            Self::Ipv4(cidr) => cidr.to_string(),
            Self::Ipv6(cidr) => cidr.to_string(),
            Self::Group(id) | Self::PrefixList(id) => id.clone(),
        }
    }
}

impl Terms {
    /// Tells whether both allow the same; the description is not part of a rule's identity.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.egress == other.egress
            && self.protocol == other.protocol
            && self.ports == other.ports
            && self.peer == other.peer
    }

    /// The error for a rule that a group has already.
    pub(crate) fn duplicate(&self) -> ApiError {
        let ports = self
            .ports
            .map_or(String::new(), |(from, to)| format!(", from port: {from}, to port: {to}"));
        ApiError::new(
            "InvalidPermission.Duplicate",
            format!(
                "the specified rule \"peer: {}, {}{ports}, ALLOW\" already exists",
                self.peer.text(),
                if self.protocol == "-1" { "ALL".into() } else { self.protocol.to_uppercase() }
            ),
        )
    }
}

/// Reads `IpPermissions.N`, or the flat parameters of a single rule; one rule for each peer.
pub(crate) fn read(
    call: &Call<'_>,
    group: &SecurityGroup,
    egress: bool,
) -> Result<Vec<Terms>, ApiError> {
    let params = &call.params;
    let mut all = Vec::new();
    for permission in params.structs("IpPermissions") {
        let (protocol, ports) = traffic(&permission)?;
        for (peer, description) in peers(call, group, &permission)? {
            all.push(Terms { egress, protocol: protocol.clone(), ports, peer, description });
        }
    }
    // Rules for egress can only be written as permissions.
    if all.is_empty() && !egress && params.has("CidrIp") {
        let (protocol, ports) = traffic(params)?;
        let peer = Peer::Ipv4(cidr::ipv4("cidrIp", &params.required("CidrIp")?)?);
        all.push(Terms { egress, protocol, ports, peer, description: None });
    }
    for (place, terms) in all.iter().enumerate() {
        if all[..place].iter().any(|earlier| earlier.same(terms)) {
            return Err(ApiError::invalid_value(
                "The same permission must not appear multiple times",
            ));
        }
    }
    Ok(all)
}

fn peers(
    call: &Call<'_>,
    group: &SecurityGroup,
    permission: &Params,
) -> Result<Vec<(Peer, Option<String>)>, ApiError> {
    let mut peers = Vec::new();
    for range in permission.structs("IpRanges") {
        let peer = Peer::Ipv4(cidr::ipv4("cidrIp", &range.required("CidrIp")?)?);
        peers.push((peer, description(&range)?));
    }
    for range in permission.structs("Ipv6Ranges") {
        let peer = Peer::Ipv6(cidr::ipv6("cidrIpv6", &range.required("CidrIpv6")?)?);
        peers.push((peer, description(&range)?));
    }
    for list in permission.structs("PrefixListIds") {
        let peer = prefix_list_peer(call, &list.required("PrefixListId")?)?;
        peers.push((peer, description(&list)?));
    }
    for other in permission.structs("Groups") {
        if let Some(owner) = other.optional("UserId").filter(|owner| *owner != call.account) {
            return Err(ApiError::invalid("userId", &owner, "The sandbox has one account."));
        }
        let peer = group_peer(call, group, &other.required("GroupId")?)?;
        peers.push((peer, description(&other)?));
    }
    if peers.is_empty() {
        return Err(ApiError::missing(&permission.full("IpRanges")));
    }
    Ok(peers)
}

/// A group as a peer: it must exist, in the same VPC.
pub(crate) fn group_peer(
    call: &Call<'_>,
    group: &SecurityGroup,
    id: &str,
) -> Result<Peer, ApiError> {
    let other: SecurityGroup = call.find(id)?;
    if other.vpc != group.vpc {
        return Err(ApiError::new(
            "InvalidGroup.NotFound",
            format!(
                "You have specified two resources that belong to different networks: {id} is not in {}",
                group.vpc
            ),
        ));
    }
    Ok(Peer::Group(other.id))
}

/// A prefix list as a peer: it must exist.
pub(crate) fn prefix_list_peer(call: &Call<'_>, id: &str) -> Result<Peer, ApiError> {
    prefix_list::find(&call.region, id).map(|list| Peer::PrefixList(list.id))
}

/// Reads protocol and ports.
pub(crate) fn traffic(params: &Params) -> Result<(String, Option<(i32, i32)>), ApiError> {
    let protocol = protocol(&params.required("IpProtocol")?)?;
    let ports = (params.number::<i32>("FromPort")?, params.number::<i32>("ToPort")?);
    let ports = match protocol.as_str() {
        "tcp" | "udp" => Some(port_range(ports)?),
        "icmp" | "icmpv6" => Some(icmp(&protocol, ports)?),
        // AWS ignores ports where the protocol has none.
        _ => None,
    };
    Ok((protocol, ports))
}

fn protocol(text: &str) -> Result<String, ApiError> {
    let name = match text.to_ascii_lowercase().as_str() {
        "-1" | "all" => "-1",
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        other if other.parse::<u8>().is_ok() => return Ok(other.to_owned()),
        _ => {
            return Err(ApiError::invalid_value(format!(
                "Invalid value '{text}' for IP protocol. Unknown protocol."
            )));
        }
    };
    Ok(name.to_owned())
}

fn port_range(ports: (Option<i32>, Option<i32>)) -> Result<(i32, i32), ApiError> {
    let (Some(from), Some(to)) = ports else {
        return Err(ApiError::invalid_value(
            "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
        ));
    };
    if from > to || !(0..=65_535).contains(&from) || !(0..=65_535).contains(&to) {
        return Err(ApiError::invalid_value(format!("Invalid TCP/UDP port range ({from}:{to})")));
    }
    Ok((from, to))
}

fn icmp(protocol: &str, ports: (Option<i32>, Option<i32>)) -> Result<(i32, i32), ApiError> {
    let (kind, code) = match ports {
        (Some(kind), code) => (kind, code.unwrap_or(-1)),
        (None, None) if protocol == "icmpv6" => (-1, -1),
        _ => {
            return Err(ApiError::invalid_value(
                "Invalid value 'Must specify both type and code with ICMP.' for icmpType.",
            ));
        }
    };
    if !(-1..=255).contains(&kind) || !(-1..=255).contains(&code) || (kind == -1 && code != -1) {
        return Err(ApiError::invalid_value(format!("Invalid ICMP type and code ({kind}:{code})")));
    }
    Ok((kind, code))
}

/// Reads a rule's description.
pub(crate) fn description(params: &Params) -> Result<Option<String>, ApiError> {
    let text = params.optional("Description").filter(|text| !text.is_empty());
    let allowed =
        |letter: char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(letter);
    match text {
        Some(text) if text.len() > 255 || !text.chars().all(allowed) => {
            Err(ApiError::invalid_value(format!(
                "Invalid rule description '{text}'. Valid descriptions are strings less than 256 characters from a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"
            )))
        }
        text => Ok(text),
    }
}
