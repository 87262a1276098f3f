//! The rules of security groups: what may come in, and what may go out.
//!
//! The two are one thing in two directions: their inputs, their checks and their calls are the same.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Managed,
    Observed, Outputs, Parent, ProviderError, Resource,
};
use serde::{Deserialize, Serialize};

use super::{
    describe::{by_id, describe, ids},
    permission::{self, Permission},
    security_group::{SecurityGroup, SecurityGroupId, is_default_egress},
};
use crate::{
    Arn,
    child::of_kind,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::id_type,
    locate::nameless,
    retry::while_unseen,
    tags::{self, OWNER_FILTER, Tags},
};

id_type! {
    /// A rule's id, such as `sgr-0a1b2c3d4e5f67890`.
    SecurityGroupRuleId,
    /// A prefix list's id, such as `pl-0a1b2c3d4e5f67890`.
    PrefixListId,
}

/// What a rule reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reported {
    id: SecurityGroupRuleId,
    arn: Arn,
}

/// Declares a direction: the resource, its outputs, what the other end of
/// the traffic is called, and the calls that add and remove a rule.
macro_rules! direction {
    (
        $(#[$doc:meta])*
        $name:ident, $kind:literal, $outputs:ident, $peer:literal, $egress:literal,
        $authorize:ident, $authorize_name:literal, $revoke:ident, $revoke_name:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
        #[resource(kind = $kind, outputs = $outputs, group = network, seconds = 1)]
        pub struct $name {
            /// The group that the rule is of.
            #[resource(replace, unique)]
            pub security_group_id: SecurityGroupId,
            /// The protocol: `tcp`, `udp`, `icmp`, `icmpv6`, `-1` for all, or a number.
            #[resource(unique)]
            pub ip_protocol: String,
            /// The first port; for ICMP the type, with -1 for all.
            #[resource(unique)]
            pub from_port: Option<i32>,
            /// The last port; for ICMP the code, with -1 for all.
            #[resource(unique)]
            pub to_port: Option<i32>,
            #[doc = concat!("The IPv4 block that is the ", $peer, ".")]
            #[resource(replace, unique)]
            pub cidr_ipv4: Option<String>,
            #[doc = concat!("The IPv6 block that is the ", $peer, ".")]
            #[resource(replace, unique)]
            pub cidr_ipv6: Option<String>,
            #[doc = concat!("The prefix list that is the ", $peer, ".")]
            #[resource(replace, unique)]
            pub prefix_list_id: Option<PrefixListId>,
            #[doc = concat!("The security group whose interfaces are the ", $peer, ".")]
            #[resource(replace, unique)]
            pub referenced_security_group_id: Option<SecurityGroupId>,
            /// What it is for.
            pub description: Option<String>,
            /// Tags.
            #[serde(default)]
            #[resource(default)]
            pub tags: Tags,
        }

        /// What the rule reports.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
        pub struct $outputs {
            /// The id.
            #[output(id)]
            pub id: SecurityGroupRuleId,
            /// The ARN.
            pub arn: Arn,
        }

        impl Lifecycle for $name {
            type Client = Clients;

            const FOUND_BY: FoundBy = FoundBy::Tag;

            async fn find(
                cx: &Context<'_, Clients>,
                _inputs: &Self,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let rule = one(cx.client, OWNER_FILTER, cx.identity.id.as_str()).await?;
                rule.map(|rule| Self::observe(cx.client, &rule, None)).transpose()
            }

            async fn read(
                cx: &Context<'_, Clients>,
                known: &Known<Self>,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let rule = one(cx.client, BY_ID, known.outputs.id.as_str()).await?;
                rule.map(|rule| Self::observe(cx.client, &rule, Some(known))).transpose()
            }

            async fn list(
                clients: &Clients,
                among: &[Known<Self>],
            ) -> Result<Vec<Observed<Self>>, ProviderError> {
                let known = by_id!(among);
                let known = |rule: &types::SecurityGroupRule| {
                    known.get(rule.security_group_rule_id().unwrap_or_default()).copied()
                };
                let found = some(clients, BY_ID, ids!(among)).await?;
                found.iter().map(|rule| Self::observe(clients, rule, known(rule))).collect()
            }

            async fn locate(
                clients: &Clients,
                by: By<'_, Self>,
            ) -> Result<Option<Observed<Self>>, ProviderError> {
                let By::Id(id) = by else { return Err(nameless::<Self>()) };
                let rule = one(clients, BY_ID, id).await?;
                rule.map(|rule| Self::observe(clients, &rule, None)).transpose()
            }

            crate::locate::claimed_by_tags!();

            async fn create(
                cx: &Context<'_, Clients>,
                inputs: &Self,
            ) -> Result<$outputs, CreateError<Self>> {
                let clients = cx.client;
                let of = types::ResourceType::SecurityGroupRule;
                let call = clients
                    .ec2_once()
                    .$authorize()
                    .group_id(inputs.security_group_id.as_str())
                    .ip_permissions(inputs.permission().sent())
                    .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags));
                let answer = while_unseen(clients, || async {
                    call.clone().send().await.named($authorize_name)
                })
                .await;
                let answer = match answer {
                    Ok(answer) => answer,
                    Err(error) if error.code.as_deref() == Some(DUPLICATE) => {
                        let (group, own) = (&inputs.security_group_id, &inputs.tags);
                        let rule = (group, $egress, inputs.permission());
                        let Reported { id, arn } = taken_over(cx, rule, own, error).await?;
                        return Ok($outputs { id, arn });
                    }
                    Err(error) => return Err(error.into()),
                };
                let rule = answer
                    .security_group_rules()
                    .first()
                    .ok_or_else(|| incomplete($authorize_name, "rule"))?;
                let Reported { id, arn } = reported(clients, rule)?;
                Ok($outputs { id, arn })
            }

            async fn update(
                cx: &Context<'_, Clients>,
                known: &Known<Self>,
                inputs: &Self,
                changes: &Changes,
            ) -> Result<$outputs, ProviderError> {
                let id = known.outputs.id.as_str();
                let (old, new) = (&known.inputs.tags, &inputs.tags);
                tags::update(cx.client, cx.identity, id, old, new, changes).await?;
                if permission::FIELDS.iter().any(|field| changes.touches(field)) {
                    let group = &inputs.security_group_id;
                    modify(cx.client, group, id, &inputs.permission()).await?;
                }
                Ok(known.outputs.clone())
            }

            async fn delete(
                cx: &Context<'_, Clients>,
                known: &Known<Self>,
            ) -> Result<Deletion, ProviderError> {
                let call = cx.client.ec2().$revoke();
                let call = call.group_id(known.inputs.security_group_id.as_str());
                let call = call.security_group_rule_ids(known.outputs.id.as_str());
                unless_absent(call.send().await.named($revoke_name))?;
                Ok(Deletion::Done)
            }

            const PARENTS: &'static [Parent] =
                &[Parent::new(SecurityGroup::TYPE.kind, "security_group_id").goes_along()];

            async fn list_children(
                clients: &Clients,
                parents: &[Managed<'_>],
            ) -> Result<Vec<Child<Self>>, ProviderError> {
                let groups = of_kind(parents, SecurityGroup::TYPE.kind);
                let rules = some(clients, "group-id", groups).await?;
                let own = |rule: &&types::SecurityGroupRule| {
                    // Those of AWS are an input of the group itself.
                    rule.is_egress() == Some($egress) && !is_default_egress(rule)
                };
                let child = |rule: &types::SecurityGroupRule| {
                    let owner = tags::owner(rule.tags());
                    Ok(Child::new(Self::observe(clients, rule, None)?).owned_by(owner))
                };
                rules.iter().filter(own).map(child).collect()
            }

            fn validate(check: &mut Check<'_>) {
                permission::validate(check);
                tags::check(check, "tags");
            }
        }

        impl $name {
            /// What the rule lets through.
            fn permission(&self) -> Permission<'_> {
                Permission {
                    protocol: &self.ip_protocol,
                    from_port: self.from_port,
                    to_port: self.to_port,
                    cidr_ipv4: self.cidr_ipv4.as_deref(),
                    cidr_ipv6: self.cidr_ipv6.as_deref(),
                    prefix_list: self.prefix_list_id.as_ref().map(PrefixListId::as_str),
                    group: self.referenced_security_group_id.as_ref().map(SecurityGroupId::as_str),
                    description: self.description.as_deref(),
                }
            }

            fn observe(
                clients: &Clients,
                rule: &types::SecurityGroupRule,
                known: Option<&Known<Self>>,
            ) -> Result<Observed<Self>, ProviderError> {
                let Reported { id, arn } = reported(clients, rule)?;
                let seen = Permission::seen(rule);
                let declared = known.map(|known| &known.inputs.tags);
                let inputs = Self {
                    security_group_id: rule.group_id().unwrap_or_default().into(),
                    ip_protocol: seen.protocol.to_owned(),
                    from_port: seen.from_port,
                    to_port: seen.to_port,
                    cidr_ipv4: seen.cidr_ipv4.map(str::to_owned),
                    cidr_ipv6: seen.cidr_ipv6.map(str::to_owned),
                    prefix_list_id: seen.prefix_list.map(PrefixListId::from),
                    referenced_security_group_id: seen.group.map(SecurityGroupId::from),
                    description: seen.description.map(str::to_owned),
                    tags: tags::own(clients, tags::map(rule.tags()), declared),
                };
                Ok(Observed { inputs, outputs: $outputs { id, arn } })
            }
        }
    };
}

direction! {
    /// A rule of what may come in to the interfaces of a group.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html>
    SecurityGroupIngressRule, "aws:ec2/security-group-ingress-rule",
    SecurityGroupIngressRuleOutputs, "source", false,
    authorize_security_group_ingress, "ec2:AuthorizeSecurityGroupIngress",
    revoke_security_group_ingress, "ec2:RevokeSecurityGroupIngress"
}

direction! {
    /// A rule of what may go out of the interfaces of a group.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupEgress.html>
    SecurityGroupEgressRule, "aws:ec2/security-group-egress-rule",
    SecurityGroupEgressRuleOutputs, "destination", true,
    authorize_security_group_egress, "ec2:AuthorizeSecurityGroupEgress",
    revoke_security_group_egress, "ec2:RevokeSecurityGroupEgress"
}

const BY_ID: &str = "security-group-rule-id";

/// The code of the refusal to let the same through twice
/// (<https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html>).
const DUPLICATE: &str = "InvalidPermission.Duplicate";

/// Takes over the rule that lets the same through already, such as one that another hand deleted and
/// made again. One that is another resource's is not taken, and `refused` says which it is.
async fn taken_over(
    cx: &Context<'_, Clients>,
    (group, egress, wanted): (&SecurityGroupId, bool, Permission<'_>),
    own: &Tags,
    refused: ProviderError,
) -> Result<Reported, ProviderError> {
    let clients = cx.client;
    let rules = some(clients, "group-id", vec![group.to_string()]).await?;
    let same = |rule: &&types::SecurityGroupRule| {
        rule.is_egress() == Some(egress) && Permission::seen(rule).lets_the_same(&wanted)
    };
    let Some(rule) = rules.iter().find(same) else { return Err(refused) };
    let found = reported(clients, rule)?;
    let id = found.id.as_str();
    if let Some(owner) = tags::owner(rule.tags()).filter(|owner| *owner != cx.identity.id.as_str())
    {
        let message = format!(
            "{}: it is {id}, of the resource {owner}: declare the rule once, or delete {id} if no \
             stack has it any more",
            refused.message
        );
        return Err(ProviderError { message, ..refused });
    }
    tags::take_over(clients, cx.identity, id, own).await?;
    if Permission::seen(rule).description != wanted.description {
        modify(clients, group, id, &wanted).await?;
    }
    Ok(found)
}

async fn modify(
    clients: &Clients,
    group: &SecurityGroupId,
    id: &str,
    wanted: &Permission<'_>,
) -> Result<(), ProviderError> {
    let update = types::SecurityGroupRuleUpdate::builder()
        .security_group_rule_id(id)
        .security_group_rule(wanted.requested())
        .build();
    let call = clients.ec2().modify_security_group_rules().group_id(group.as_str());
    call.security_group_rules(update).send().await.named("ec2:ModifySecurityGroupRules")?;
    Ok(())
}

async fn some(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::SecurityGroupRule>, ProviderError> {
    Ok(describe!(
        clients,
        describe_security_group_rules,
        "ec2:DescribeSecurityGroupRules",
        filter,
        values
    ))
}

async fn one(
    clients: &Clients,
    filter: &str,
    value: &str,
) -> Result<Option<types::SecurityGroupRule>, ProviderError> {
    Ok(some(clients, filter, vec![value.to_owned()]).await?.pop())
}

fn reported(clients: &Clients, rule: &types::SecurityGroupRule) -> Result<Reported, ProviderError> {
    let id = rule
        .security_group_rule_id()
        .ok_or_else(|| incomplete("ec2:DescribeSecurityGroupRules", "id"))?;
    let owner = rule.group_owner_id();
    Ok(Reported {
        id: id.into(),
        arn: clients.arn("ec2", owner, &format!("security-group-rule/{id}")),
    })
}
