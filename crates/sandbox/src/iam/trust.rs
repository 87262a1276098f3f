//! Decides whether a role's trust policy lets a caller assume the role.
//!
//! Statements are evaluated as IAM does it: an explicit deny wins, otherwise one allow is enough
//! (IAM User Guide, `reference_policies_evaluation-logic`). Permissions policies are not evaluated:
//! in the sandbox every caller may do everything else.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::document::{bare_operator, statements, strings, texts};

/// Who wants to assume a role.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller<'a> {
    /// A service, by its principal: `ec2.amazonaws.com`.
    Service(&'a str),
    /// A role session or a user. `identity` is what a policy would name: the role's ARN for the
    /// session, whose own ARN is `session`.
    Identity { account: &'a str, identity: &'a str, session: &'a str },
}

/// The facts that conditions may ask for, by lower-case key: `sts:externalid`, `aws:sourceaccount`.
pub(crate) type Context = BTreeMap<String, String>;

/// Whether the trust policy allows the action, say `sts:AssumeRole`, to the caller.
///
/// A document that does not parse trusts nobody: stored ones were checked when they were written.
pub(crate) fn allows(
    trust_policy: &str,
    caller: Caller<'_>,
    action: &str,
    context: &Context,
) -> bool {
    let policy: Value = serde_json::from_str(trust_policy).unwrap_or(Value::Null);
    let mut allowed = false;
    for statement in statements(&policy) {
        let applies =
            texts(statement, "Action").iter().any(|named| named.eq_ignore_ascii_case(action))
                && names_caller(statement, caller)
                && condition_holds(statement, context);
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => allowed |= applies,
            _ if applies => return false,
            _ => {}
        }
    }
    allowed
}

fn names_caller(statement: &Map<String, Value>, caller: Caller<'_>) -> bool {
    let names = |kind: &str| match statement.get("Principal") {
        Some(Value::Object(kinds)) => kinds.get(kind).map(strings).unwrap_or_default(),
        // `"Principal": "*"` means every AWS principal, and no service.
        Some(Value::String(_)) if kind == "AWS" => vec!["*"],
        _ => Vec::new(),
    };
    match caller {
        Caller::Service(service) => names("Service").contains(&service),
        Caller::Identity { account, identity, session } => {
            let root = format!(":iam::{account}:root");
            names("AWS").iter().any(|name| {
                *name == "*"
                    || *name == account
                    || *name == identity
                    || *name == session
                    || name.ends_with(&root)
            })
        }
    }
}

fn condition_holds(statement: &Map<String, Value>, context: &Context) -> bool {
    let Some(Value::Object(operators)) = statement.get("Condition") else { return true };
    operators.iter().all(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.into_iter()
            .all(|(key, wanted)| holds(operator, wanted, context.get(&key.to_ascii_lowercase())))
    })
}

fn holds(operator: &str, wanted: &Value, actual: Option<&String>) -> bool {
    let bare = bare_operator(operator);
    let wanted: Vec<String> = match wanted {
        Value::Array(many) => many.iter().map(scalar).collect(),
        one => vec![scalar(one)],
    };
    if bare == "Null" {
        let absent = actual.is_none().to_string();
        return wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(&absent));
    }
    let negated = bare.contains("Not");
    // IAM: a missing key fails the test, unless the operator is negated, ends in `IfExists`, or
    // asks for all of no values.
    let Some(actual) = actual else {
        return negated || operator.ends_with("IfExists") || operator.starts_with("ForAllValues:");
    };
    wanted.iter().any(|wanted| matches(&bare.replacen("Not", "", 1), wanted, actual)) != negated
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Compares by an operator without its negation.
fn matches(operator: &str, wanted: &str, actual: &str) -> bool {
    let numbers = || Some((actual.parse::<f64>().ok()?, wanted.parse::<f64>().ok()?));
    let compare =
        |test: fn(f64, f64) -> bool| numbers().is_some_and(|(actual, wanted)| test(actual, wanted));
    match operator {
        "StringEquals" | "BinaryEquals" => wanted == actual,
        "StringEqualsIgnoreCase" | "Bool" => wanted.eq_ignore_ascii_case(actual),
        "StringLike" | "ArnEquals" | "ArnLike" => glob(wanted, actual),
        "NumericEquals" => compare(|actual, wanted| actual == wanted),
        "NumericLessThan" => compare(|actual, wanted| actual < wanted),
        "NumericLessThanEquals" => compare(|actual, wanted| actual <= wanted),
        "NumericGreaterThan" => compare(|actual, wanted| actual > wanted),
        "NumericGreaterThanEquals" => compare(|actual, wanted| actual >= wanted),
        "IpAddress" => {
            let network = wanted
                .parse::<ipnet::IpNet>()
                .or_else(|_| wanted.parse::<std::net::IpAddr>().map(Into::into));
            network.is_ok_and(|network| {
                actual.parse().is_ok_and(|address: std::net::IpAddr| network.contains(&address))
            })
        }
        // ISO 8601 in UTC sorts as text.
        "DateEquals" => actual == wanted,
        "DateLessThan" => actual < wanted,
        "DateLessThanEquals" => actual <= wanted,
        "DateGreaterThan" => actual > wanted,
        "DateGreaterThanEquals" => actual >= wanted,
        _ => false,
    }
}

/// `*` stands for any text, `?` for one character.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::{Caller, Context, allows};

    const USER: Caller<'_> = Caller::Identity {
        account: "123456789012",
        identity: "arn:aws:iam::123456789012:user/sandbox",
        session: "arn:aws:iam::123456789012:user/sandbox",
    };

    fn assumes(statements: &str, caller: Caller<'_>, facts: &[(&str, &str)]) -> bool {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
        let context = facts
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<Context>();
        allows(&policy, caller, "sts:AssumeRole", &context)
    }

    #[test]
    fn a_role_is_assumed_by_those_it_names_and_by_nobody_else() {
        let ec2 = r#"{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}"#;
        assert!(assumes(ec2, Caller::Service("ec2.amazonaws.com"), &[]));
        assert!(!assumes(ec2, Caller::Service("lambda.amazonaws.com"), &[]));
        assert!(!assumes(ec2, USER, &[]));
        let root = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}"#;
        assert!(assumes(root, USER, &[]));
        let everyone = r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}"#;
        assert!(assumes(everyone, USER, &[]));
        assert!(!assumes(everyone, Caller::Service("ec2.amazonaws.com"), &[]));
        let denied =
            format!(r#"[{root},{{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}}]"#);
        assert!(!assumes(&denied, USER, &[]));
    }

    #[test]
    fn conditions_hold_as_iam_documents_them_also_for_missing_keys() {
        let with = |condition: &str| {
            format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{condition}}}"#
            )
        };
        let external = with(r#"{"StringEquals":{"sts:ExternalId":["a","b"]}}"#);
        assert!(assumes(&external, USER, &[("sts:externalid", "b")]));
        assert!(!assumes(&external, USER, &[("sts:externalid", "c")]));
        assert!(!assumes(&external, USER, &[]));
        assert!(assumes(&with(r#"{"StringEqualsIfExists":{"sts:ExternalId":"a"}}"#), USER, &[]));
        assert!(assumes(&with(r#"{"StringNotEquals":{"sts:ExternalId":"a"}}"#), USER, &[]));
        assert!(assumes(&with(r#"{"Null":{"sts:ExternalId":"true"}}"#), USER, &[]));
        assert!(!assumes(&with(r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#), USER, &[]));
        let likes = with(r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/sand*"}}"#);
        assert!(assumes(
            &likes,
            USER,
            &[("aws:principalarn", "arn:aws:iam::123456789012:user/sandbox")]
        ));
        let near = with(r#"{"IpAddress":{"aws:SourceIp":["127.0.0.0/8"]}}"#);
        assert!(assumes(&near, USER, &[("aws:sourceip", "127.0.0.1")]));
    }
}
