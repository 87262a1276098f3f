//! A security group: a set of network interfaces with the same rules of what may pass.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, ErrorKind, FoundBy, Known,
    Lifecycle, Managed, Observed, Outputs, Parent, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    dependents,
    describe::{by_id, describe, filter, ids},
    vpc::{Vpc, VpcId},
};
use crate::{
    Arn, check,
    child::of_kind,
    client::Clients,
    error::{Named, incomplete},
    id::id_type,
    locate::may_take,
    retry::{while_throttled, while_unseen},
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// A security group's id, such as `sg-0a1b2c3d4e5f67890`.
    SecurityGroupId,
}

/// A security group. Its rules are resources of their own; it lets nothing through without them.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:ec2/security-group",
    outputs = SecurityGroupOutputs,
    group = network,
    seconds = 1,
    resumable
)]
pub struct SecurityGroup {
    /// The name, unique in the VPC. One is made up if it is not set.
    #[resource(replace, unique, defaulted)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default = "managed")]
    #[resource(default, replace)]
    pub description: String,
    /// The VPC; the default VPC if it is not set.
    #[resource(replace, defaulted)]
    pub vpc_id: Option<VpcId>,
    /// Whether to keep the rules that AWS gives every new group, which let everything out.
    #[serde(default)]
    #[resource(default)]
    pub keep_default_egress: bool,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

fn managed() -> String {
    "Managed by formwork".to_owned()
}

/// What a security group reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct SecurityGroupOutputs {
    /// The id.
    #[output(id)]
    pub id: SecurityGroupId,
    /// The ARN.
    pub arn: Arn,
    /// The account that owns it.
    pub owner_id: String,
    /// The name.
    #[output(echo)]
    pub name: String,
    /// The VPC.
    #[output(echo)]
    pub vpc_id: VpcId,
}

impl Lifecycle for SecurityGroup {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        _inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let group = some(cx.client, OWNER_FILTER, vec![cx.identity.id.to_string()]).await?;
        let mut seen = observe(cx.client, &group, &[]).await?;
        Ok(seen.pop())
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
        let groups = some(clients, "group-id", ids!(among)).await?;
        observe(clients, &groups, among).await
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let groups = match by {
            By::Id(id) => some(clients, "group-id", vec![id.to_owned()]).await?,
            // No two groups of a VPC have the same name.
            By::Inputs(Self { name: Some(name), vpc_id: Some(vpc), .. }) => {
                let mut groups = some(clients, "group-name", vec![name.clone()]).await?;
                groups.retain(|group| {
                    group.vpc_id() == Some(vpc.as_str())
                        && may_take(by, tags::owner(group.tags()).is_some())
                });
                groups
            }
            By::Inputs(_) => return Ok(None),
        };
        Ok(observe(clients, &groups, &[]).await?.pop())
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<SecurityGroupOutputs, CreateError<Self>> {
        let clients = cx.client;
        let of = types::ResourceType::SecurityGroup;
        let name = inputs.name.clone().unwrap_or_else(|| cx.identity.name(255));
        let call = clients
            .ec2_once()
            .create_security_group()
            .group_name(&name)
            .description(&inputs.description)
            .set_vpc_id(inputs.vpc_id.as_ref().map(ToString::to_string))
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags));
        let answer = while_unseen(clients, || async {
            call.clone().send().await.named("ec2:CreateSecurityGroup")
        })
        .await?;
        let id = answer.group_id().ok_or_else(|| incomplete("ec2:CreateSecurityGroup", "id"))?;
        let outputs = SecurityGroupOutputs {
            id: id.into(),
            arn: arn(clients, None, id),
            owner_id: clients.account().to_owned(),
            name,
            vpc_id: inputs.vpc_id.clone().unwrap_or_default(),
        };
        if inputs.keep_default_egress {
            return Ok(outputs);
        }
        match while_throttled(|| remove_default_egress(clients, id)).await {
            Ok(()) => Ok(outputs),
            Err(error) => Err(CreateError::partial(error, outputs)),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let seen = Self::read(cx, known).await?;
        let Some(seen) = seen else { return Ok(Settled::Pending(wait::SHORT)) };
        if seen.inputs.keep_default_egress && !known.inputs.keep_default_egress {
            // A crash came between its create and this.
            remove_default_egress(cx.client, known.outputs.id.as_str()).await?;
            return Ok(Settled::Pending(wait::SHORT));
        }
        Ok(Settled::Ready(seen))
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<SecurityGroupOutputs, ProviderError> {
        let (clients, id) = (cx.client, known.outputs.id.as_str());
        let (old, new) = (&known.inputs.tags, &inputs.tags);
        tags::update(clients, cx.identity, id, old, new, changes).await?;
        if changes.touches("keep_default_egress") {
            if inputs.keep_default_egress {
                let call = clients.ec2_once().authorize_security_group_egress().group_id(id);
                let call = call.ip_permissions(everything_ipv4());
                let restored = call.send().await.named("ec2:AuthorizeSecurityGroupEgress");
                restored.map(drop).or_else(unless(ErrorKind::Conflict))?;
            } else {
                remove_default_egress(clients, id).await?;
            }
        }
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let id = known.outputs.id.as_str();
        let call = cx.client.ec2().delete_security_group().group_id(id);
        dependents::delete(cx.client, ("group-id", id), || async {
            call.clone().send().await.named("ec2:DeleteSecurityGroup")
        })
        .await
    }

    const PARENTS: &'static [Parent] = &[Parent::new(Vpc::TYPE.kind, "vpc_id")];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let mut groups = some(clients, "vpc-id", of_kind(parents, Vpc::TYPE.kind)).await?;
        // Every VPC has one of that name, which nobody can delete.
        groups.retain(|group| group.group_name() != Some("default"));
        let owner = |id: &str| {
            let group = groups.iter().find(|group| group.group_id() == Some(id));
            group.and_then(|group| tags::owner(group.tags())).map(str::to_owned)
        };
        let observed = observe(clients, &groups, &[]).await?;
        let child = |observed: Observed<Self>| {
            let owner = owner(observed.outputs.id.as_str());
            Child::new(observed).owned_by(owner)
        };
        Ok(observed.into_iter().map(child).collect())
    }

    fn validate(check: &mut Check<'_>) {
        let symbols = "._-:/()#,@[]+=&;{}!$*";
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || symbols.contains(c);
        let expected = format!("letters, digits, spaces and {symbols}");
        check::text(check, "name", (1, 255), allowed, &expected);
        check::text(check, "description", (1, 255), allowed, &expected);
        if let Some(name) = check.get::<String>("name") {
            if name.starts_with("sg-") {
                check.problem("name", format!("{name:?} starts with `sg-`, as ids do"));
            }
            if name.eq_ignore_ascii_case("default") {
                check.problem("name", "\"default\" is the name of the group that every VPC has");
            }
            if name.trim() != name {
                check.problem("name", format!("{name:?} has spaces at an end"));
            }
        }
        tags::check(check, "tags");
    }
}

async fn some(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::SecurityGroup>, ProviderError> {
    Ok(describe!(clients, describe_security_groups, "ec2:DescribeSecurityGroups", filter, values))
}

fn unless(kind: ErrorKind) -> impl FnOnce(ProviderError) -> Result<(), ProviderError> {
    move |error| if error.kind == kind { Ok(()) } else { Err(error) }
}

fn everything_ipv4() -> types::IpPermission {
    let anywhere = types::IpRange::builder().cidr_ip("0.0.0.0/0").build();
    types::IpPermission::builder().ip_protocol("-1").ip_ranges(anywhere).build()
}

/// The rules that AWS gave the groups: those that let everything out, and that nobody owns.
/// A group of a VPC with IPv6 gets one for that too
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html>).
async fn default_egress(
    clients: &Clients,
    groups: Vec<String>,
) -> Result<Vec<types::SecurityGroupRule>, ProviderError> {
    let mut found = Vec::new();
    for chunk in groups.chunks(super::describe::FILTER_VALUES) {
        let call = clients.ec2().describe_security_group_rules();
        let pages = call.filters(filter("group-id", chunk)).into_paginator().items().send();
        let rules: Vec<types::SecurityGroupRule> =
            pages.try_collect().await.named("ec2:DescribeSecurityGroupRules")?;
        found.extend(rules.into_iter().filter(is_default_egress));
    }
    Ok(found)
}

/// Whether it is one that AWS gives every new group: it lets everything out, and nobody owns it.
pub(crate) fn is_default_egress(rule: &types::SecurityGroupRule) -> bool {
    rule.is_egress() == Some(true)
        && rule.ip_protocol() == Some("-1")
        && (rule.cidr_ipv4() == Some("0.0.0.0/0") || rule.cidr_ipv6() == Some("::/0"))
        && tags::owner(rule.tags()).is_none()
}

async fn remove_default_egress(clients: &Clients, id: &str) -> Result<(), ProviderError> {
    let rules = while_unseen(clients, || async {
        let rules = default_egress(clients, vec![id.to_owned()]).await?;
        // Every new group has one, so that none is seen only means not yet.
        if rules.is_empty() {
            return Err(wait::vanished("ec2:DescribeSecurityGroupRules", &id));
        }
        Ok(rules)
    })
    .await
    .or_else(|error| if error.kind == ErrorKind::NotFound { Ok(Vec::new()) } else { Err(error) })?;
    if rules.is_empty() {
        return Ok(());
    }
    let ids = rules.iter().filter_map(|rule| rule.security_group_rule_id.clone()).collect();
    let call = clients.ec2().revoke_security_group_egress().group_id(id);
    let call = call.set_security_group_rule_ids(Some(ids));
    crate::error::unless_absent(call.send().await.named("ec2:RevokeSecurityGroupEgress"))
}

fn arn(clients: &Clients, owner: Option<&str>, id: &str) -> Arn {
    clients.arn("ec2", owner, &format!("security-group/{id}"))
}

/// What the groups are. Only of those that let everything out it is asked whose rule that is.
async fn observe(
    clients: &Clients,
    groups: &[types::SecurityGroup],
    among: &[Known<SecurityGroup>],
) -> Result<Vec<Observed<SecurityGroup>>, ProviderError> {
    let everything = |permission: &types::IpPermission| {
        let ipv4 = permission.ip_ranges().iter().any(|r| r.cidr_ip() == Some("0.0.0.0/0"));
        let ipv6 = permission.ipv6_ranges().iter().any(|r| r.cidr_ipv6() == Some("::/0"));
        permission.ip_protocol() == Some("-1") && (ipv4 || ipv6)
    };
    let open = groups.iter().filter(|group| group.ip_permissions_egress().iter().any(everything));
    let open: Vec<String> = open.filter_map(|group| group.group_id.clone()).collect();
    let rules = default_egress(clients, open).await?;
    let known = by_id!(among);
    groups
        .iter()
        .map(|group| {
            let id =
                group.group_id().ok_or_else(|| incomplete("ec2:DescribeSecurityGroups", "id"))?;
            let declared = known.get(id).map(|known| &known.inputs.tags);
            let vpc_id = VpcId::from(group.vpc_id().unwrap_or_default());
            let outputs = SecurityGroupOutputs {
                id: id.into(),
                arn: arn(clients, group.owner_id(), id),
                owner_id: group.owner_id().unwrap_or(clients.account()).to_owned(),
                name: group.group_name().unwrap_or_default().to_owned(),
                vpc_id: vpc_id.clone(),
            };
            let inputs = SecurityGroup {
                name: group.group_name.clone(),
                description: group.description().unwrap_or_default().to_owned(),
                vpc_id: Some(vpc_id),
                keep_default_egress: rules.iter().any(|rule| rule.group_id() == Some(id)),
                tags: tags::own(clients, tags::map(group.tags()), declared),
            };
            Ok(Observed { inputs, outputs })
        })
        .collect()
}
