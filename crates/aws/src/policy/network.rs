//! What may come in from anywhere.

use formwork_core::{Found, Policy, PolicyReport, Typed};
use ipnet::{IpNet, Ipv6Net};

use crate::ec2::SecurityGroupIngressRule;

/// No security group lets the world in on port 22 (mandatory).
///
/// The world is every block that holds more than any private network can: IPv4 shorter than /8,
/// IPv6 shorter than /16 outside of `fc00::/7` (RFC 1918, RFC 4193). So `0.0.0.0/0` and `::/0` are,
/// and the halves of them. A rule for a range of ports that holds 22, and one for all traffic, count
/// too. What is in a prefix list is not known when a plan is made, so one that may come in on port 22
/// violates it. Rules for ICMP and UDP do not.
///
/// Source: CIS Amazon Web Services Foundations Benchmark, AWS Security Hub control EC2.13
/// (<https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html>).
#[must_use]
pub fn no_world_open_ssh() -> Policy {
    no_world_open_port("no-world-open-ssh", 22)
        .about("no security group lets the world in on port 22")
        .remedy("name the blocks that need SSH, or use Session Manager, which needs no open port")
        .source(
            "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html (EC2.13)",
        )
}

/// No security group lets the world in on this TCP port (mandatory); see [`no_world_open_ssh`].
#[must_use]
pub fn no_world_open_port(name: impl Into<String>, port: u16) -> Policy {
    Policy::mandatory(name)
        .about(format!("no security group lets the world in on port {port}"))
        .remedy("name the blocks that need it")
        .check::<SecurityGroupIngressRule>(move |rule, report| {
            if let Some((field, who)) = who_comes_in(rule)
                && lets_in(rule, port)
            {
                told(rule, report, field, &who, port);
            }
        })
}

fn told(
    rule: &Typed<'_, SecurityGroupIngressRule>,
    report: &mut PolicyReport<'_>,
    field: &str,
    who: &str,
    port: u16,
) {
    let protocol = rule.get::<String>("ip_protocol").known().unwrap_or_default();
    let what = match rule.get::<i32>("from_port").known() {
        Some(from) if matches!(protocol.as_str(), "tcp" | "6") => {
            let to = rule.get::<i32>("to_port").known().unwrap_or(from);
            if from == to { format!("port {from}") } else { format!("ports {from} to {to}") }
        }
        _ => "all traffic".to_owned(),
    };
    let with = if what == format!("port {port}") { "" } else { &format!(", port {port} with it") };
    report.violation(field, format!("{who} may come in on {what}{with}"));
}

/// The field that lets strangers in, and who they are.
fn who_comes_in(rule: &Typed<'_, SecurityGroupIngressRule>) -> Option<(&'static str, String)> {
    for field in ["cidr_ipv4", "cidr_ipv6"] {
        if let Found::Known(block) = rule.get::<String>(field)
            && is_the_world(&block)
        {
            return Some((field, format!("the world ({block})")));
        }
    }
    // Also one whose id is not known: its entries are not either way.
    match rule.get::<String>("prefix_list_id") {
        Found::Known(list) => {
            Some(("prefix_list_id", format!("whoever is in {list}, which no plan can tell,")))
        }
        Found::Absent | Found::Unknown => None,
    }
}

fn is_the_world(block: &str) -> bool {
    // What is no block is refused elsewhere.
    match block.parse::<IpNet>() {
        Ok(IpNet::V4(block)) => block.prefix_len() < 8,
        Ok(IpNet::V6(block)) => {
            let private: Option<Ipv6Net> = "fc00::/7".parse().ok();
            block.prefix_len() < 16 && !private.is_some_and(|private| private.contains(&block))
        }
        Err(_) => false,
    }
}

/// Whether the rule is about this TCP port, as far as it is known.
fn lets_in(rule: &Typed<'_, SecurityGroupIngressRule>, port: u16) -> bool {
    let Found::Known(protocol) = rule.get::<String>("ip_protocol") else { return false };
    match protocol.to_ascii_lowercase().as_str() {
        "-1" => true,
        "tcp" | "6" => {
            let (from, to) = (rule.get::<i32>("from_port"), rule.get::<i32>("to_port"));
            match (from, to) {
                (Found::Unknown, _) | (_, Found::Unknown) => false,
                // Without ports it is all of them.
                (Found::Absent, Found::Absent) => true,
                (from, to) => {
                    let from = from.known().unwrap_or(0);
                    let to = to.known().unwrap_or(i32::from(u16::MAX));
                    from == -1 || (from..=to).contains(&i32::from(port))
                }
            }
        }
        _ => false,
    }
}
