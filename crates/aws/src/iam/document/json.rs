//! Policy documents as IAM's JSON.

use serde_json::{Map, Value, json};

use super::{Effect, PolicyDocument, Principals, Statement};

/// Why a text is no policy document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePolicyError {
    /// It is no JSON.
    #[error("a policy document is JSON, and this is not: {0}")]
    Json(String),
    /// It is JSON, and no policy document.
    #[error("`{at}` of the policy document: {message}")]
    Shape {
        /// Where, such as `Statement[0].Action`.
        at: String,
        /// What was found, and what was expected.
        message: String,
    },
}

/// The language of a document that does not say
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html>).
const OLDEST: &str = "2008-10-17";

pub(super) fn parse(text: &str) -> Result<PolicyDocument, ParsePolicyError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| ParsePolicyError::Json(error.to_string()))?;
    let document = object(&value, "")?;
    only(document, &["Version", "Id", "Statement"], "")?;
    let statements = match document.get("Statement") {
        Some(Value::Array(many)) => many
            .iter()
            .enumerate()
            .map(|(i, statement)| parse_statement(statement, &format!("Statement[{i}]")))
            .collect::<Result<_, _>>()?,
        Some(one) => vec![parse_statement(one, "Statement")?],
        None => return Err(shape("Statement", "it is missing")),
    };
    Ok(PolicyDocument {
        version: text_of(document, "Version", "")?.unwrap_or_else(|| OLDEST.to_owned()),
        id: text_of(document, "Id", "")?,
        statements,
    })
}

fn parse_statement(value: &Value, at: &str) -> Result<Statement, ParsePolicyError> {
    const KEYS: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    let statement = object(value, at)?;
    only(statement, &KEYS, at)?;
    let effect = text_of(statement, "Effect", at)?
        .ok_or_else(|| shape(format!("{at}.Effect"), "it is missing: expected Allow or Deny"))?;
    let texts = |key: &str| match statement.get(key) {
        Some(value) => texts(value, &format!("{at}.{key}")),
        None => Ok(Vec::new()),
    };
    let principals = |key: &str| {
        statement.get(key).map(|value| parse_principals(value, &format!("{at}.{key}"))).transpose()
    };
    Ok(Statement {
        sid: text_of(statement, "Sid", at)?,
        effect: Effect::from(effect),
        principals: principals("Principal")?,
        not_principals: principals("NotPrincipal")?,
        actions: texts("Action")?,
        not_actions: texts("NotAction")?,
        resources: texts("Resource")?,
        not_resources: texts("NotResource")?,
        conditions: statement
            .get("Condition")
            .map(|value| parse_conditions(value, &format!("{at}.Condition")))
            .transpose()?
            .unwrap_or_default(),
    })
}

fn parse_principals(value: &Value, at: &str) -> Result<Principals, ParsePolicyError> {
    if value.as_str() == Some("*") {
        return Ok(Principals { aws: vec!["*".to_owned()], ..Principals::default() });
    }
    let kinds = object(value, at)?;
    only(kinds, &["AWS", "Service", "Federated", "CanonicalUser"], at)?;
    let names = |kind: &str| match kinds.get(kind) {
        Some(value) => texts(value, &format!("{at}.{kind}")),
        None => Ok(Vec::new()),
    };
    Ok(Principals {
        aws: names("AWS")?,
        services: names("Service")?,
        federated: names("Federated")?,
        canonical_users: names("CanonicalUser")?,
    })
}

type Conditions =
    std::collections::BTreeMap<String, std::collections::BTreeMap<String, Vec<String>>>;

fn parse_conditions(value: &Value, at: &str) -> Result<Conditions, ParsePolicyError> {
    let mut conditions = Conditions::new();
    for (operator, keys) in object(value, at)? {
        let at = format!("{at}.{operator}");
        let keys = object(keys, &at)?
            .iter()
            .map(|(key, values)| Ok((key.clone(), texts(values, &format!("{at}.{key}"))?)))
            .collect::<Result<_, _>>()?;
        conditions.insert(operator.clone(), keys);
    }
    Ok(conditions)
}

pub(super) fn write(document: &PolicyDocument) -> Value {
    let mut whole = Map::new();
    whole.insert("Version".to_owned(), json!(document.version));
    if let Some(id) = &document.id {
        whole.insert("Id".to_owned(), json!(id));
    }
    let statements = document.statements.iter().map(write_statement).collect();
    whole.insert("Statement".to_owned(), Value::Array(statements));
    Value::Object(whole)
}

pub(super) fn write_statement(statement: &Statement) -> Value {
    let mut whole = Map::new();
    if let Some(sid) = &statement.sid {
        whole.insert("Sid".to_owned(), json!(sid));
    }
    whole.insert("Effect".to_owned(), json!(statement.effect.as_str()));
    for (key, principals) in
        [("Principal", &statement.principals), ("NotPrincipal", &statement.not_principals)]
    {
        if let Some(principals) = principals {
            whole.insert(key.to_owned(), write_principals(principals));
        }
    }
    for (key, texts) in [
        ("Action", &statement.actions),
        ("NotAction", &statement.not_actions),
        ("Resource", &statement.resources),
        ("NotResource", &statement.not_resources),
    ] {
        if !texts.is_empty() {
            whole.insert(key.to_owned(), write_texts(texts));
        }
    }
    if !statement.conditions.is_empty() {
        let keys = |keys: &std::collections::BTreeMap<String, Vec<String>>| -> Value {
            keys.iter().map(|(key, values)| (key.clone(), write_texts(values))).collect()
        };
        let conditions =
            statement.conditions.iter().map(|(operator, of)| (operator.clone(), keys(of)));
        whole.insert("Condition".to_owned(), conditions.collect());
    }
    Value::Object(whole)
}

fn write_principals(principals: &Principals) -> Value {
    let kinds = [
        ("AWS", &principals.aws),
        ("Service", &principals.services),
        ("Federated", &principals.federated),
        ("CanonicalUser", &principals.canonical_users),
    ];
    let kinds = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    kinds.map(|(kind, names)| (kind.to_owned(), write_texts(names))).collect()
}

/// A list of one is a text: it is shorter, and size counts.
fn write_texts(texts: &[String]) -> Value {
    match texts {
        [one] => json!(one),
        many => json!(many),
    }
}

/// One text or a list of them; a truth value or a number is the text that IAM takes it for.
fn texts(value: &Value, at: &str) -> Result<Vec<String>, ParsePolicyError> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        other => Err(shape(at, format!("{other} is neither a text nor a list of texts"))),
    };
    match value {
        Value::Array(many) => many.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>, ParsePolicyError> {
    value.as_object().ok_or_else(|| {
        let at = if at.is_empty() { "the whole" } else { at };
        shape(at, format!("{value} is no JSON object"))
    })
}

fn text_of(
    object: &Map<String, Value>,
    key: &str,
    at: &str,
) -> Result<Option<String>, ParsePolicyError> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(shape(join(at, key), format!("{other} is no text"))),
    }
}

fn only(object: &Map<String, Value>, keys: &[&str], at: &str) -> Result<(), ParsePolicyError> {
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(odd) => {
            Err(shape(join(at, odd), format!("it is unknown: expected {}", keys.join(", "))))
        }
        None => Ok(()),
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn shape(at: impl Into<String>, message: impl Into<String>) -> ParsePolicyError {
    ParsePolicyError::Shape { at: at.into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_back_what_it_writes() {
        let text = r#"{"Id":"x","Statement":[{"Action":["ec2:*","s3:Get*"],"Condition":{"StringEquals":{"aws:RequestedRegion":["a","b"]}},"Effect":"Allow","Resource":"*","Sid":"A1"},{"Effect":"Deny","NotAction":"iam:*","NotPrincipal":{"AWS":"*"},"NotResource":"arn:aws:s3:::b"}],"Version":"2012-10-17"}"#;
        assert_eq!(parse(text).unwrap().to_json(), text);
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_place() {
        for (text, expected) in [
            (r#"[]"#, "`the whole` of the policy document: [] is no JSON object"),
            (r#"{}"#, "`Statement` of the policy document: it is missing"),
            (
                r#"{"Statement":[{"Effect":"Allow","Actions":"x"}]}"#,
                "`Statement[0].Actions` of the policy document: it is unknown: expected Sid, \
                 Effect, Principal, NotPrincipal, Action, NotAction, Resource, NotResource, Condition",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":{}}}"#,
                "`Statement.Action` of the policy document: {} is neither a text nor a list of texts",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
        assert!(matches!(parse("{"), Err(ParsePolicyError::Json(_))));
    }
}
