//! Policy documents: who may do what with which resources, as typed data with late values in it.
//!
//! IAM writes the same document in many ways: a list of one as a text, an account as its number or
//! as an ARN, actions in any case. [`PolicyDocument`] has one way, sends one way, and compares by
//! meaning, so that a plan shows what changes and nothing else. It does not evaluate anything.

mod check;
mod json;

use std::collections::BTreeMap;

pub(crate) use check::{DocumentKind, check};
use formwork_core::{Input, Inputs, Output};
pub use json::ParsePolicyError;
use serde::{Deserialize, Serialize};

use crate::id::{Arn, choice};

choice! {
    /// Whether a statement allows or denies.
    Effect {
        /// It allows.
        Allow = "Allow",
        /// It denies, whatever else allows.
        Deny = "Deny",
    }
}

impl Default for Effect {
    /// A statement allows unless it says otherwise.
    fn default() -> Self {
        Self::Allow
    }
}

/// A JSON policy document, typed.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>
///
/// ```
/// use formwork_aws::iam::{PolicyDocument, Statement};
///
/// let read = Statement::allow(["s3:GetObject"]).on(["arn:aws:s3:::data/*"]).build();
/// let policy = PolicyDocument::of([read]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct PolicyDocument {
    /// The version of the policy language: `2012-10-17`, unless it is an old document.
    #[serde(default = "language")]
    #[resource(default)]
    pub version: String,
    /// An id of the document, for services that want one.
    pub id: Option<String>,
    /// The statements, one at least.
    #[resource(nested)]
    pub statements: Vec<Statement>,
}

fn language() -> String {
    "2012-10-17".to_owned()
}

/// One statement of a policy document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct Statement {
    /// Its id: letters and digits, unique in the document.
    pub sid: Option<String>,
    /// Whether it allows (which it does if this is not set) or denies.
    #[serde(default)]
    #[resource(default)]
    pub effect: Effect,
    /// Whom it is about. In trust policies and policies of resources, not in those of roles.
    #[resource(nested)]
    pub principals: Option<Principals>,
    /// Whom it is not about.
    #[resource(nested)]
    pub not_principals: Option<Principals>,
    /// What may be done, such as `s3:GetObject` or `ec2:Describe*`.
    #[serde(default)]
    #[resource(default, unordered, case_insensitive)]
    pub actions: Vec<String>,
    /// Everything but this.
    #[serde(default)]
    #[resource(default, unordered, case_insensitive)]
    pub not_actions: Vec<String>,
    /// The ARNs it is about, or `*`. Not in trust policies.
    #[serde(default)]
    #[resource(default, unordered)]
    pub resources: Vec<String>,
    /// Everything but these ARNs.
    #[serde(default)]
    #[resource(default, unordered)]
    pub not_resources: Vec<String>,
    /// When it applies: values by key by operator, such as
    /// `[("StringEquals", [("aws:RequestedRegion", ["eu-west-1"])])]`.
    #[serde(default)]
    #[resource(default)]
    pub conditions: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// Whom a statement is about.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct Principals {
    /// Accounts (twelve digits, or the ARN of their root), roles, users and sessions by ARN, or `*`.
    #[serde(default)]
    #[resource(default, unordered)]
    pub aws: Vec<String>,
    /// Services, such as `ec2.amazonaws.com`.
    #[serde(default)]
    #[resource(default, unordered)]
    pub services: Vec<String>,
    /// Identity providers, by name or ARN.
    #[serde(default)]
    #[resource(default, unordered)]
    pub federated: Vec<String>,
    /// Accounts by their canonical id, in policies of buckets.
    #[serde(default)]
    #[resource(default, unordered)]
    pub canonical_users: Vec<String>,
}

/// What can stand in a list of a policy document: a text, an ARN, or a late one of either.
pub trait PolicyText {
    /// The text, late or not.
    fn into_text(self) -> Input<String>;
}

impl PolicyText for &str {
    fn into_text(self) -> Input<String> {
        self.into()
    }
}
impl PolicyText for String {
    fn into_text(self) -> Input<String> {
        self.into()
    }
}
impl PolicyText for Arn {
    fn into_text(self) -> Input<String> {
        Input::from(self).cast()
    }
}
impl PolicyText for Output<String> {
    fn into_text(self) -> Input<String> {
        self.into()
    }
}
impl PolicyText for Output<Arn> {
    fn into_text(self) -> Input<String> {
        Input::from(self).cast()
    }
}
impl PolicyText for Input<String> {
    fn into_text(self) -> Input<String> {
        self
    }
}
impl<T: PolicyText + Clone> PolicyText for &T {
    fn into_text(self) -> Input<String> {
        self.clone().into_text()
    }
}

fn texts<T: PolicyText>(texts: impl IntoIterator<Item = T>) -> Input<Vec<String>> {
    texts.into_iter().map(PolicyText::into_text).collect::<Vec<_>>().into()
}

impl PolicyDocument {
    /// A document of these statements, in the current language.
    pub fn of(statements: impl Into<Input<Vec<Statement>>>) -> Input<Self> {
        Self::builder().statements(statements).build()
    }

    /// The trust policy of a role that a service assumes, such as `ec2.amazonaws.com`.
    pub fn assumed_by(service: impl PolicyText) -> Input<Self> {
        Self::of([Statement::trust(Principals::services([service])).build()])
    }

    /// Reads a document that is JSON.
    ///
    /// # Errors
    /// When it is no JSON, or has what no policy document has.
    pub fn from_json(text: &str) -> Result<Self, ParsePolicyError> {
        json::parse(text)
    }

    /// Reads a document that is JSON and known only later.
    #[track_caller]
    pub fn from_late_json(text: &Output<String>) -> Output<Self> {
        text.try_map(|text| json::parse(&text))
    }

    /// The document as JSON, always written the same way and as short as it can be.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::write(self).to_string()
    }

    /// Whether both say the same, however they say it.
    #[must_use]
    pub fn means(&self, other: &Self) -> bool {
        self == other || self.canonical() == other.canonical()
    }

    /// The one form of all documents that say the same.
    fn canonical(&self) -> Self {
        let mut statements: Vec<_> = self.statements.iter().map(Statement::canonical).collect();
        statements.sort_by_cached_key(|statement| json::write_statement(statement).to_string());
        Self { version: self.version.clone(), id: given(self.id.as_ref()), statements }
    }
}

impl std::str::FromStr for PolicyDocument {
    type Err = ParsePolicyError;

    fn from_str(text: &str) -> Result<Self, ParsePolicyError> {
        Self::from_json(text)
    }
}

impl Statement {
    /// A statement that allows `actions`; say on what with [`StatementBuilder::on`].
    pub fn allow<T: PolicyText>(
        actions: impl IntoIterator<Item = T>,
    ) -> StatementBuilder<statement_builder::SetActions<statement_builder::SetEffect>> {
        Self::builder().effect(Effect::Allow).actions(texts(actions))
    }

    /// A statement that denies `actions`; say on what with [`StatementBuilder::on`].
    pub fn deny<T: PolicyText>(
        actions: impl IntoIterator<Item = T>,
    ) -> StatementBuilder<statement_builder::SetActions<statement_builder::SetEffect>> {
        Self::builder().effect(Effect::Deny).actions(texts(actions))
    }

    /// A statement of a trust policy: `principals` may assume the role.
    pub fn trust(
        principals: impl Into<Input<Principals>>,
    ) -> StatementBuilder<
        statement_builder::SetPrincipals<
            statement_builder::SetActions<statement_builder::SetEffect>,
        >,
    > {
        Self::allow(["sts:AssumeRole"]).principals(principals)
    }

    fn canonical(&self) -> Self {
        let conditions = self.conditions.iter().filter(|(_, keys)| !keys.is_empty());
        let set = |(key, values): (&String, &Vec<String>)| (key.clone(), set(values));
        let lower = |actions: &[String]| -> Vec<String> {
            self::set(&actions.iter().map(|action| action.to_ascii_lowercase()).collect::<Vec<_>>())
        };
        Self {
            sid: given(self.sid.as_ref()),
            effect: self.effect.clone(),
            principals: self.principals.as_ref().map(Principals::canonical),
            not_principals: self.not_principals.as_ref().map(Principals::canonical),
            actions: lower(&self.actions),
            not_actions: lower(&self.not_actions),
            resources: self::set(&self.resources),
            not_resources: self::set(&self.not_resources),
            conditions: conditions
                .map(|(operator, keys)| (operator.clone(), keys.iter().map(set).collect()))
                .collect(),
        }
    }
}

impl<S: statement_builder::State> StatementBuilder<S> {
    /// Sets the ARNs that the statement is about: texts, ARNs, or outputs of either.
    pub fn on<T: PolicyText>(
        self,
        resources: impl IntoIterator<Item = T>,
    ) -> StatementBuilder<statement_builder::SetResources<S>>
    where
        S::Resources: statement_builder::IsUnset,
    {
        self.resources(texts(resources))
    }
}

impl Principals {
    /// Services, such as `ec2.amazonaws.com`.
    pub fn services<T: PolicyText>(services: impl IntoIterator<Item = T>) -> Input<Self> {
        Self::builder().services(texts(services)).build()
    }

    /// Accounts, roles and users.
    pub fn aws<T: PolicyText>(principals: impl IntoIterator<Item = T>) -> Input<Self> {
        Self::builder().aws(texts(principals)).build()
    }

    /// Identity providers.
    pub fn federated<T: PolicyText>(providers: impl IntoIterator<Item = T>) -> Input<Self> {
        Self::builder().federated(texts(providers)).build()
    }

    /// Everyone in every account.
    #[must_use]
    pub fn everyone() -> Input<Self> {
        Self::aws(["*"])
    }

    fn canonical(&self) -> Self {
        // IAM turns an account's number into the ARN of its root.
        let account = |name: &String| {
            let root = name.strip_suffix(":root").and_then(|rest| rest.split_once(":iam::"));
            root.map_or_else(|| name.clone(), |(_, account)| account.to_owned())
        };
        Self {
            aws: set(&self.aws.iter().map(account).collect::<Vec<_>>()),
            services: set(&self.services),
            federated: set(&self.federated),
            canonical_users: set(&self.canonical_users),
        }
    }
}

fn set(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort();
    texts.dedup();
    texts
}

fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_say_the_same_mean_the_same() {
        let one = PolicyDocument::from_json(
            r#"{"Version":"2012-10-17","Statement":{"Sid":"","Effect":"Allow","Principal":
            {"AWS":"arn:aws:iam::123456789012:root"},"Action":"STS:assumerole",
            "Condition":{"Bool":{"aws:MultiFactorAuthPresent":true}}}}"#,
        )
        .unwrap();
        let other = PolicyDocument::from_json(
            r#"{"Statement":[{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":
            {"AWS":["123456789012"]},"Condition":{"Bool":{"aws:MultiFactorAuthPresent":["true"]},
            "StringLike":{}}}],"Version":"2012-10-17"}"#,
        )
        .unwrap();
        assert!(one.means(&other));
        let denies = PolicyDocument {
            statements: vec![Statement { effect: Effect::Deny, ..one.statements[0].clone() }],
            ..one.clone()
        };
        assert!(!one.means(&denies));
    }
}
