//! EBS volumes.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    describe::{describe, ids},
    volume_type::{self, VolumeType},
    wire::{seen, seen_number, sent, sent_number},
};
use crate::{
    check,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::{Arn, id_type},
    locate::nameless,
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// A volume's id, `vol-...`.
    VolumeId,
}

/// An EBS volume. Its type, size, IOPS and throughput change in place, while it is used; the size
/// only grows, and after one change the next has to wait for six hours.
///
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modify-volume.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/volume", outputs = VolumeOutputs, group = storage, seconds = 3)]
pub struct Volume {
    /// The zone, such as `eu-west-1a`: that of the machine it is for.
    #[resource(replace)]
    pub availability_zone: String,
    /// In GiB. Needed unless there is a snapshot.
    #[resource(defaulted)]
    pub size: Option<u32>,
    /// Its type; gp2 if not set, which is AWS's choice.
    #[resource(defaulted)]
    pub volume_type: Option<VolumeType>,
    /// I/O operations per second; for gp3, io1 and io2.
    #[resource(defaulted)]
    pub iops: Option<u32>,
    /// In MiB/s; for gp3.
    #[resource(defaulted)]
    pub throughput: Option<u32>,
    /// Whether it is encrypted.
    #[resource(replace, defaulted)]
    pub encrypted: Option<bool>,
    /// The KMS key that it is encrypted with: an id, alias or ARN.
    #[resource(replace, defaulted)]
    pub kms_key_id: Option<String>,
    /// The snapshot that it is made of.
    #[resource(replace)]
    pub snapshot_id: Option<String>,
    /// How fast the snapshot's blocks are fetched, in MiB/s (100 to 300).
    #[resource(replace, write_only)]
    pub volume_initialization_rate: Option<u32>,
    /// Whether several machines can use it at once; io1 and io2 only.
    #[resource(defaulted)]
    pub multi_attach_enabled: Option<bool>,
    /// The Outpost to make it on.
    #[resource(replace)]
    pub outpost_arn: Option<Arn>,
    /// Its tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a volume reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct VolumeOutputs {
    /// The id.
    #[output(id)]
    pub id: VolumeId,
    /// The ARN.
    pub arn: Arn,
    /// The zone that it is in.
    #[output(echo)]
    pub availability_zone: String,
}

impl Lifecycle for Volume {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::ClientToken;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        // A machine marks the volumes that come with it by an id of its own, so this is no other.
        let found = volumes(cx.client, OWNER_FILTER, vec![cx.identity.id.to_string()]).await?;
        found.first().map(|volume| observe(cx.client, volume, Some(inputs))).transpose()
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
        let found = volumes(clients, FILTER, ids!(among)).await?;
        let look = |volume: &types::Volume| {
            let id = volume.volume_id.as_deref();
            let known = among.iter().find(|known| id == Some(known.outputs.id.as_str()));
            observe(clients, volume, known.map(|known| &known.inputs))
        };
        found.iter().map(look).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        let found = volumes(clients, FILTER, vec![id.to_owned()]).await?;
        found.first().map(|volume| observe(clients, volume, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<VolumeOutputs, CreateError<Self>> {
        const CALL: &str = "ec2:CreateVolume";
        let of = types::ResourceType::Volume;
        let answer = cx
            .client
            .ec2()
            .create_volume()
            .client_token(cx.identity.token())
            .availability_zone(&inputs.availability_zone)
            .set_size(sent_number(inputs.size))
            .set_volume_type(sent(&inputs.volume_type))
            .set_iops(sent_number(inputs.iops))
            .set_throughput(sent_number(inputs.throughput))
            .set_encrypted(inputs.encrypted)
            .set_kms_key_id(inputs.kms_key_id.clone())
            .set_snapshot_id(inputs.snapshot_id.clone())
            .set_volume_initialization_rate(sent_number(inputs.volume_initialization_rate))
            .set_multi_attach_enabled(inputs.multi_attach_enabled)
            .set_outpost_arn(sent(&inputs.outpost_arn))
            .tag_specifications(tags::specification(cx.client, cx.identity, of, &inputs.tags))
            .send()
            .await
            .named(CALL)?;
        let id = seen(&answer.volume_id).ok_or_else(|| incomplete(CALL, "id"))?;
        Ok(outputs(cx.client, id, inputs.availability_zone.clone()))
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        use types::VolumeState as State;
        let id = known.outputs.id.as_str();
        let found = volumes(cx.client, FILTER, vec![id.to_owned()]).await?;
        let Some(volume) = found.first() else { return Ok(Settled::Pending(wait::SHORT)) };
        match volume.state {
            Some(State::Creating) => return Ok(Settled::Pending(wait::SHORT)),
            Some(State::Error) => {
                // A key that can not be used shows only now.
                let message = format!("{id} could not be made; is its KMS key usable?");
                return Err(ProviderError::new(ErrorKind::Other, DESCRIBE, message));
            }
            _ => {}
        }
        if is_changing(cx.client, id).await? {
            return Ok(Settled::Pending(wait::LONG));
        }
        Ok(Settled::Ready(observe(cx.client, volume, Some(&known.inputs))?))
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<VolumeOutputs, ProviderError> {
        let (id, had) = (known.outputs.id.as_str(), &known.inputs.tags);
        tags::update(cx.client, cx.identity, id, had, &inputs.tags, changes).await?;
        let shape = Shape {
            size: inputs.size,
            volume_type: inputs.volume_type.clone(),
            iops: inputs.iops,
            throughput: inputs.throughput,
            multi_attach_enabled: inputs.multi_attach_enabled,
        };
        reshape(cx.client, id, &shape).await?;
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let id = known.outputs.id.as_str();
        let found = all(cx.client, FILTER, vec![id.to_owned()]).await?;
        match found.first().and_then(|volume| volume.state.as_ref()) {
            None | Some(types::VolumeState::Deleted) => Ok(Deletion::Done),
            Some(types::VolumeState::Deleting) => Ok(Deletion::Pending(wait::SHORT)),
            Some(_) => {
                let call = cx.client.ec2().delete_volume().volume_id(id);
                unless_absent(call.send().await.named("ec2:DeleteVolume"))?;
                Ok(Deletion::Pending(wait::SHORT))
            }
        }
    }

    fn validate(check: &mut Check<'_>) {
        volume_type::check(check, "", "size");
        if !check.is_set("size") && !check.is_set("snapshot_id") {
            check.problem("size", "not set, and there is no snapshot to say it");
        }
        if check.is_set("kms_key_id") && check.get("encrypted") != Some(true) {
            check.problem("encrypted", "a KMS key is set: expected `encrypted` to be true");
        }
        // <https://docs.aws.amazon.com/ebs/latest/userguide/initalize-volume.html>
        check::range(check, "volume_initialization_rate", 100, 300);
        if check.is_set("volume_initialization_rate") && !check.is_set("snapshot_id") {
            let message = "only a volume made of a snapshot is initialised: expected `snapshot_id`";
            check.problem("volume_initialization_rate", message);
        }
        // <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volumes-multi.html>
        if check.get("multi_attach_enabled") == Some(true) {
            let of = check.get::<VolumeType>("volume_type");
            if !matches!(of, Some(VolumeType::Io1 | VolumeType::Io2)) {
                let of = of.map_or("not set".to_owned(), |of| of.to_string());
                let message = format!("the type is {of}: expected io1 or io2 for multi-attach");
                check.problem("multi_attach_enabled", message);
            }
        }
        tags::check(check, "tags");
    }
}

const DESCRIBE: &str = "ec2:DescribeVolumes";
const FILTER: &str = "volume-id";

/// What of a volume can change in place; what is not set stays as it is.
pub(crate) struct Shape {
    pub(crate) size: Option<u32>,
    pub(crate) volume_type: Option<VolumeType>,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) multi_attach_enabled: Option<bool>,
}

/// Gives a volume the shape, if it does not have it.
pub(crate) async fn reshape(
    clients: &Clients,
    id: &str,
    shape: &Shape,
) -> Result<(), ProviderError> {
    let found = volumes(clients, FILTER, vec![id.to_owned()]).await?;
    let volume = found.first().ok_or_else(|| wait::vanished(DESCRIBE, &id))?;
    let has = Shape {
        size: seen_number(volume.size),
        volume_type: seen(&volume.volume_type),
        iops: seen_number(volume.iops),
        throughput: seen_number(volume.throughput),
        multi_attach_enabled: volume.multi_attach_enabled,
    };
    // Another type has other defaults, so all that is asked for goes with a change of the type.
    let retyped = shape.volume_type.is_some() && shape.volume_type != has.volume_type;
    let differs = |asked: Option<u32>, has| asked.filter(|_| retyped || asked != has);
    let size = shape.size.filter(|_| shape.size != has.size);
    let (iops, throughput) =
        (differs(shape.iops, has.iops), differs(shape.throughput, has.throughput));
    let multi = shape
        .multi_attach_enabled
        .filter(|asked| *asked != has.multi_attach_enabled.unwrap_or(false));
    if !retyped && size.is_none() && iops.is_none() && throughput.is_none() && multi.is_none() {
        return Ok(());
    }
    clients
        .ec2()
        .modify_volume()
        .volume_id(id)
        .set_size(sent_number(size))
        .set_volume_type(sent(&shape.volume_type).filter(|_| retyped))
        .set_iops(sent_number(iops))
        .set_throughput(sent_number(throughput))
        .set_multi_attach_enabled(multi)
        .send()
        .await
        .named("ec2:ModifyVolume")
        .map(drop)
}

/// Whether a change of the volume has not taken effect yet. While it is being optimised it has.
pub(crate) async fn is_changing(clients: &Clients, id: &str) -> Result<bool, ProviderError> {
    use types::VolumeModificationState as State;
    const CALL: &str = "ec2:DescribeVolumesModifications";
    let call = clients.ec2().describe_volumes_modifications();
    let call = call.filters(super::describe::filter(FILTER, &[id.to_owned()]));
    let answer = call.send().await.named(CALL)?;
    let newest = answer.volumes_modifications().iter().max_by_key(|it| it.start_time);
    match newest.map(|it| (&it.modification_state, &it.status_message)) {
        Some((Some(State::Failed), why)) => {
            let why = why.clone().unwrap_or_default();
            let message = format!("the change of {id} failed: {why}");
            Err(ProviderError::new(ErrorKind::Other, CALL, message))
        }
        Some((state, _)) => Ok(*state == Some(State::Modifying)),
        None => Ok(false),
    }
}

/// A KMS key as it was asked for. EC2 shows the ARN of the key whatever it was given; what an alias
/// stands for is not looked up.
pub(crate) fn key_as_asked(is: &Option<String>, asked: Option<&String>) -> Option<String> {
    let is = is.as_ref().filter(|key| !key.is_empty())?;
    let same = |asked: &&String| {
        is == *asked || is.ends_with(&format!("/{asked}")) || asked.contains("alias/")
    };
    Some(asked.filter(same).unwrap_or(is).clone())
}

async fn all(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::Volume>, ProviderError> {
    Ok(describe!(clients, describe_volumes, "ec2:DescribeVolumes", filter, values))
}

/// The volumes that are there, and not about to go.
async fn volumes(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::Volume>, ProviderError> {
    use types::VolumeState as State;
    let mut found = all(clients, filter, values).await?;
    found.retain(|volume| !matches!(volume.state, Some(State::Deleting | State::Deleted)));
    Ok(found)
}

fn outputs(clients: &Clients, id: VolumeId, availability_zone: String) -> VolumeOutputs {
    let arn = clients.arn("ec2", None, &format!("volume/{id}"));
    VolumeOutputs { id, arn, availability_zone }
}

fn observe(
    clients: &Clients,
    volume: &types::Volume,
    declared: Option<&Volume>,
) -> Result<Observed<Volume>, ProviderError> {
    let id = seen(&volume.volume_id).ok_or_else(|| incomplete(DESCRIBE, "id"))?;
    let zone = volume.availability_zone.clone().ok_or_else(|| incomplete(DESCRIBE, "zone"))?;
    let asked_key = declared.and_then(|inputs| inputs.kms_key_id.as_ref());
    let inputs = Volume {
        availability_zone: zone.clone(),
        size: seen_number(volume.size),
        volume_type: seen(&volume.volume_type),
        iops: seen_number(volume.iops),
        throughput: seen_number(volume.throughput),
        encrypted: volume.encrypted,
        kms_key_id: key_as_asked(&volume.kms_key_id, asked_key),
        snapshot_id: seen(&volume.snapshot_id),
        volume_initialization_rate: declared.and_then(|it| it.volume_initialization_rate),
        multi_attach_enabled: volume.multi_attach_enabled,
        outpost_arn: seen(&volume.outpost_arn),
        tags: tags::own(clients, tags::map(volume.tags()), declared.map(|inputs| &inputs.tags)),
    };
    Ok(Observed { inputs, outputs: outputs(clients, id, zone) })
}

#[cfg(test)]
mod tests {
    use formwork_sandbox::Sandbox;

    use super::*;
    use crate::{
        ec2::fixture::tags,
        testing::{aws, dies, lives},
    };

    #[tokio::test]
    async fn a_volume_grows_and_changes_its_type_in_place() {
        let aws = aws(&Sandbox::in_memory()).await;
        let first = Volume {
            availability_zone: "eu-west-1a".into(),
            size: Some(20),
            volume_type: Some(VolumeType::Gp3),
            iops: None,
            throughput: None,
            encrypted: Some(true),
            kms_key_id: None,
            snapshot_id: None,
            volume_initialization_rate: None,
            multi_attach_enabled: None,
            outpost_arn: None,
            tags: tags([("a", "1")]),
        };
        let faster = Volume {
            size: Some(40),
            iops: Some(4000),
            throughput: Some(250),
            tags: tags([("b", "1")]),
            ..first.clone()
        };
        let known = lives(&aws, 0, [first, faster]).await;
        dies(&aws, 0, known).await;
    }

    #[test]
    fn a_key_keeps_the_form_that_it_was_asked_in() {
        let is = Some("arn:aws:kms:eu-west-1:123456789012:key/1234-abcd".to_owned());
        for asked in ["1234-abcd", "alias/mine"] {
            assert_eq!(key_as_asked(&is, Some(&asked.to_owned())).unwrap(), asked);
        }
        assert_eq!(key_as_asked(&is, Some(&"another".to_owned())), is);
        assert_eq!(key_as_asked(&is, None), is);
    }
}
