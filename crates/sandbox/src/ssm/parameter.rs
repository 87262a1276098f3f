//! Parameters: what is kept of them, and how a request finds one.
//!
//! The account's own parameters are rows of a region; the public ones, under `/aws/service/`, come
//! from the image catalogue and can only be read.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    call::Call, ec2::image_catalogue, error::ApiError, row::Row, tags::Tags, time::Millis,
};

/// A parameter of the account, with its latest value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `String`, `StringList` or `SecureString`.
    pub(crate) kind: String,
    pub(crate) value: String,
    pub(crate) version: u64,
    pub(crate) modified: Millis,
    /// ARN of who wrote it last.
    pub(crate) modified_by: String,
    pub(crate) description: Option<String>,
    /// The key of a `SecureString`.
    pub(crate) key_id: Option<String>,
    /// `Standard` or `Advanced`.
    pub(crate) tier: String,
    /// `text` or `aws:ec2:image`.
    pub(crate) data_type: String,
    pub(crate) tags: Tags,
}

impl Row for Parameter {
    const KIND: &'static str = "parameter";

    fn id(&self) -> &str {
        &self.name
    }
}

/// A version of a parameter, the latest included.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// `name:number`.
    pub(crate) id: String,
    pub(crate) parameter: Parameter,
}

impl Row for Version {
    const KIND: &'static str = "parameter-version";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Parameter {
    /// `arn:aws:ssm:us-west-2:123456789012:parameter/name`; AWS's own name no account.
    pub(super) fn arn(&self, call: &Call<'_>) -> String {
        let account = if is_public(&self.name) { "" } else { call.account.as_str() };
        let slash = if self.name.starts_with('/') { "" } else { "/" };
        format!("arn:aws:ssm:{}:{account}:parameter{slash}{}", call.region, self.name)
    }

    /// As GetParameter tells it. A `SecureString` stays sealed unless decryption was asked for.
    pub(super) fn json(&self, call: &Call<'_>, selector: Option<&str>, decrypt: bool) -> Value {
        let sealed = self.kind == "SecureString" && !decrypt;
        let value = if sealed { self.sealed() } else { self.value.clone() };
        let mut json = json!({
            "Name": self.name,
            "Type": self.kind,
            "Value": value,
            "Version": self.version,
            "LastModifiedDate": seconds(self.modified),
            "ARN": self.arn(call),
            "DataType": self.data_type,
        });
        if let Some(selector) = selector {
            json["Selector"] = selector.into();
        }
        json
    }

    /// What stands for the ciphertext: nothing can be read from it.
    fn sealed(&self) -> String {
        let digest = Sha256::digest(format!("{}:{}:{}", self.name, self.version, self.value));
        format!("AQICAH{}", BASE64_STANDARD.encode(digest))
    }
}

/// A time as JSON 1.1 services write it: seconds since 1970.
pub(super) fn seconds(time: Millis) -> f64 {
    // 2^53 milliseconds are 285,000 years.
    Duration::from_millis(time).as_secs_f64()
}

/// Whether a name belongs to AWS.
pub(super) fn is_public(name: &str) -> bool {
    name.starts_with("/aws/service/")
}

/// The public parameters of the call's region, by name.
pub(super) fn public(call: &Call<'_>) -> Vec<Parameter> {
    let mut all: Vec<Parameter> = image_catalogue::public_parameters(&call.region)
        .into_iter()
        .map(|(name, image)| Parameter {
            name: name.to_owned(),
            kind: "String".to_owned(),
            value: image,
            version: 1,
            modified: PUBLISHED,
            modified_by: String::new(),
            description: None,
            key_id: None,
            tier: "Standard".to_owned(),
            data_type: "aws:ec2:image".to_owned(),
            tags: Tags::new(),
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// 2026-01-01, a date like any other for what AWS published before.
const PUBLISHED: Millis = 1_767_225_600_000;

/// A parameter found by what a request calls its name: a name or an ARN, perhaps with `:version`.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) parameter: Parameter,
    /// `:3`, if the request asked for a version.
    pub(super) selector: Option<String>,
}

/// Finds a parameter that a client named.
pub(super) fn find(call: &Call<'_>, asked: &str) -> Result<Found, ApiError> {
    let (name, selector) = split(asked);
    let name = resolve(call, name);
    let not_found =
        || ApiError::new("ParameterNotFound", format!("The parameter {asked} is not found."));
    let parameter = if is_public(&name) {
        public(call).into_iter().find(|parameter| parameter.name == name)
    } else {
        call.find::<Parameter>(&name).ok()
    };
    let parameter = parameter.ok_or_else(not_found)?;
    let Some(selector) = selector else { return Ok(Found { parameter, selector: None }) };
    let no_version = || {
        ApiError::new(
            "ParameterVersionNotFound",
            format!(
                "Systems Manager could not find version {selector} of {name}. Verify the version \
                 and try again."
            ),
        )
    };
    // Labels can not be made here, so what is no number is a label that nothing has.
    let number: u64 = selector.parse().map_err(|_| no_version())?;
    let parameter = if parameter.version == number {
        parameter
    } else {
        call.get::<Version>(&format!("{name}:{number}")).ok_or_else(no_version)?.parameter
    };
    Ok(Found { parameter, selector: Some(format!(":{selector}")) })
}

/// The value of a parameter, for what names one instead of a value (`resolve:ssm:`).
pub(crate) fn value(call: &Call<'_>, name: &str) -> Option<String> {
    find(call, name).ok().map(|found| found.parameter.value)
}

/// The name without the part that says where it lives.
pub(super) fn resolve(call: &Call<'_>, asked: &str) -> String {
    let own = format!("arn:aws:ssm:{}:{}:parameter/", call.region, call.account);
    let public = format!("arn:aws:ssm:{}::parameter/", call.region);
    let Some(rest) = asked.strip_prefix(&own).or_else(|| asked.strip_prefix(&public)) else {
        return asked.to_owned();
    };
    // `name` and `/name` have the same ARN; only one without further slashes can be the former.
    if !rest.contains('/') && call.get::<Parameter>(rest).is_some() {
        return rest.to_owned();
    }
    format!("/{rest}")
}

/// Splits `name:3`; an ARN has colons of its own before its last slash.
fn split(asked: &str) -> (&str, Option<&str>) {
    let tail = asked.rfind('/').map_or(0, |at| at + 1);
    match asked[tail..].split_once(':') {
        Some((name, selector)) => (&asked[..tail + name.len()], Some(selector)),
        None => (asked, None),
    }
}
