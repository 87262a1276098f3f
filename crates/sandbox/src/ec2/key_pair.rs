//! Key pairs.
//!
//! A private key that CreateKeyPair answers has the right shape and opens nothing: there is no
//! machine to log in to.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::key_fingerprint;
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    row::{Row, check_id, not_found},
    tags::{self, Tags},
    time::{Millis, iso8601},
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("ImportKeyPair", import),
    ("CreateKeyPair", create),
    ("DescribeKeyPairs", describe_key_pairs),
    ("DeleteKeyPair", delete),
];

/// A key pair. Its name is unique in the region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyPair {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) key_type: String,
    pub(crate) fingerprint: String,
    pub(crate) public_key: String,
    pub(crate) created: Millis,
}

impl Row for KeyPair {
    const KIND: &'static str = "key-pair";
    const PREFIX: &'static str = "key";
    const ERROR: &'static str = "InvalidKeyPair";
    const NOUN: &'static str = "key pair ID";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Finds a key pair that a client named.
pub(crate) fn by_name(call: &Call<'_>, name: &str) -> Result<KeyPair, ApiError> {
    call.visible::<KeyPair>().into_iter().find(|key| key.name == name).ok_or_else(|| {
        ApiError::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist"))
    })
}

fn import(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let (name, tags) = new_key(call)?;
    let material =
        BASE64_STANDARD.decode(call.params.required("PublicKeyMaterial")?).map_err(|_| {
            ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
        })?;
    let public = key_fingerprint::parse(&material)?;
    let key = KeyPair {
        id: call.new_id("key"),
        name,
        key_type: public.key_type.to_owned(),
        fingerprint: public.fingerprint,
        public_key: public.line,
        created: call.now,
    };
    Ok(keep(call, &key, tags).into())
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let (name, tags) = new_key(call)?;
    let key_type =
        call.params.choice("KeyType", &["rsa", "ed25519"])?.unwrap_or_else(|| "rsa".into());
    let format = call.params.choice("KeyFormat", &["pem", "ppk"])?.unwrap_or_else(|| "pem".into());
    if format == "ppk" && key_type == "ed25519" {
        return Err(ApiError::combination(
            "The PPK format is not supported for ED25519 keys here.",
        ));
    }
    let body = random_base64(call, if key_type == "rsa" { 1_190 } else { 290 });
    let public = random_base64(call, if key_type == "rsa" { 256 } else { 32 });
    let digest: Vec<u8> = (0..3).flat_map(|_| call.random().to_be_bytes()).take(20).collect();
    let key = KeyPair {
        id: call.new_id("key"),
        fingerprint: match key_type.as_str() {
            "rsa" => key_fingerprint::colons(&digest),
            _ => random_base64(call, 32),
        },
        public_key: format!("ssh-{key_type} {public} {name}"),
        name,
        key_type,
        created: call.now,
    };
    let material = private_key(&format, &key.key_type, &body);
    Ok(keep(call, &key, tags).text("keyMaterial", material).into())
}

fn describe_key_pairs(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let (names, ids) = (call.params.list("KeyName"), call.params.list("KeyPairId"));
    let with_key = call.params.flag("IncludePublicKey")?.unwrap_or(false);
    let filters = Filters::read(&call.params, &["key-pair-id", "fingerprint", "key-name"])?;
    for name in &names {
        by_name(call, name)?;
    }
    for id in &ids {
        call.find::<KeyPair>(id)?;
    }
    let all = names.is_empty() && ids.is_empty();
    let keys: Vec<KeyPair> = call
        .visible::<KeyPair>()
        .into_iter()
        .filter(|key| all || names.contains(&key.name) || ids.contains(&key.id))
        .filter(|key| {
            filters.matches(&call.tags(&key.id), |filter| match filter {
                "key-pair-id" => vec![key.id.clone()],
                "fingerprint" => vec![key.fingerprint.clone()],
                _ => vec![key.name.clone()],
            })
        })
        .collect();
    let items = keys.iter().map(|key| {
        let xml = summary(key)
            .text("keyType", &key.key_type)
            .text("createTime", iso8601(key.created))
            .maybe("publicKey", with_key.then_some(&key.public_key));
        tags::xml(xml, &call.tags(&key.id))
    });
    Ok(Xml::new().items("keySet", items).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let key = match (call.params.optional("KeyPairId"), call.params.optional("KeyName")) {
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "Specify either a key pair ID or a key name, not both.",
            ));
        }
        (Some(id), None) => {
            check_id::<KeyPair>(&id)?;
            Some(call.get::<KeyPair>(&id).ok_or_else(|| not_found::<KeyPair>(&id))?)
        }
        // A name that nothing has is no error.
        (None, Some(name)) => call.rows::<KeyPair>().into_iter().find(|key| key.name == name),
        (None, None) => return Err(ApiError::missing("KeyName")),
    };
    let Some(key) = key else { return Ok(Answer::done()) };
    call.remove::<KeyPair>(&key.id);
    Ok(Xml::new().text("return", true).text("keyPairId", key.id).into())
}

fn new_key(call: &Call<'_>) -> Result<(String, Tags), ApiError> {
    let name = call.params.required("KeyName")?;
    if !name.is_ascii() || name.len() > 255 {
        return Err(ApiError::invalid("KeyName", &name, "A name is up to 255 ASCII characters."));
    }
    if call.rows::<KeyPair>().iter().any(|key| key.name == name) {
        let message = format!("The keypair '{name}' already exists.");
        return Err(ApiError::new("InvalidKeyPair.Duplicate", message));
    }
    Ok((name, tags::specification(&call.params, KeyPair::KIND)?))
}

fn keep(call: &mut Call<'_>, key: &KeyPair, tags: Tags) -> Xml {
    call.put(key);
    call.set_tags(&key.id, tags);
    tags::xml(summary(key), &call.tags(&key.id))
}

fn summary(key: &KeyPair) -> Xml {
    Xml::new()
        .text("keyPairId", &key.id)
        .text("keyName", &key.name)
        .text("keyFingerprint", &key.fingerprint)
}

fn random_base64(call: &mut Call<'_>, bytes: usize) -> String {
    let bits: Vec<u8> =
        (0..bytes.div_ceil(8)).flat_map(|_| call.random().to_be_bytes()).take(bytes).collect();
    BASE64_STANDARD.encode(bits)
}

fn private_key(format: &str, key_type: &str, body: &str) -> String {
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let body = lines.join("\n");
    if format == "ppk" {
        return format!(
            "PuTTY-User-Key-File-2: ssh-{key_type}\nEncryption: none\nPrivate-Lines: {}\n{body}\n",
            lines.len()
        );
    }
    let label = if key_type == "rsa" { "RSA PRIVATE KEY" } else { "OPENSSH PRIVATE KEY" };
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----")
}

#[cfg(test)]
mod tests {
    use crate::{
        Sandbox,
        testing::{ec2, ec2_error, first},
    };

    const KEY: &str = "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUJQelJObC9DU2pNTVlETHlQcERCZi9IRGxWL3lQMk1kdllVdGtObldBeisgYUBi";

    #[tokio::test]
    async fn a_key_name_is_taken_once_and_free_again_after_deletion() {
        let sandbox = Sandbox::in_memory();
        let import = format!("Action=ImportKeyPair&KeyName=ops&PublicKeyMaterial={KEY}");
        let body = ec2(&sandbox, &import).await;
        assert_eq!(first(&body, "keyFingerprint"), "2RdMbpurI9XkjGwm3nAklsQ51YIz6GxdRFR9N0+mUE4=");
        assert_eq!(ec2_error(&sandbox, &import).await, "InvalidKeyPair.Duplicate");
        let id = first(&body, "keyPairId");
        let shown = ec2(&sandbox, &format!("Action=DescribeKeyPairs&KeyPairId.1={id}")).await;
        assert_eq!(
            (first(&shown, "keyName"), first(&shown, "keyType")),
            ("ops".into(), "ed25519".into())
        );

        ec2(&sandbox, "Action=DeleteKeyPair&KeyName=ops").await;
        ec2(&sandbox, "Action=DeleteKeyPair&KeyName=ops").await;
        assert_eq!(
            ec2_error(&sandbox, "Action=DescribeKeyPairs&KeyName.1=ops").await,
            "InvalidKeyPair.NotFound"
        );
        let made = ec2(&sandbox, "Action=CreateKeyPair&KeyName=ops").await;
        assert!(first(&made, "keyMaterial").starts_with("-----BEGIN RSA PRIVATE KEY-----"));
        let bad = "Action=ImportKeyPair&KeyName=bad&PublicKeyMaterial=c3NoLXJzYQ==";
        assert_eq!(ec2_error(&sandbox, bad).await, "InvalidKey.Format");
    }
}
