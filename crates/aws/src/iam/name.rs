//! What IAM allows in names, paths and descriptions.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>

use formwork_core::Check;

use crate::{check, tags};

/// Reports a name that IAM would refuse.
pub(super) fn check_name(check: &mut Check<'_>, field: &str, most: usize) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    check::text(check, field, (1, most), allowed, "letters, digits and +=,.@_-");
}

/// Reports a path that IAM would refuse.
pub(super) fn check_path(check: &mut Check<'_>, field: &str) {
    let allowed = |c: char| ('!'..='~').contains(&c);
    check::text(check, field, (1, 512), allowed, "ASCII without spaces");
    if let Some(path) = check.get::<String>(field)
        && (!path.starts_with('/') || !path.ends_with('/') || path.contains("//"))
    {
        let message = format!("{path:?}: expected a path like \"/\" or \"/team/\"");
        check.problem(field, message);
    }
}

/// Reports a description that IAM would refuse.
pub(super) fn check_description(check: &mut Check<'_>, field: &str) {
    let allowed = |c| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}');
    check::text(check, field, (0, 1000), allowed, "characters of Latin-1");
}

/// Reports an ARN that is none of a managed policy.
pub(super) fn check_policy_arn(check: &mut Check<'_>, field: &str) {
    if let Some(arn) = check.get::<String>(field)
        && !(arn.starts_with("arn:") && arn.contains(":iam::") && arn.contains(":policy/"))
    {
        let expected = "expected one like arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
        check.problem(field, format!("{arn:?} is no managed policy's ARN: {expected}"));
    }
}

/// Reports tags that IAM would refuse: its keys do not differ by case alone, and its characters are
/// fewer than EC2's (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html>).
pub(super) fn check_tags(check: &mut Check<'_>, field: &str) {
    tags::check(check, field);
    let map = check.inputs().get(field).and_then(|value| value.as_map()).cloned();
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    let mut seen = Vec::new();
    for (key, value) in map.iter().flat_map(formwork_core::value::Map::iter) {
        for text in [Some(&**key), value.as_str()].into_iter().flatten() {
            if let Some(odd) = text.chars().find(|c| !allowed(*c)) {
                let expected = "expected letters, digits, spaces and _.:/=+-@";
                check.problem(field, format!("{text:?} has {odd:?}: {expected}"));
            }
        }
        let lower = key.to_lowercase();
        if seen.contains(&lower) {
            let message = format!("the key {key:?} differs from another one by case alone");
            check.problem(field, message);
        }
        seen.push(lower);
    }
}
