//! Groups through the whole request path.

use std::time::Duration;

use crate::{
    Sandbox,
    ec2::image_catalogue,
    testing::{all, ask, ec2, first},
};

/// Sends a form to Auto Scaling that must succeed; returns the body.
async fn scaling(sandbox: &Sandbox, form: &str) -> String {
    let (status, body) = ask(sandbox, "autoscaling", form).await;
    assert_eq!(status, 200, "{form}: {body}");
    body
}

/// Sends a form to Auto Scaling that must be refused; returns the error code.
async fn refused(sandbox: &Sandbox, form: &str) -> String {
    let (status, body) = ask(sandbox, "autoscaling", form).await;
    assert_eq!(status, 400, "{form}: {body}");
    first(&body, "Code")
}

/// A sandbox with two subnets and a launch template; returns the subnets.
async fn world() -> (Sandbox, Vec<String>) {
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().state_duration(Duration::ZERO);
    let vpc = first(&ec2(&sandbox, "Action=CreateVpc&CidrBlock=10.0.0.0/16").await, "vpcId");
    let mut subnets = Vec::new();
    for (number, zone) in ["a", "b"].into_iter().enumerate() {
        let form = format!(
            "Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.{number}.0/24&AvailabilityZone=us-west-2{zone}"
        );
        subnets.push(first(&ec2(&sandbox, &form).await, "subnetId"));
    }
    let image = &image_catalogue::images("us-west-2")[0].id;
    let template = format!(
        "Action=CreateLaunchTemplate&LaunchTemplateName=nodes&LaunchTemplateData.ImageId={image}\
         &LaunchTemplateData.InstanceType=t3.micro"
    );
    ec2(&sandbox, &template).await;
    (sandbox, subnets)
}

fn create(subnets: &[String], sizes: &str) -> String {
    format!(
        "Action=CreateAutoScalingGroup&AutoScalingGroupName=nodes&LaunchTemplate.LaunchTemplateName=nodes\
         &VPCZoneIdentifier={}{sizes}&Tags.member.1.Key=team&Tags.member.1.Value=ml\
         &Tags.member.1.PropagateAtLaunch=true",
        subnets.join(",")
    )
}

const GROUPS: &str = "Action=DescribeAutoScalingGroups";

#[tokio::test]
async fn a_group_launches_to_its_desired_capacity_across_zones_and_follows_it() {
    let (sandbox, subnets) = world().await;
    let form = create(&subnets, "&MinSize=1&MaxSize=4&DesiredCapacity=3");
    scaling(&sandbox, &form).await;
    assert_eq!(refused(&sandbox, &form).await, "AlreadyExists");

    let body = scaling(&sandbox, GROUPS).await;
    let instances = all(&body, "InstanceId");
    assert_eq!(instances.len(), 3);
    let body = scaling(&sandbox, GROUPS).await;
    assert_eq!(all(&body, "LifecycleState"), ["InService"; 3]);
    let tagged = ec2(&sandbox, "Action=DescribeInstances&Filter.1.Name=tag:aws:autoscaling:groupName&Filter.1.Value.1=nodes&Filter.2.Name=tag:team&Filter.2.Value.1=ml").await;
    assert_eq!(all(&tagged, "instanceId").len(), 3);
    assert_eq!(
        all(&tagged, "availabilityZone").iter().filter(|zone| *zone == "us-west-2a").count(),
        2
    );

    // What somebody terminates behind the group's back is replaced.
    ec2(&sandbox, &format!("Action=TerminateInstances&InstanceId.1={}", instances[0])).await;
    scaling(&sandbox, GROUPS).await;
    let body = scaling(&sandbox, GROUPS).await;
    let now = all(&body, "InstanceId");
    assert!(now.len() == 3 && !now.contains(&instances[0]), "{now:?}");

    let too_much = "Action=SetDesiredCapacity&AutoScalingGroupName=nodes&DesiredCapacity=5";
    assert_eq!(refused(&sandbox, too_much).await, "ValidationError");
    scaling(&sandbox, "Action=SetDesiredCapacity&AutoScalingGroupName=nodes&DesiredCapacity=1")
        .await;
    scaling(&sandbox, GROUPS).await;
    assert_eq!(all(&scaling(&sandbox, GROUPS).await, "InstanceId").len(), 1);
    let running =
        "Action=DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=running";
    assert_eq!(all(&ec2(&sandbox, running).await, "instanceId").len(), 1);

    let delete = "Action=DeleteAutoScalingGroup&AutoScalingGroupName=nodes";
    assert_eq!(refused(&sandbox, delete).await, "ResourceInUse");
    scaling(&sandbox, &format!("{delete}&ForceDelete=true")).await;
    scaling(&sandbox, GROUPS).await;
    assert_eq!(all(&scaling(&sandbox, GROUPS).await, "AutoScalingGroupName").len(), 0);
    assert_eq!(all(&ec2(&sandbox, running).await, "instanceId").len(), 0);
}

#[tokio::test]
async fn hooks_hold_an_instance_until_somebody_lets_it_go_or_its_time_is_over() {
    let (sandbox, subnets) = world().await;
    let hooks = "&MinSize=0&MaxSize=2&DesiredCapacity=1\
        &LifecycleHookSpecificationList.member.1.LifecycleHookName=boot\
        &LifecycleHookSpecificationList.member.1.LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING\
        &LifecycleHookSpecificationList.member.2.LifecycleHookName=drain\
        &LifecycleHookSpecificationList.member.2.LifecycleTransition=autoscaling:EC2_INSTANCE_TERMINATING\
        &LifecycleHookSpecificationList.member.2.HeartbeatTimeout=60";
    scaling(&sandbox, &create(&subnets, hooks)).await;
    scaling(&sandbox, GROUPS).await;
    let body = scaling(&sandbox, GROUPS).await;
    assert_eq!(first(&body, "LifecycleState"), "Pending:Wait");
    let complete = format!(
        "Action=CompleteLifecycleAction&AutoScalingGroupName=nodes&LifecycleHookName=boot\
         &InstanceId={}&LifecycleActionResult=CONTINUE",
        first(&body, "InstanceId")
    );
    scaling(&sandbox, &complete).await;
    assert_eq!(first(&scaling(&sandbox, GROUPS).await, "LifecycleState"), "InService");
    assert_eq!(refused(&sandbox, &complete).await, "ValidationError");

    scaling(&sandbox, "Action=SetDesiredCapacity&AutoScalingGroupName=nodes&DesiredCapacity=0")
        .await;
    assert_eq!(first(&scaling(&sandbox, GROUPS).await, "LifecycleState"), "Terminating:Wait");
    sandbox.knobs().advance_clock(Duration::from_secs(61));
    scaling(&sandbox, GROUPS).await;
    assert_eq!(all(&scaling(&sandbox, GROUPS).await, "InstanceId").len(), 0);
}

#[tokio::test]
async fn a_launch_that_fails_is_an_activity_that_says_why() {
    let (sandbox, subnets) = world().await;
    scaling(&sandbox, &create(&subnets[..1], "&MinSize=1&MaxSize=1")).await;
    scaling(&sandbox, GROUPS).await;
    let p5 = "Action=CreateLaunchTemplateVersion&LaunchTemplateName=nodes&SourceVersion=1&LaunchTemplateData.InstanceType=p6-b200.48xlarge";
    ec2(&sandbox, p5).await;
    let newest = "Action=UpdateAutoScalingGroup&AutoScalingGroupName=nodes&LaunchTemplate.LaunchTemplateName=nodes&LaunchTemplate.Version=";
    // The type is not offered in the group's one zone: refused at once, as a dry run would.
    assert_eq!(refused(&sandbox, &format!("{newest}$Latest")).await, "ValidationError");
    assert_eq!(refused(&sandbox, &format!("{newest}9")).await, "ValidationError");

    let group = "Action=UpdateAutoScalingGroup&AutoScalingGroupName=nodes&LaunchTemplate.LaunchTemplateName=nodes&LaunchTemplate.Version=$Default&MaxSize=2&DesiredCapacity=2";
    scaling(&sandbox, group).await;
    // The default version becomes one that cannot be launched here after the group was checked.
    ec2(&sandbox, "Action=ModifyLaunchTemplate&LaunchTemplateName=nodes&SetDefaultVersion=1").await;
    scaling(&sandbox, GROUPS).await;
    ec2(&sandbox, "Action=ModifyLaunchTemplate&LaunchTemplateName=nodes&SetDefaultVersion=2").await;
    scaling(
        &sandbox,
        "Action=UpdateAutoScalingGroup&AutoScalingGroupName=nodes&MaxSize=3&DesiredCapacity=3",
    )
    .await;
    let body =
        scaling(&sandbox, "Action=DescribeScalingActivities&AutoScalingGroupName=nodes").await;
    assert_eq!(first(&body, "StatusCode"), "Failed");
    assert!(
        first(&body, "StatusMessage")
            .contains("is not supported in your requested Availability Zone")
    );
    assert_eq!(all(&scaling(&sandbox, GROUPS).await, "InstanceId").len(), 2);
}

#[tokio::test]
async fn a_scheduled_action_resizes_its_group_when_its_time_comes() {
    let (sandbox, subnets) = world().await;
    scaling(&sandbox, &create(&subnets, "&MinSize=0&MaxSize=2")).await;
    let action = "Action=PutScheduledUpdateGroupAction&AutoScalingGroupName=nodes&ScheduledActionName=hourly&DesiredCapacity=1&Recurrence=0 * * * *";
    scaling(&sandbox, action).await;
    assert_eq!(
        refused(&sandbox, &action.replace("0 * * * *", "every day")).await,
        "ValidationError"
    );
    assert_eq!(all(&scaling(&sandbox, GROUPS).await, "InstanceId").len(), 0);
    sandbox.knobs().advance_clock(Duration::from_secs(3600));
    assert_eq!(all(&scaling(&sandbox, GROUPS).await, "InstanceId").len(), 1);
    let shown =
        scaling(&sandbox, "Action=DescribeScheduledActions&AutoScalingGroupName=nodes").await;
    assert_eq!(first(&shown, "Recurrence"), "0 * * * *");
}

#[tokio::test]
async fn a_mixed_group_buys_its_base_on_demand_and_the_rest_as_spot() {
    let (sandbox, subnets) = world().await;
    let mixed = format!(
        "Action=CreateAutoScalingGroup&AutoScalingGroupName=mixed&MinSize=0&MaxSize=5&DesiredCapacity=5&VPCZoneIdentifier={}\
         &MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateName=nodes\
         &MixedInstancesPolicy.LaunchTemplate.Overrides.member.1.InstanceType=t3.small\
         &MixedInstancesPolicy.LaunchTemplate.Overrides.member.2.InstanceType=t3.medium\
         &MixedInstancesPolicy.InstancesDistribution.OnDemandBaseCapacity=1\
         &MixedInstancesPolicy.InstancesDistribution.OnDemandPercentageAboveBaseCapacity=25\
         &MixedInstancesPolicy.InstancesDistribution.SpotAllocationStrategy=price-capacity-optimized",
        subnets.join(",")
    );
    scaling(&sandbox, &mixed).await;
    let body = scaling(&sandbox, GROUPS).await;
    assert_eq!(all(&body, "SpotAllocationStrategy"), ["price-capacity-optimized"]);
    let spot = "Action=DescribeInstances&Filter.1.Name=instance-lifecycle&Filter.1.Value.1=spot";
    let spot = ec2(&sandbox, spot).await;
    assert_eq!(
        all(&spot, "instanceId").len(),
        3,
        "one of base, one of four above it, three are left"
    );
    assert!(all(&spot, "instanceType").iter().all(|name| name == "t3.small"));
}
