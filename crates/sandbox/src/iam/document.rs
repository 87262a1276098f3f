//! Reads policy documents and refuses malformed ones with the words that IAM uses.
//!
//! The order of the checks is IAM's: syntax, version, the "legacy" pass over effects, dates and
//! ARNs, statement ids, actions, resources. So a document with two mistakes is refused for the one
//! that AWS would name. What a document *allows* is not decided here but in [`super::trust`].
//! Grammar: IAM User Guide, `reference_policies_grammar`, and `reference_policies_elements`.

use serde_json::{Map, Value};

use super::resource_arn;

/// What kind of document is being read; the rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Permissions of a role: a managed or an inline policy.
    Identity,
    /// Who may assume a role.
    Trust,
}

/// A malformed document; the text is the message of `MalformedPolicyDocument`.
pub(crate) type Malformed = String;

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";
const OLD_VERSION: &str = "Policy document must be version 2012-10-17 or greater.";

/// The operators of a `Condition`, without `ForAllValues:`, `ForAnyValue:` and `IfExists`.
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

/// What a trust policy may allow (Service Authorization Reference, AWS STS).
const TRUST_ACTIONS: [&str; 6] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

/// Reads a policy document, or says what is wrong with it.
///
/// # Errors
/// The message that IAM gives with `MalformedPolicyDocument`.
pub(crate) fn parse(kind: Kind, text: &str) -> Result<Value, Malformed> {
    let policy: Value = serde_json::from_str(text).map_err(|_| SYNTAX)?;
    check_syntax(&policy).ok_or(SYNTAX)?;
    let version = policy.get("Version").and_then(Value::as_str);
    if kind == Kind::Identity && version != Some("2012-10-17") {
        return Err(OLD_VERSION.into());
    }
    let statements = statements(&policy);
    check_legacy(&statements).ok_or(LEGACY)?;
    let bad_resource = check_resources(&statements)?;
    check_statement_ids(&statements)?;
    for statement in &statements {
        let named =
            !texts(statement, "Action").is_empty() || !texts(statement, "NotAction").is_empty();
        if !named {
            return Err("Policy statement must contain actions.".into());
        }
    }
    if let Some(message) = bad_resource {
        return Err(message);
    }
    for statement in &statements {
        for action in texts(statement, "Action").into_iter().chain(texts(statement, "NotAction")) {
            check_action(action)?;
        }
    }
    match kind {
        Kind::Identity => check_identity(&statements)?,
        Kind::Trust => check_trust(&statements)?,
    }
    Ok(policy)
}

/// The statements of a document that [`parse`] accepted: one object or a list of them.
pub(crate) fn statements(policy: &Value) -> Vec<&Map<String, Value>> {
    match policy.get("Statement") {
        Some(Value::Object(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_object).collect(),
        _ => Vec::new(),
    }
}

/// The texts under a key that holds one string or a list of strings.
pub(crate) fn texts<'a>(statement: &'a Map<String, Value>, key: &str) -> Vec<&'a str> {
    statement.get(key).map(strings).unwrap_or_default()
}

/// One string, or the strings of a list.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Takes `ForAllValues:` or `ForAnyValue:` and `IfExists` off an operator.
pub(crate) fn bare_operator(operator: &str) -> &str {
    let operator = operator
        .strip_prefix("ForAllValues:")
        .or_else(|| operator.strip_prefix("ForAnyValue:"))
        .unwrap_or(operator);
    operator.strip_suffix("IfExists").unwrap_or(operator)
}

/// The number of characters that count against a quota: white space does not
/// (IAM User Guide, `reference_iam-quotas`).
pub(crate) fn quota_length(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

fn check_syntax(policy: &Value) -> Option<()> {
    let object = policy.as_object()?;
    for (key, value) in object {
        let valid = match key.as_str() {
            "Version" => matches!(value.as_str(), Some("2008-10-17" | "2012-10-17")),
            "Id" => value.is_string(),
            "Statement" => true,
            _ => false,
        };
        valid.then_some(())?;
    }
    let list = match object.get("Statement")? {
        one @ Value::Object(_) => vec![one],
        Value::Array(many) if !many.is_empty() => many.iter().collect(),
        _ => return None,
    };
    list.into_iter().try_for_each(|statement| check_statement(statement.as_object()?))
}

fn check_statement(statement: &Map<String, Value>) -> Option<()> {
    for (one, other) in
        [("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")]
    {
        (!(statement.contains_key(one) && statement.contains_key(other))).then_some(())?;
    }
    let effect = statement.get("Effect")?.as_str()?;
    (effect.eq_ignore_ascii_case("Allow") || effect.eq_ignore_ascii_case("Deny")).then_some(())?;
    for (key, value) in statement {
        let valid = match key.as_str() {
            "Effect" => true,
            "Sid" => value.is_string(),
            "Action" | "NotAction" | "Resource" | "NotResource" => is_text_or_texts(value),
            "Principal" | "NotPrincipal" => is_principal(value),
            "Condition" => is_condition(value),
            _ => false,
        };
        valid.then_some(())?;
    }
    Some(())
}

fn is_text_or_texts(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(many) => many.iter().all(Value::is_string),
        _ => false,
    }
}

fn is_principal(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "*",
        Value::Object(kinds) => {
            !kinds.is_empty()
                && kinds.iter().all(|(kind, names)| {
                    matches!(kind.as_str(), "AWS" | "Service" | "Federated" | "CanonicalUser")
                        && is_text_or_texts(names)
                        && !strings(names).is_empty()
                })
        }
        _ => false,
    }
}

fn is_condition(value: &Value) -> bool {
    let scalar = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
    value.as_object().is_some_and(|operators| {
        operators.iter().all(|(operator, keys)| {
            keys.as_object().is_some_and(|keys| {
                (keys.is_empty() || OPERATORS.contains(&bare_operator(operator)))
                    && keys.values().all(|value| match value {
                        Value::Array(many) => many.iter().all(scalar),
                        other => scalar(other),
                    })
            })
        })
    })
}

fn check_legacy(statements: &[&Map<String, Value>]) -> Option<()> {
    for statement in statements {
        matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"))
            .then_some(())?;
        let Some(Value::Object(condition)) = statement.get("Condition") else { continue };
        for (operator, keys) in condition {
            if !bare_operator(operator).starts_with("Date") {
                continue;
            }
            let mut dates = keys.as_object().into_iter().flat_map(Map::values).flat_map(strings);
            dates.all(resource_arn::is_policy_date).then_some(())?;
        }
    }
    Some(())
}

/// The first resource that is no ARN, for the caller to report in its turn; what fails the legacy
/// pass is an error at once.
fn check_resources(statements: &[&Map<String, Value>]) -> Result<Option<Malformed>, Malformed> {
    let mut first = None;
    for statement in statements {
        for resource in
            texts(statement, "Resource").into_iter().chain(texts(statement, "NotResource"))
        {
            match resource_arn::check(resource) {
                Ok(()) => {}
                Err(resource_arn::Problem::Legacy) => return Err(LEGACY.into()),
                Err(resource_arn::Problem::Format(message)) => {
                    first.get_or_insert(message);
                }
            }
        }
    }
    Ok(first)
}

fn check_statement_ids(statements: &[&Map<String, Value>]) -> Result<(), Malformed> {
    let ids: Vec<&str> = statements
        .iter()
        .filter_map(|statement| statement.get("Sid")?.as_str())
        .filter(|id| !id.is_empty())
        .collect();
    if ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id)) {
        return Err("Statement IDs (SID) in a single policy must be unique.".into());
    }
    if ids.iter().any(|id| !id.chars().all(|c| c.is_ascii_alphanumeric())) {
        return Err("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies \
                    the regular expression [0-9A-Za-z]*"
            .into());
    }
    Ok(())
}

fn check_action(action: &str) -> Result<(), Malformed> {
    if action == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return Err(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".into()
        );
    };
    if name.contains(':') {
        return Err("Actions/Condition can contain only one colon.".into());
    }
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if vendor != "*" && !vendor.chars().all(valid) {
        return Err(format!("Vendor {vendor} is not valid"));
    }
    Ok(())
}

fn check_identity(statements: &[&Map<String, Value>]) -> Result<(), Malformed> {
    for statement in statements {
        if statement.contains_key("Principal") || statement.contains_key("NotPrincipal") {
            return Err("Policy document should not specify a principal.".into());
        }
        if texts(statement, "Resource").is_empty() && texts(statement, "NotResource").is_empty() {
            return Err("Policy statement must contain resources.".into());
        }
    }
    Ok(())
}

fn check_trust(statements: &[&Map<String, Value>]) -> Result<(), Malformed> {
    for statement in statements {
        let known =
            |action: &&str| TRUST_ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action));
        if statement.contains_key("NotAction") || !texts(statement, "Action").iter().all(known) {
            return Err("Trust Policy statement actions can only be sts:AssumeRole, \
                        sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity"
                .into());
        }
        if statement.contains_key("Resource") || statement.contains_key("NotResource") {
            return Err("Has prohibited field Resource.".into());
        }
        if statement.contains_key("NotPrincipal") {
            return Err("Has prohibited field NotPrincipal.".into());
        }
        if !statement.contains_key("Principal") {
            return Err("Missing required field Principal.".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Kind, parse};

    fn refusal(kind: Kind, statement: &str) -> String {
        let document = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
        parse(kind, &document).err().unwrap_or_else(|| panic!("accepted: {document}"))
    }

    #[test]
    fn a_malformed_identity_policy_is_refused_in_the_words_of_iam() {
        // Messages recorded from IAM by the authors of moto (tests/test_iam/test_iam_policies.py).
        for (statement, message) in [
            (r#"[]"#, "Syntax errors in policy."),
            (
                r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Extra":"x"}"#,
                "Syntax errors in policy.",
            ),
            (r#"{"Effect":"Maybe","Action":"s3:*","Resource":"*"}"#, "Syntax errors in policy."),
            (
                r#"{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*"}"#,
                "Syntax errors in policy.",
            ),
            (
                r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Sounds":{"a":"1"}}}"#,
                "Syntax errors in policy.",
            ),
            (
                r#"{"Effect":"allow","Action":"s3:*","Resource":"*"}"#,
                "The policy failed legacy parsing",
            ),
            (
                r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3::bucket"}"#,
                "The policy failed legacy parsing",
            ),
            (
                r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"DateLessThan":{"a":"soon"}}}"#,
                "The policy failed legacy parsing",
            ),
            (
                r#"{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}"#,
                "Resource bucket must be in ARN format or \"*\".",
            ),
            (
                r#"{"Effect":"Allow","Action":"s3:*","Resource":"aws:s3:::bucket"}"#,
                "Partition \"s3\" is not valid for resource \"arn:s3:::bucket:*\".",
            ),
            (
                r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:us-east-1::b"}"#,
                "Resource arn:aws:s3:us-east-1::b can not contain region information.",
            ),
            (
                r#"{"Effect":"Allow","Action":"s3","Resource":"*"}"#,
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            (r#"{"Effect":"Allow","Action":"a a:Get","Resource":"*"}"#, "Vendor a a is not valid"),
            (
                r#"{"Effect":"Allow","Action":"s3:Get:It","Resource":"*"}"#,
                "Actions/Condition can contain only one colon.",
            ),
            (r#"{"Effect":"Allow","Resource":"*"}"#, "Policy statement must contain actions."),
            (r#"{"Effect":"Allow","Action":"s3:*"}"#, "Policy statement must contain resources."),
            (
                r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}"#,
                "Policy document should not specify a principal.",
            ),
            (
                r#"[{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"a","Effect":"Allow"}]"#,
                "Statement IDs (SID) in a single policy must be unique.",
            ),
        ] {
            assert_eq!(refusal(Kind::Identity, statement), message, "{statement}");
        }
        let old = r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        let message = "Policy document must be version 2012-10-17 or greater.";
        assert_eq!(parse(Kind::Identity, old).expect_err("it is old"), message);
        assert_eq!(
            parse(Kind::Identity, "role").expect_err("it is no JSON"),
            "Syntax errors in policy."
        );
    }

    #[test]
    fn a_trust_policy_names_principals_and_no_resources() {
        for (statement, message) in [
            (
                r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#,
                "Missing required field Principal.",
            ),
            (
                r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#,
                "Has prohibited field Resource.",
            ),
            (
                r#"{"Effect":"Allow","Principal":{"Machine":"x"},"Action":"sts:AssumeRole"}"#,
                "Syntax errors in policy.",
            ),
        ] {
            assert_eq!(refusal(Kind::Trust, statement), message, "{statement}");
        }
        assert!(
            refusal(Kind::Trust, r#"{"Effect":"Allow","Principal":"*","Action":"s3:*"}"#)
                .starts_with("Trust Policy statement actions")
        );
        // The oldest examples of trust policies still work.
        let old = r#"{"Version":"2008-10-17","Statement":[{"Sid":"","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        assert!(parse(Kind::Trust, old).is_ok());
    }
}
