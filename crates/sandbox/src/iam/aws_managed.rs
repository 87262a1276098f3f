//! The AWS managed policies that the sandbox knows: those commonly attached to the roles of
//! instances, functions, tasks and service-linked roles.
//!
//! `managed_policies.json` is AWS's published data: one policy a line. Documents of more than
//! 2,800 characters are left out (`null`); such a policy can be attached, but not read.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// One policy that AWS owns.
#[derive(Debug, Deserialize)]
pub(crate) struct AwsManaged {
    /// Its name, unique among AWS's.
    pub(crate) name: String,
    /// `/`, `/service-role/`, `/job-function/` or `/aws-service-role/`.
    pub(crate) path: String,
    /// The only version that can be read here, say `v2`.
    pub(crate) version: String,
    /// When AWS made it, ISO 8601.
    pub(crate) created: String,
    /// When AWS last changed it, ISO 8601.
    pub(crate) updated: String,
    /// False for policies that only a service-linked role can have.
    pub(crate) attachable: bool,
    /// The JSON text of the document.
    pub(crate) document: Option<String>,
}

impl AwsManaged {
    /// `arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole`.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }

    /// A stable id of the form that AWS gives; not AWS's own, which it does not publish.
    pub(crate) fn id(&self) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut hash = 0xcbf2_9ce4_8422_2325_u64; // FNV-1a
        let mut id = String::from("ANPA");
        for round in 0_u8..17 {
            for byte in self.name.bytes().chain([round]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            id.push(char::from(ALPHABET[(hash >> 40) as usize % 32]));
        }
        id
    }
}

/// All of them by ARN.
pub(crate) fn all() -> &'static BTreeMap<String, AwsManaged> {
    static ALL: LazyLock<BTreeMap<String, AwsManaged>> = LazyLock::new(|| {
        let list: Vec<AwsManaged> = serde_json::from_str(include_str!("managed_policies.json"))
            .expect("the table is compiled in and read by a test");
        list.into_iter().map(|policy| (policy.arn(), policy)).collect()
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use super::all;
    use crate::iam::document;

    #[test]
    fn the_documents_of_aws_pass_the_sandbox_s_own_checks() {
        assert!(
            all().contains_key("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
        );
        for (arn, policy) in all() {
            assert!(policy.id().len() == 21 && policy.version.starts_with('v'), "{arn}");
            if let Some(text) = &policy.document {
                document::parse(document::Kind::Identity, text)
                    .unwrap_or_else(|message| panic!("{arn}: {message}"));
            }
        }
    }
}
