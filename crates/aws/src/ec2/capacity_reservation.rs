//! On-demand capacity reservations: room for machines, paid for whether used or not.

use std::time::Duration;

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    describe::describe,
    time,
    wire::{seen, seen_number, sent, sent_number},
};
use crate::{
    check,
    client::Clients,
    error::{Absent, Named, incomplete, unless_absent},
    id::{Arn, choice, id_type},
    locate::nameless,
    tags::{self, OWNER_FILTER, Tags},
};

id_type! {
    /// A capacity reservation's id, `cr-...`; a Capacity Block has one too.
    CapacityReservationId,
}

choice! {
    /// Which machines run in a reservation.
    InstanceMatchCriteria {
        /// All whose type, platform and zone match.
        Open = "open",
        /// Only those that name it.
        Targeted = "targeted",
    }
}

choice! {
    /// Whether a reservation ends by itself.
    EndDateType {
        /// Not until it is cancelled.
        Unlimited = "unlimited",
        /// At its end date.
        Limited = "limited",
    }
}

choice! {
    /// Whose hardware a reservation is on.
    ReservationTenancy {
        /// Shared with other customers.
        Default = "default",
        /// Hardware of this account alone.
        Dedicated = "dedicated",
    }
}

choice! {
    /// The operating system that a reservation is for.
    InstancePlatform {
        /// Linux without a licence of its own: Ubuntu, Amazon Linux, Debian.
        LinuxUnix = "Linux/UNIX",
        /// Red Hat Enterprise Linux.
        RedHat = "Red Hat Enterprise Linux",
        /// SUSE Linux.
        Suse = "SUSE Linux",
        /// Windows.
        Windows = "Windows",
        /// Windows with SQL Server.
        WindowsSql = "Windows with SQL Server",
        /// Windows with SQL Server Enterprise.
        WindowsSqlEnterprise = "Windows with SQL Server Enterprise",
        /// Windows with SQL Server Standard.
        WindowsSqlStandard = "Windows with SQL Server Standard",
        /// Windows with SQL Server Web.
        WindowsSqlWeb = "Windows with SQL Server Web",
        /// Linux with SQL Server Standard.
        LinuxSqlStandard = "Linux with SQL Server Standard",
        /// Linux with SQL Server Web.
        LinuxSqlWeb = "Linux with SQL Server Web",
        /// Linux with SQL Server Enterprise.
        LinuxSqlEnterprise = "Linux with SQL Server Enterprise",
        /// Red Hat with SQL Server Standard.
        RhelSqlStandard = "RHEL with SQL Server Standard",
        /// Red Hat with SQL Server Enterprise.
        RhelSqlEnterprise = "RHEL with SQL Server Enterprise",
        /// Red Hat with SQL Server Web.
        RhelSqlWeb = "RHEL with SQL Server Web",
        /// Red Hat with high availability.
        RhelHa = "RHEL with HA",
        /// Red Hat with high availability and SQL Server Standard.
        RhelHaSqlStandard = "RHEL with HA and SQL Server Standard",
        /// Red Hat with high availability and SQL Server Enterprise.
        RhelHaSqlEnterprise = "RHEL with HA and SQL Server Enterprise",
        /// Ubuntu Pro.
        UbuntuPro = "Ubuntu Pro",
    }
}

/// An on-demand capacity reservation. A Capacity Block is bought, not declared.
///
/// For tightly coupled machines it must be made *in* their placement group.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-capacity-reservations.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:ec2/capacity-reservation",
    outputs = CapacityReservationOutputs,
    group = compute,
    seconds = 3
)]
pub struct CapacityReservation {
    /// The instance type, such as `p5.48xlarge`.
    #[resource(replace)]
    pub instance_type: String,
    /// The operating system.
    #[resource(replace)]
    pub instance_platform: InstancePlatform,
    /// The zone, such as `eu-west-1a`.
    #[resource(replace)]
    pub availability_zone: String,
    /// For how many machines: 1 to 1000.
    pub instance_count: u32,
    /// Which machines run in it; `open` if not set.
    #[resource(defaulted)]
    pub instance_match_criteria: Option<InstanceMatchCriteria>,
    /// Whether it ends by itself; it does not if not set.
    #[resource(defaulted)]
    pub end_date_type: Option<EndDateType>,
    /// When it ends, such as `2026-11-20T10:00:00Z`.
    pub end_date: Option<String>,
    /// Whose hardware; shared if not set.
    #[resource(replace, defaulted)]
    pub tenancy: Option<ReservationTenancy>,
    /// Whether its machines have bandwidth of their own for EBS, where the type leaves a choice.
    #[resource(replace, defaulted)]
    pub ebs_optimized: Option<bool>,
    /// The cluster placement group to reserve in.
    #[resource(replace)]
    pub placement_group_arn: Option<Arn>,
    /// The Outpost to reserve on.
    #[resource(replace)]
    pub outpost_arn: Option<Arn>,
    /// Its tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a capacity reservation reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct CapacityReservationOutputs {
    /// The id.
    #[output(id)]
    pub id: CapacityReservationId,
    /// The ARN.
    pub arn: Arn,
    /// The account that owns it.
    pub owner_id: String,
}

impl Lifecycle for CapacityReservation {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::ClientToken;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let owner = vec![cx.identity.id.to_string()];
        let found = reservations(cx.client, OWNER_FILTER, owner).await?;
        found.iter().find(|it| lives(it)).map(|it| observe(cx.client, it, Some(inputs))).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let found = one(cx.client, &known.outputs.id).await?.filter(lives);
        found.map(|it| observe(cx.client, &it, Some(&known.inputs))).transpose()
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let found = reservations(clients, "state", LIVING.map(str::to_owned).into()).await?;
        let look = |it: &types::CapacityReservation| {
            let id = it.capacity_reservation_id.as_deref();
            let known = among.iter().find(|known| id == Some(known.outputs.id.as_str()))?;
            Some(observe(clients, it, Some(&known.inputs)))
        };
        found.iter().filter_map(look).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        if !id.starts_with("cr-") {
            return Ok(None);
        }
        let found = one(clients, &id.into()).await?.filter(lives);
        found.map(|it| observe(clients, &it, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<CapacityReservationOutputs, CreateError<Self>> {
        const CALL: &str = "ec2:CreateCapacityReservation";
        let of = types::ResourceType::CapacityReservation;
        let answer = cx
            .client
            .ec2()
            .create_capacity_reservation()
            .client_token(cx.identity.token())
            .instance_type(&inputs.instance_type)
            .instance_platform(inputs.instance_platform.as_str().into())
            .availability_zone(&inputs.availability_zone)
            .set_instance_count(sent_number(Some(inputs.instance_count)))
            .set_instance_match_criteria(sent(&inputs.instance_match_criteria))
            .set_end_date_type(sent(&inputs.end_date_type()))
            .set_end_date(inputs.end_date.as_deref().and_then(time::parse))
            .set_tenancy(sent(&inputs.tenancy))
            .set_ebs_optimized(inputs.ebs_optimized)
            .set_placement_group_arn(sent(&inputs.placement_group_arn))
            .set_outpost_arn(sent(&inputs.outpost_arn))
            .tag_specifications(tags::specification(cx.client, cx.identity, of, &inputs.tags))
            .send()
            .await
            .named(CALL)?;
        let made = answer.capacity_reservation.ok_or_else(|| incomplete(CALL, "reservation"))?;
        Ok(outputs(cx.client, &made)?)
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        use types::CapacityReservationState as State;
        let Some(found) = one(cx.client, &known.outputs.id).await? else {
            return Ok(Settled::Pending(Duration::from_secs(1)));
        };
        match &found.state {
            Some(State::Pending | State::Assessing | State::Delayed) => {
                Ok(Settled::Pending(Duration::from_secs(2)))
            }
            Some(
                state @ (State::Failed | State::Unsupported | State::Cancelled | State::Expired),
            ) => {
                let message = format!("{} is {}", known.outputs.id, state.as_str());
                Err(ProviderError::new(ErrorKind::Capacity, DESCRIBE, message))
            }
            _ => Ok(Settled::Ready(observe(cx.client, &found, Some(&known.inputs))?)),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<CapacityReservationOutputs, ProviderError> {
        let (id, had) = (known.outputs.id.as_str(), &known.inputs.tags);
        tags::update(cx.client, cx.identity, id, had, &inputs.tags, changes).await?;
        let touched = |fields: &[&str]| fields.iter().any(|field| changes.touches(field));
        let mut call = cx.client.ec2().modify_capacity_reservation().capacity_reservation_id(id);
        if touched(&["instance_count"]) {
            call = call.set_instance_count(sent_number(Some(inputs.instance_count)));
        }
        if touched(&["instance_match_criteria"]) {
            call = call.set_instance_match_criteria(sent(&inputs.instance_match_criteria));
        }
        if touched(&["end_date", "end_date_type"]) {
            call = call
                .set_end_date_type(sent(&inputs.end_date_type()))
                .set_end_date(inputs.end_date.as_deref().and_then(time::parse));
        }
        if touched(&["instance_count", "instance_match_criteria", "end_date", "end_date_type"]) {
            call.send().await.named("ec2:ModifyCapacityReservation")?;
        }
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let Some(found) = one(cx.client, &known.outputs.id).await? else {
            return Ok(Deletion::Done);
        };
        if found.state == Some(types::CapacityReservationState::Cancelling) {
            return Ok(Deletion::Pending(Duration::from_millis(500)));
        }
        if !lives(&found) {
            return Ok(Deletion::Done);
        }
        let id = known.outputs.id.as_str();
        let call = cx.client.ec2().cancel_capacity_reservation().capacity_reservation_id(id);
        unless_absent(call.send().await.named("ec2:CancelCapacityReservation"))?;
        Ok(Deletion::Pending(Duration::from_millis(500)))
    }

    fn validate(check: &mut Check<'_>) {
        check::choice::<InstancePlatform>(check, "instance_platform");
        check::choice::<InstanceMatchCriteria>(check, "instance_match_criteria");
        check::choice::<EndDateType>(check, "end_date_type");
        check::choice::<ReservationTenancy>(check, "tenancy");
        // <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateCapacityReservation.html>
        check::range(check, "instance_count", 1, 1000);
        time::check(check, "end_date");
        match check.get::<EndDateType>("end_date_type") {
            Some(EndDateType::Limited) if !check.is_set("end_date") => {
                check.problem("end_date", "not set: a limited reservation needs an end");
            }
            Some(EndDateType::Unlimited) if check.is_set("end_date") => {
                check.problem("end_date", "an unlimited reservation has no end: expected none");
            }
            _ => {}
        }
        if check.is_set("placement_group_arn") {
            let group = check.target("placement_group_arn");
            let strategy = group.and_then(|group| group.get::<String>("strategy"));
            if let Some(strategy) = strategy.filter(|strategy| strategy != "cluster") {
                let message = format!("the group's strategy is {strategy}: expected cluster");
                check.problem("placement_group_arn", message);
            }
            if check.get::<ReservationTenancy>("tenancy") == Some(ReservationTenancy::Dedicated) {
                check.problem("tenancy", "in a placement group: expected default");
            }
        }
        tags::check(check, "tags");
    }
}

const DESCRIBE: &str = "ec2:DescribeCapacityReservations";

/// The states of those that are there, or on their way.
const LIVING: [&str; 6] =
    ["active", "pending", "assessing", "scheduled", "delayed", "payment-pending"];

impl CapacityReservation {
    /// An end date alone says that there is an end.
    fn end_date_type(&self) -> Option<EndDateType> {
        let implied = self.end_date.is_some().then_some(EndDateType::Limited);
        self.end_date_type.clone().or(implied).or(Some(EndDateType::Unlimited))
    }
}

async fn reservations(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::CapacityReservation>, ProviderError> {
    Ok(describe!(
        clients,
        describe_capacity_reservations,
        "ec2:DescribeCapacityReservations",
        filter,
        values
    ))
}

/// The reservation, in whatever state; one by one it is asked for by id, for there is no filter.
async fn one(
    clients: &Clients,
    id: &CapacityReservationId,
) -> Result<Option<types::CapacityReservation>, ProviderError> {
    let call = clients.ec2().describe_capacity_reservations().capacity_reservation_ids(id.as_str());
    match call.send().await.named(DESCRIBE) {
        Ok(answer) => Ok(answer.capacity_reservations.and_then(|mut found| found.pop())),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it is there, or on its way; those that ended are shown for a while.
fn lives(reservation: &types::CapacityReservation) -> bool {
    use types::CapacityReservationState as State;
    !matches!(
        reservation.state,
        Some(
            State::Cancelled
                | State::Cancelling
                | State::Expired
                | State::Failed
                | State::PaymentFailed
                | State::Unsupported
        )
    )
}

fn outputs(
    clients: &Clients,
    reservation: &types::CapacityReservation,
) -> Result<CapacityReservationOutputs, ProviderError> {
    let id: CapacityReservationId =
        seen(&reservation.capacity_reservation_id).ok_or_else(|| incomplete(DESCRIBE, "id"))?;
    let owner = reservation.owner_id.as_deref();
    let arn = seen(&reservation.capacity_reservation_arn)
        .unwrap_or_else(|| clients.arn("ec2", owner, &format!("capacity-reservation/{id}")));
    Ok(CapacityReservationOutputs { id, arn, owner_id: owner.unwrap_or_default().to_owned() })
}

fn observe(
    clients: &Clients,
    reservation: &types::CapacityReservation,
    declared: Option<&CapacityReservation>,
) -> Result<Observed<CapacityReservation>, ProviderError> {
    let missing = |what| incomplete(DESCRIBE, what);
    let asked = declared.and_then(|inputs| inputs.end_date.as_ref());
    let inputs = CapacityReservation {
        instance_type: reservation.instance_type.clone().ok_or_else(|| missing("type"))?,
        instance_platform: seen(&reservation.instance_platform)
            .ok_or_else(|| missing("platform"))?,
        availability_zone: reservation.availability_zone.clone().ok_or_else(|| missing("zone"))?,
        instance_count: seen_number(reservation.total_instance_count).unwrap_or_default(),
        instance_match_criteria: seen(&reservation.instance_match_criteria),
        end_date_type: seen(&reservation.end_date_type),
        end_date: time::as_asked(reservation.end_date.as_ref(), asked),
        tenancy: seen(&reservation.tenancy),
        ebs_optimized: reservation.ebs_optimized,
        placement_group_arn: seen(&reservation.placement_group_arn),
        outpost_arn: seen(&reservation.outpost_arn),
        tags: tags::own(
            clients,
            tags::map(reservation.tags()),
            declared.map(|inputs| &inputs.tags),
        ),
    };
    Ok(Observed { inputs, outputs: outputs(clients, reservation)? })
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
    async fn a_reservation_lives_and_changes_in_place() {
        let aws = aws(&Sandbox::in_memory()).await;
        let first = CapacityReservation {
            instance_type: "m5.large".into(),
            instance_platform: InstancePlatform::LinuxUnix,
            availability_zone: "eu-west-1a".into(),
            instance_count: 2,
            instance_match_criteria: Some(InstanceMatchCriteria::Targeted),
            end_date_type: None,
            end_date: None,
            tenancy: None,
            ebs_optimized: None,
            placement_group_arn: None,
            outpost_arn: None,
            tags: Tags::new(),
        };
        let more = CapacityReservation {
            instance_count: 3,
            end_date: Some("2099-01-01T12:00:00+02:00".into()),
            tags: tags([("a", "1")]),
            ..first.clone()
        };
        let endless = CapacityReservation { tags: tags([("b", "1")]), ..first.clone() };
        let known = lives(&aws, 0, [first, more, endless]).await;
        dies(&aws, 0, known).await;
    }
}
