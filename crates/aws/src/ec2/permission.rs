//! What a rule of a security group lets through.

use aws_sdk_ec2::types;
use formwork_core::Check;

use crate::{check, cidr};

/// The inputs that can be changed in place. AWS can change a block too, but not a block for a
/// group, so a rule with another peer is a new one
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRuleRequest.html>).
pub(crate) const FIELDS: [&str; 4] = ["ip_protocol", "from_port", "to_port", "description"];

/// What a rule lets through, whichever direction it is for.
pub(crate) struct Permission<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) from_port: Option<i32>,
    pub(crate) to_port: Option<i32>,
    pub(crate) cidr_ipv4: Option<&'a str>,
    pub(crate) cidr_ipv6: Option<&'a str>,
    pub(crate) prefix_list: Option<&'a str>,
    pub(crate) group: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
}

impl<'a> Permission<'a> {
    /// As a new rule is asked for.
    pub(crate) fn sent(&self) -> types::IpPermission {
        let mut permission = types::IpPermission::builder()
            .ip_protocol(self.protocol)
            .set_from_port(self.from_port)
            .set_to_port(self.to_port);
        let description = self.description.map(str::to_owned);
        if let Some(block) = self.cidr_ipv4 {
            let range = types::IpRange::builder().cidr_ip(block);
            permission = permission.ip_ranges(range.set_description(description.clone()).build());
        }
        if let Some(block) = self.cidr_ipv6 {
            let range = types::Ipv6Range::builder().cidr_ipv6(block);
            permission = permission.ipv6_ranges(range.set_description(description.clone()).build());
        }
        if let Some(list) = self.prefix_list {
            let list = types::PrefixListId::builder().prefix_list_id(list);
            permission =
                permission.prefix_list_ids(list.set_description(description.clone()).build());
        }
        if let Some(group) = self.group {
            let group = types::UserIdGroupPair::builder().group_id(group);
            permission = permission.user_id_group_pairs(group.set_description(description).build());
        }
        permission.build()
    }

    /// As a change is asked for. A description that is not given is taken away.
    pub(crate) fn requested(&self) -> types::SecurityGroupRuleRequest {
        types::SecurityGroupRuleRequest::builder()
            .ip_protocol(self.protocol)
            .set_from_port(self.from_port)
            .set_to_port(self.to_port)
            .set_cidr_ipv4(self.cidr_ipv4.map(str::to_owned))
            .set_cidr_ipv6(self.cidr_ipv6.map(str::to_owned))
            .set_prefix_list_id(self.prefix_list.map(str::to_owned))
            .set_referenced_group_id(self.group.map(str::to_owned))
            .set_description(self.description.map(str::to_owned))
            .build()
    }

    /// Whether both let the same through. What a rule is said to be for does not count.
    pub(crate) fn lets_the_same(&self, other: &Permission<'_>) -> bool {
        let Self { protocol, from_port, to_port, cidr_ipv4, cidr_ipv6, prefix_list, group, .. } =
            *self;
        protocol == other.protocol
            && (from_port, to_port) == (other.from_port, other.to_port)
            && (cidr_ipv4, cidr_ipv6) == (other.cidr_ipv4, other.cidr_ipv6)
            && (prefix_list, group) == (other.prefix_list, other.group)
    }

    /// As a rule is shown. AWS fills in ports of -1 where a protocol has none.
    pub(crate) fn seen(rule: &'a types::SecurityGroupRule) -> Self {
        let protocol = rule.ip_protocol().unwrap_or_default();
        let ports = has_ports(protocol);
        Self {
            protocol,
            from_port: rule.from_port().filter(|_| ports),
            to_port: rule.to_port().filter(|_| ports),
            cidr_ipv4: rule.cidr_ipv4(),
            cidr_ipv6: rule.cidr_ipv6(),
            prefix_list: rule.prefix_list_id(),
            group: rule.referenced_group_info().and_then(|group| group.group_id()),
            description: rule.description().filter(|text| !text.is_empty()),
        }
    }
}

fn has_ports(protocol: &str) -> bool {
    matches!(protocol, "tcp" | "udp" | "icmp" | "icmpv6")
}

/// Reports what AWS would refuse about a rule.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html>
pub(crate) fn validate(check: &mut Check<'_>) {
    let peers = ["cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"];
    check::exactly_one(check, &peers, true);
    cidr::check_ipv4(check, "cidr_ipv4", (0, 32));
    cidr::check_ipv6(check, "cidr_ipv6", (0, 128));
    check::id(check, "prefix_list_id", "pl");
    check::id(check, "referenced_security_group_id", "sg");
    let symbols = "._-:/()#,@[]+=&;{}!$*";
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || symbols.contains(c);
    let expected = format!("letters, digits, spaces and {symbols}");
    check::text(check, "description", (0, 255), allowed, &expected);

    let Some(protocol) = check.get::<String>("ip_protocol") else { return };
    // AWS shows these by name, whatever they were asked for by.
    let canonical = match protocol.to_ascii_lowercase().as_str() {
        "all" | "any" | "-1" => "-1",
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        number if number.parse::<u8>().is_ok() => protocol.as_str(),
        _ => {
            let message = format!(
                "{protocol:?} is no protocol: expected tcp, udp, icmp, icmpv6, -1 for all, or a \
                 number from 0 to 255"
            );
            return check.problem("ip_protocol", message);
        }
    };
    if canonical != protocol {
        let message = format!("{protocol:?} is not how AWS shows it: expected {canonical:?}");
        check.problem("ip_protocol", message);
    }
    match canonical {
        "tcp" | "udp" => validate_ports(check, canonical, (0, 65535)),
        "icmp" | "icmpv6" => {
            validate_ports(check, canonical, (-1, 255));
            if check.get("from_port") == Some(-1) && check.get::<i32>("to_port") != Some(-1) {
                check.problem("to_port", "the type is -1, for all: expected the code -1 too");
            }
        }
        _ => {
            for field in ["from_port", "to_port"] {
                if check.is_set(field) {
                    let message = format!("the protocol {canonical} has no ports: expected none");
                    check.problem(field, message);
                }
            }
        }
    }
}

fn validate_ports(check: &mut Check<'_>, protocol: &str, (least, most): (i64, i64)) {
    for field in ["from_port", "to_port"] {
        if !check.is_set(field) {
            check.problem(field, format!("not set: {protocol} needs it"));
        }
        check::range(check, field, least, most);
    }
    if let (Some(from), Some(to), 0) =
        (check.get::<i32>("from_port"), check.get::<i32>("to_port"), least)
        && from > to
    {
        check.problem("to_port", format!("{to} is before `from_port`, {from}"));
    }
}
