//! Address blocks: their one canonical way of writing, and what lies in what.

use formwork_core::Check;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The block `text`, in the canonical form, if it is one.
pub(crate) fn canonical(text: &str) -> Option<String> {
    text.parse::<IpNet>().ok().map(|block| block.trunc().to_string())
}

/// The IPv4 block of a field, with what is wrong with it reported: its form, host bits that are
/// set, and a prefix length outside `lengths`.
pub(crate) fn check_ipv4(
    check: &mut Check<'_>,
    field: &str,
    (shortest, longest): (u8, u8),
) -> Option<Ipv4Net> {
    let text = check.get::<String>(field)?;
    let Ok(block) = text.parse::<Ipv4Net>() else {
        check.problem(field, format!("{text:?} is no IPv4 block: expected one like 10.0.0.0/16"));
        return None;
    };
    check_form(check, field, &text, IpNet::V4(block));
    check_length(check, field, block.prefix_len(), shortest, longest);
    Some(block.trunc())
}

/// The same for an IPv6 block.
pub(crate) fn check_ipv6(
    check: &mut Check<'_>,
    field: &str,
    (shortest, longest): (u8, u8),
) -> Option<Ipv6Net> {
    let text = check.get::<String>(field)?;
    let Ok(block) = text.parse::<Ipv6Net>() else {
        check.problem(field, format!("{text:?} is no IPv6 block: expected one like 2001:db8::/56"));
        return None;
    };
    check_form(check, field, &text, IpNet::V6(block));
    check_length(check, field, block.prefix_len(), shortest, longest);
    Some(block.trunc())
}

fn check_form(check: &mut Check<'_>, field: &str, text: &str, block: IpNet) {
    let canonical = block.trunc().to_string();
    if canonical != text {
        check.problem(field, format!("{text:?} is not in canonical form: expected {canonical:?}"));
    }
}

fn check_length(check: &mut Check<'_>, field: &str, length: u8, shortest: u8, longest: u8) {
    if !(shortest..=longest).contains(&length) {
        check.problem(field, format!("/{length}: expected /{shortest} to /{longest}"));
    }
}

/// Whether two blocks have an address in common.
pub(crate) fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}
