//! What IAM would refuse about a policy document, as far as it is known at plan.
//!
//! The grammar is that of
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.

use formwork_core::{Check, value::Value};

use super::PolicyDocument;

/// What a document is for; the rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DocumentKind {
    /// What a role may do.
    Identity,
    /// Who may assume a role.
    Trust,
}

/// The operators of a condition, without `ForAllValues:`, `ForAnyValue:` and `IfExists`
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>).
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

/// What a trust policy may allow
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html>).
const TRUST_ACTIONS: [&str; 6] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

/// Reports what is wrong with the document in `field`, which may have `most` characters.
pub(crate) fn check(check: &mut Check<'_>, field: &str, kind: DocumentKind, most: usize) {
    let mut found = Findings { field, all: Vec::new() };
    if let Some(document @ Value::Map(_)) = check.inputs().get(field).map(Value::open) {
        found.document(document, kind, most);
    }
    for (path, message) in found.all {
        check.problem(&path, message);
    }
}

struct Findings<'a> {
    field: &'a str,
    all: Vec<(String, String)>,
}

impl Findings<'_> {
    fn add(&mut self, at: &str, message: impl Into<String>) {
        let path =
            if at.is_empty() { self.field.to_owned() } else { format!("{}.{at}", self.field) };
        self.all.push((path, message.into()));
    }

    fn document(&mut self, document: &Value, kind: DocumentKind, most: usize) {
        let version = document.get("version").and_then(Value::as_str);
        let known: &[&str] = match kind {
            DocumentKind::Identity => &["2012-10-17"],
            DocumentKind::Trust => &["2012-10-17", "2008-10-17"],
        };
        if let Some(version) = version.filter(|version| !known.contains(version)) {
            self.add("version", format!("{version:?}: expected {}", known.join(" or ")));
        }
        if let Some(Value::List(statements)) = document.get("statements").map(Value::open) {
            if statements.is_empty() {
                self.add("statements", "there are none: expected one at least");
            }
            self.ids(statements);
            for (i, statement) in statements.iter().enumerate() {
                if statement.as_map().is_some() {
                    self.statement(statement, &format!("statements[{i}]"), kind);
                }
            }
        }
        if document.is_known()
            && let Ok(whole) = document.to_data::<PolicyDocument>()
        {
            self.size(&whole.to_json(), most);
        }
    }

    /// White space does not count
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
    fn size(&mut self, text: &str, most: usize) {
        let length = text.chars().filter(|c| !c.is_whitespace()).count();
        if length > most {
            self.add("", format!("{length} characters: expected at most {most}"));
        }
        if let Some(odd) = text.chars().find(|c| *c > '\u{ff}') {
            self.add("", format!("it has {odd:?}: expected only characters up to U+00FF"));
        }
    }

    fn ids(&mut self, statements: &[Value]) {
        let mut seen = Vec::new();
        for (i, statement) in statements.iter().enumerate() {
            let Some(id) = statement.get("sid").and_then(Value::as_str).filter(|id| !id.is_empty())
            else {
                continue;
            };
            let at = format!("statements[{i}].sid");
            if !id.chars().all(|c| c.is_ascii_alphanumeric()) {
                self.add(&at, format!("{id:?}: expected letters and digits only"));
            }
            if seen.contains(&id) {
                self.add(&at, format!("{id:?} is another statement's id: expected a unique one"));
            }
            seen.push(id);
        }
    }

    fn statement(&mut self, statement: &Value, at: &str, kind: DocumentKind) {
        let has = |name: &str| {
            statement.get(name).is_some_and(|value| match value.open() {
                Value::Null => false,
                Value::List(items) => !items.is_empty(),
                _ => true,
            })
        };
        let effect = statement.get("effect").and_then(Value::as_str);
        if let Some(effect) = effect.filter(|effect| !matches!(*effect, "Allow" | "Deny")) {
            self.add(&format!("{at}.effect"), format!("{effect:?}: expected Allow or Deny"));
        }
        match (has("actions"), has("not_actions")) {
            (true, true) => self.add(at, "it has actions and not_actions: expected one of them"),
            (false, false) => self.add(at, "it has no actions: expected one at least"),
            _ => {}
        }
        match kind {
            DocumentKind::Identity => {
                match (has("resources"), has("not_resources")) {
                    (true, true) => {
                        self.add(at, "it has resources and not_resources: expected one of them");
                    }
                    (false, false) => {
                        self.add(at, "it has no resources: expected ARNs, or \"*\"");
                    }
                    _ => {}
                }
                for name in ["principals", "not_principals"].into_iter().filter(|name| has(name)) {
                    let message = "a policy of permissions names no principals: it is about those \
                                   who have it";
                    self.add(&format!("{at}.{name}"), message);
                }
            }
            DocumentKind::Trust => {
                if !has("principals") {
                    self.add(at, "it has no principals: expected who may assume the role");
                }
                for name in ["not_principals", "not_actions", "resources", "not_resources"] {
                    if has(name) {
                        self.add(&format!("{at}.{name}"), "a trust policy can not have it");
                    }
                }
            }
        }
        self.each(statement, "actions", at, |action| action_problem(action, kind));
        self.each(statement, "not_actions", at, |action| action_problem(action, kind));
        self.each(statement, "resources", at, resource_problem);
        self.each(statement, "not_resources", at, resource_problem);
        for name in ["principals", "not_principals"] {
            if let Some(principals @ Value::Map(_)) = statement.get(name).map(Value::open) {
                self.principals(principals, &format!("{at}.{name}"));
            }
        }
        let operators = statement.get("conditions").and_then(Value::as_map);
        for (operator, _) in operators.into_iter().flat_map(formwork_core::value::Map::iter) {
            if !OPERATORS.contains(&bare(operator)) {
                let message = format!("{operator:?} is no operator of conditions");
                self.add(&format!("{at}.conditions"), message);
            }
        }
    }

    fn principals(&mut self, principals: &Value, at: &str) {
        let kinds = ["aws", "services", "federated", "canonical_users"];
        let empty = |kind: &&str| match principals.get(kind).map(Value::open) {
            Some(Value::List(names)) => names.is_empty(),
            None | Some(Value::Null) => true,
            _ => false,
        };
        if kinds.iter().all(empty) {
            self.add(at, "there are none: expected one at least");
        }
        self.each(principals, "services", at, |service| {
            let expected = "expected a name like ec2.amazonaws.com";
            (!service.contains('.')).then(|| format!("{service:?} is no service: {expected}"))
        });
        self.each(principals, "aws", at, |name| {
            let account = name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit());
            // IAM shows a principal that was deleted by its unique id.
            let unique = name.len() >= 16 && name.bytes().all(|b| b.is_ascii_alphanumeric());
            let valid = name == "*" || name.starts_with("arn:") || account || unique;
            let expected = "expected an ARN, an account's twelve digits, or \"*\"";
            (!valid).then(|| format!("{name:?} is no principal: {expected}"))
        });
    }

    /// Reports the known texts of a list that `problem` finds something wrong with.
    fn each(&mut self, of: &Value, name: &str, at: &str, problem: impl Fn(&str) -> Option<String>) {
        let Some(Value::List(items)) = of.get(name).map(Value::open) else { return };
        for (i, item) in items.iter().enumerate() {
            if let Some(message) = item.as_str().and_then(&problem) {
                self.add(&format!("{at}.{name}[{i}]"), message);
            }
        }
    }
}

fn action_problem(action: &str, kind: DocumentKind) -> Option<String> {
    if kind == DocumentKind::Trust {
        let known = TRUST_ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action));
        let expected = || format!("{action:?}: expected one of {}", TRUST_ACTIONS.join(", "));
        return (!known).then(expected);
    }
    let service = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let valid = action == "*"
        || action.split_once(':').is_some_and(|(vendor, name)| {
            !name.contains(':')
                && !name.is_empty()
                && (vendor == "*" || (!vendor.is_empty() && vendor.chars().all(service)))
        });
    (!valid).then(|| format!("{action:?} is no action: expected one like s3:GetObject, or \"*\""))
}

fn resource_problem(resource: &str) -> Option<String> {
    let valid =
        resource == "*" || (resource.starts_with("arn:") && resource.split(':').count() >= 6);
    (!valid).then(|| format!("{resource:?} is no ARN: expected one, or \"*\""))
}

fn bare(operator: &str) -> &str {
    let operator = ["ForAllValues:", "ForAnyValue:"]
        .iter()
        .find_map(|prefix| operator.strip_prefix(prefix))
        .unwrap_or(operator);
    operator.strip_suffix("IfExists").unwrap_or(operator)
}
