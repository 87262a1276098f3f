//! Key pairs: whose public key a machine lets in.

use aws_sdk_ec2::{primitives::Blob, types};
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Observed,
    Outputs, ProviderError, Resource, Secret,
};
use serde::{Deserialize, Serialize};

use super::{
    describe::filter,
    wire::{seen, sent},
};
use crate::{
    check,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::{Arn, choice, id_type},
    locate::may_take,
    tags::{self, OWNER_FILTER, Tags},
};

id_type! {
    /// A key pair's id, `key-...`.
    KeyPairId,
}

choice! {
    /// What kind of key AWS makes.
    KeyType {
        /// RSA, 2048 bits.
        Rsa = "rsa",
        /// ED25519; not for Windows.
        Ed25519 = "ed25519",
    }
}

choice! {
    /// How AWS writes the private key that it makes.
    KeyFormat {
        /// For OpenSSH.
        Pem = "pem",
        /// For PuTTY.
        Ppk = "ppk",
    }
}

/// A key pair: one's own public key, or a pair that AWS makes.
///
/// The private key of a pair that AWS makes is told once, and is a secret output from then on; it is
/// better to bring a public key, whose private half never leaves its owner.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/key-pair", outputs = KeyPairOutputs, group = identity, seconds = 1)]
pub struct KeyPair {
    /// Its name, unique in the region: up to 255 ASCII characters. Generated if not set.
    #[resource(replace, defaulted, unique)]
    pub name: Option<String>,
    /// The public key in OpenSSH's form, such as `ssh-ed25519 AAAA.. comment`. AWS makes a pair if
    /// it is not set.
    #[resource(replace)]
    pub public_key: Option<String>,
    /// What kind of pair AWS makes; RSA if not set.
    #[resource(replace, defaulted)]
    pub key_type: Option<KeyType>,
    /// How AWS writes the private key; PEM if not set.
    #[resource(replace, write_only)]
    pub key_format: Option<KeyFormat>,
    /// Its tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a key pair reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct KeyPairOutputs {
    /// The id.
    #[output(id)]
    pub id: KeyPairId,
    /// The ARN.
    pub arn: Arn,
    /// The name, which is what machines refer to it by.
    pub name: String,
    /// The fingerprint, in one of the forms that AWS has for the kinds of keys.
    pub fingerprint: String,
    /// The private key, if AWS made the pair.
    pub private_key: Option<Secret<String>>,
}

impl Lifecycle for KeyPair {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        // A pair that AWS made before a crash is of no use: its private key is known to nobody. The
        // create that follows replaces it.
        if inputs.public_key.is_none() {
            return Ok(None);
        }
        let owner = vec![cx.identity.id.to_string()];
        let found = pairs(cx.client, OWNER_FILTER, &owner).await?;
        found.first().map(|pair| observe(cx.client, pair, Some(inputs), None)).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(Self::list(cx.client, std::slice::from_ref(known)).await?.pop())
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let ids = super::describe::ids!(among);
        let found = pairs(clients, "key-pair-id", &ids).await?;
        let look = |pair: &types::KeyPairInfo| {
            let id = pair.key_pair_id.as_deref();
            let known = among.iter().find(|known| id == Some(known.outputs.id.as_str()));
            let inputs = known.map(|known| &known.inputs);
            observe(clients, pair, inputs, known.and_then(|it| it.outputs.private_key.clone()))
        };
        found.iter().map(look).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let (filter, value) = match by {
            By::Id(id) if id.starts_with("key-") => ("key-pair-id", id.to_owned()),
            By::Id(name) => ("key-name", name.to_owned()),
            By::Inputs(Self { name: Some(name), .. }) => ("key-name", name.clone()),
            By::Inputs(_) => return Ok(None),
        };
        let mut found = pairs(clients, filter, &[value]).await?;
        found.retain(|pair| may_take(by, tags::owner(pair.tags()).is_some()));
        found.first().map(|pair| observe(clients, pair, None, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<KeyPairOutputs, CreateError<Self>> {
        let name = inputs.name.clone().unwrap_or_else(|| cx.identity.name(255));
        match &inputs.public_key {
            Some(key) => Ok(import(cx, inputs, &name, key).await?),
            None => Ok(make(cx, inputs, &name).await?),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<KeyPairOutputs, ProviderError> {
        let (id, had) = (known.outputs.id.as_str(), &known.inputs.tags);
        tags::update(cx.client, cx.identity, id, had, &inputs.tags, changes).await?;
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let call = cx.client.ec2().delete_key_pair().key_pair_id(known.outputs.id.as_str());
        unless_absent(call.send().await.named("ec2:DeleteKeyPair"))?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        check::text(check, "name", (1, 255), |c| c.is_ascii(), "ASCII");
        check::choice::<KeyType>(check, "key_type");
        check::choice::<KeyFormat>(check, "key_format");
        if check.is_set("public_key") {
            for field in ["key_type", "key_format"] {
                if check.is_set(field) {
                    let message = "a public key is given: expected none, for AWS makes no pair";
                    check.problem(field, message);
                }
            }
        }
        if let Some(key) = check.get::<String>("public_key")
            && !is_public_key(&key)
        {
            // <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImportKeyPair.html>
            let start: String = key.chars().take(20).collect();
            let message = format!(
                "{start:?}.. is no public key that EC2 takes: expected `ssh-ed25519 AAAA..` or `ssh-rsa AAAA..`"
            );
            check.problem("public_key", message);
        }
        tags::check(check, "tags");
    }
}

const DESCRIBE: &str = "ec2:DescribeKeyPairs";

/// The kind of key and the key itself, without the comment.
fn material(key: &str) -> Option<(&str, &str)> {
    let mut words = key.split_whitespace();
    words.next().zip(words.next())
}

fn is_public_key(key: &str) -> bool {
    // The kind is written once more inside, after its length.
    match material(key) {
        Some(("ssh-ed25519", key)) => key.starts_with("AAAAC3NzaC1lZDI1NTE5"),
        Some(("ssh-rsa", key)) => key.starts_with("AAAAB3NzaC1yc2E"),
        // EC2 takes DER and RFC 4716 too.
        _ => key.starts_with("---- BEGIN SSH2 PUBLIC KEY ----") || key.starts_with("MII"),
    }
}

async fn import(
    cx: &Context<'_, Clients>,
    inputs: &KeyPair,
    name: &str,
    key: &str,
) -> Result<KeyPairOutputs, ProviderError> {
    const CALL: &str = "ec2:ImportKeyPair";
    let of = types::ResourceType::KeyPair;
    let answer = cx
        .client
        .ec2_once()
        .import_key_pair()
        .key_name(name)
        .public_key_material(Blob::new(key.as_bytes()))
        .tag_specifications(tags::specification(cx.client, cx.identity, of, &inputs.tags))
        .send()
        .await
        .named(CALL)?;
    let id = seen(&answer.key_pair_id).ok_or_else(|| incomplete(CALL, "id"))?;
    let fingerprint = answer.key_fingerprint.unwrap_or_default();
    Ok(outputs(cx.client, id, name.to_owned(), fingerprint, None))
}

/// Lets AWS make a pair, after removing the one that an earlier attempt made for this same object:
/// its private key was lost with the answer.
async fn make(
    cx: &Context<'_, Clients>,
    inputs: &KeyPair,
    name: &str,
) -> Result<KeyPairOutputs, ProviderError> {
    const CALL: &str = "ec2:CreateKeyPair";
    let owner = vec![cx.identity.id.to_string()];
    for lost in pairs(cx.client, OWNER_FILTER, &owner).await? {
        let call = cx.client.ec2().delete_key_pair().set_key_pair_id(lost.key_pair_id);
        unless_absent(call.send().await.named("ec2:DeleteKeyPair"))?;
    }
    let of = types::ResourceType::KeyPair;
    let answer = cx
        .client
        .ec2_once()
        .create_key_pair()
        .key_name(name)
        .set_key_type(sent(&inputs.key_type))
        .set_key_format(sent(&inputs.key_format))
        .tag_specifications(tags::specification(cx.client, cx.identity, of, &inputs.tags))
        .send()
        .await
        .named(CALL)?;
    let id = seen(&answer.key_pair_id).ok_or_else(|| incomplete(CALL, "id"))?;
    let fingerprint = answer.key_fingerprint.unwrap_or_default();
    let private = answer.key_material.map(Secret::new);
    Ok(outputs(cx.client, id, name.to_owned(), fingerprint, private))
}

/// The pairs that have one of `values` as `name`; the call has no pages.
async fn pairs(
    clients: &Clients,
    name: &str,
    values: &[String],
) -> Result<Vec<types::KeyPairInfo>, ProviderError> {
    let mut found = Vec::new();
    for chunk in values.chunks(super::describe::FILTER_VALUES) {
        let call = clients.ec2().describe_key_pairs().filters(filter(name, chunk));
        let answer = call.include_public_key(true).send().await.named(DESCRIBE)?;
        found.extend(answer.key_pairs.unwrap_or_default());
    }
    Ok(found)
}

fn outputs(
    clients: &Clients,
    id: KeyPairId,
    name: String,
    fingerprint: String,
    private_key: Option<Secret<String>>,
) -> KeyPairOutputs {
    // <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html>
    let arn = clients.arn("ec2", None, &format!("key-pair/{name}"));
    KeyPairOutputs { id, arn, name, fingerprint, private_key }
}

fn observe(
    clients: &Clients,
    pair: &types::KeyPairInfo,
    declared: Option<&KeyPair>,
    private_key: Option<Secret<String>>,
) -> Result<Observed<KeyPair>, ProviderError> {
    let id = seen(&pair.key_pair_id).ok_or_else(|| incomplete(DESCRIBE, "id"))?;
    let name = pair.key_name.clone().ok_or_else(|| incomplete(DESCRIBE, "name"))?;
    let asked = declared.and_then(|inputs| inputs.public_key.as_ref());
    let made = declared.is_some_and(|inputs| inputs.public_key.is_none());
    let is = pair.public_key.as_ref();
    // EC2 writes a comment of its own, and shows keys in one form whatever form they came in.
    let same = |asked: &&String| match (material(asked), is.and_then(|is| material(is))) {
        (Some((kind, asked)), Some(is)) if kind.starts_with("ssh-") => (kind, asked) == is,
        _ => true,
    };
    let inputs = KeyPair {
        name: Some(name.clone()),
        public_key: if made { None } else { asked.filter(same).or(is).cloned() },
        key_type: seen(&pair.key_type),
        key_format: declared.and_then(|inputs| inputs.key_format.clone()),
        tags: tags::own(clients, tags::map(pair.tags()), declared.map(|inputs| &inputs.tags)),
    };
    let fingerprint = pair.key_fingerprint.clone().unwrap_or_default();
    Ok(Observed { inputs, outputs: outputs(clients, id, name, fingerprint, private_key) })
}

#[cfg(test)]
mod tests {
    use formwork_core::Context;
    use formwork_sandbox::Sandbox;

    use super::*;
    use crate::{
        ec2::fixture::tags,
        testing::{aws, dies, identity, lives, ready},
    };

    const PUBLIC: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn9NxhTOvOLVNLqTBDkBW1lbSUVlkA7Dh2e0v3xJ7uC me@home";

    fn pair() -> KeyPair {
        KeyPair {
            name: None,
            public_key: Some(PUBLIC.into()),
            key_type: None,
            key_format: None,
            tags: Tags::new(),
        }
    }

    #[tokio::test]
    async fn a_public_key_is_brought() {
        let aws = aws(&Sandbox::in_memory()).await;
        let tagged = KeyPair { tags: tags([("a", "1")]), ..pair() };
        let known = lives(&aws, 0, [pair(), tagged]).await;
        assert!(known.outputs.private_key.is_none());
        dies(&aws, 0, known).await;
    }

    #[tokio::test]
    async fn a_pair_whose_private_key_was_lost_is_made_again() {
        let aws = aws(&Sandbox::in_memory()).await;
        let made = KeyPair { public_key: None, key_type: Some(KeyType::Ed25519), ..pair() };
        let lost = ready(&aws, 0, made.clone()).await;
        let id = identity(0);
        let cx = Context { client: &**aws.clients(), identity: &id };
        assert!(KeyPair::find(&cx, &made).await.unwrap().is_none());
        let known = ready(&aws, 0, made).await;
        assert_ne!(known.outputs.id, lost.outputs.id);
        let secret = known.outputs.private_key.clone().unwrap();
        assert!(secret.expose().contains("PRIVATE KEY"));
        let read = KeyPair::read(&cx, &known).await.unwrap().unwrap();
        assert_eq!(read.outputs, known.outputs);
        dies(&aws, 0, known).await;
    }
}
