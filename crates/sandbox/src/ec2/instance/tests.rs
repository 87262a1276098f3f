//! Instances through the whole request path.

use std::time::Duration;

use crate::{
    Sandbox,
    ec2::image_catalogue,
    testing::{all, ec2, ec2_error, first},
};

struct World {
    sandbox: Sandbox,
    subnet: String,
    group: String,
    image: String,
}

/// A VPC with one subnet of eleven free addresses in zone b.
async fn world() -> World {
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().state_duration(Duration::ZERO);
    let vpc = first(&ec2(&sandbox, "Action=CreateVpc&CidrBlock=10.0.0.0/16").await, "vpcId");
    let subnet = format!(
        "Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.0.0/28&AvailabilityZone=us-west-2b"
    );
    let subnet = first(&ec2(&sandbox, &subnet).await, "subnetId");
    let group =
        format!("Action=CreateSecurityGroup&GroupName=nodes&GroupDescription=nodes&VpcId={vpc}");
    let group = first(&ec2(&sandbox, &group).await, "groupId");
    let image = image_catalogue::images("us-west-2")[0].id.clone();
    World { sandbox, subnet, group, image }
}

impl World {
    fn run(&self, rest: &str) -> String {
        format!("Action=RunInstances&ImageId={}&MinCount=1&MaxCount=1{rest}", self.image)
    }

    fn simple(&self, rest: &str) -> String {
        self.run(&format!(
            "&InstanceType=t3.micro&SubnetId={}&SecurityGroupId.1={}{rest}",
            self.subnet, self.group
        ))
    }

    async fn free_addresses(&self) -> String {
        let body =
            ec2(&self.sandbox, &format!("Action=DescribeSubnets&SubnetId.1={}", self.subnet)).await;
        first(&body, "availableIpAddressCount")
    }
}

#[tokio::test]
async fn an_instance_lives_from_pending_to_terminated_and_gives_everything_back() {
    let world = world().await;
    let (sandbox, knobs) = (&world.sandbox, world.sandbox.knobs());
    knobs.state_duration(Duration::from_secs(30));
    let body = ec2(sandbox, &world.simple("&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=one&TagSpecification.2.ResourceType=volume&TagSpecification.2.Tag.1.Key=Name&TagSpecification.2.Tag.1.Value=disk")).await;
    let id = first(&body, "instanceId");
    let state = |body: &str| {
        all(body, "instanceState").iter().map(|it| first(it, "name")).collect::<Vec<_>>()
    };
    assert_eq!(state(&body), ["pending"]);
    assert_eq!(world.free_addresses().await, "10");
    knobs.advance_clock(Duration::from_secs(30));
    let show = format!("Action=DescribeInstances&InstanceId.1={id}");
    let body = ec2(sandbox, &show).await;
    assert_eq!(state(&body), ["running"]);
    assert_eq!(all(&body, "deviceName"), ["/dev/sda1"]);
    let volumes =
        ec2(sandbox, "Action=DescribeVolumes&Filter.1.Name=tag:Name&Filter.1.Value.1=disk").await;
    let volume = first(&volumes, "volumeId");
    assert_eq!(
        ec2_error(sandbox, &format!("Action=DeleteVolume&VolumeId={volume}")).await,
        "VolumeInUse"
    );

    let stop = format!("Action=StopInstances&InstanceId.1={id}");
    let stopping = ec2(sandbox, &stop).await;
    assert_eq!(all(&stopping, "name"), ["stopping", "running"]);
    let start = format!("Action=StartInstances&InstanceId.1={id}");
    assert_eq!(ec2_error(sandbox, &start).await, "IncorrectInstanceState");
    let retype =
        format!("Action=ModifyInstanceAttribute&InstanceId={id}&InstanceType.Value=t3.small");
    assert_eq!(ec2_error(sandbox, &retype).await, "IncorrectInstanceState");
    knobs.advance_clock(Duration::from_secs(30));
    ec2(sandbox, &retype).await;
    ec2(sandbox, &start).await;

    let protect = |on| {
        format!("Action=ModifyInstanceAttribute&InstanceId={id}&DisableApiTermination.Value={on}")
    };
    let terminate = format!("Action=TerminateInstances&InstanceId.1={id}");
    ec2(sandbox, &protect(true)).await;
    assert_eq!(ec2_error(sandbox, &terminate).await, "OperationNotPermitted");
    ec2(sandbox, &protect(false)).await;
    assert_eq!(all(&ec2(sandbox, &terminate).await, "name"), ["shutting-down", "pending"]);
    let delete_subnet = format!("Action=DeleteSubnet&SubnetId={}", world.subnet);
    assert_eq!(
        ec2_error(sandbox, &delete_subnet).await,
        "DependencyViolation",
        "it is shutting down only"
    );
    knobs.advance_clock(Duration::from_secs(30));
    let body = ec2(sandbox, &show).await;
    assert_eq!(
        (state(&body), all(&body, "networkInterfaceId").len()),
        (vec!["terminated".to_owned()], 0)
    );
    assert_eq!(
        ec2_error(sandbox, &format!("Action=DescribeVolumes&VolumeId.1={volume}")).await,
        "InvalidVolume.NotFound"
    );
    ec2(sandbox, &delete_subnet).await;
    knobs.advance_clock(Duration::from_secs(3_700));
    assert_eq!(ec2_error(sandbox, &show).await, "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn a_launch_is_all_or_nothing_and_never_happens_twice_for_one_token() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let many = |least, most| {
        world
            .simple("")
            .replace("MinCount=1&MaxCount=1", &format!("MinCount={least}&MaxCount={most}"))
    };
    assert_eq!(ec2_error(sandbox, &many(12, 12)).await, "InsufficientFreeAddressesInSubnet");
    assert_eq!(world.free_addresses().await, "11");
    let token = format!("{}&ClientToken=once", many(2, 2));
    let body = ec2(sandbox, &token).await;
    assert_eq!(ec2(sandbox, &token).await.len(), body.len());
    assert_eq!(
        ec2_error(sandbox, &format!("{}&ClientToken=once", many(3, 3))).await,
        "IdempotentParameterMismatch"
    );
    assert_eq!(world.free_addresses().await, "9");
    let body = ec2(sandbox, &many(4, 20)).await;
    assert_eq!(all(&body, "instanceId").len(), 9, "as many as there are addresses for");

    let mut page = ec2(sandbox, "Action=DescribeInstances&MaxResults=6").await;
    let mut seen = all(&page, "instanceId").len();
    while page.contains("<nextToken>") {
        let token = first(&page, "nextToken");
        page =
            ec2(sandbox, &format!("Action=DescribeInstances&MaxResults=6&NextToken={token}")).await;
        seen += all(&page, "instanceId").len();
    }
    assert_eq!(seen, 11);
}

#[tokio::test]
async fn a_launch_template_with_thirty_three_interfaces_takes_one_address() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let data = |rest: &str| rest.replace('+', "&LaunchTemplateData.");
    let mut interfaces = String::new();
    for index in 1..=33 {
        // Card 0 carries the primary interface and one EFA, every other card one EFA.
        let (card, device) = if index < 3 { (0, index - 1) } else { (index - 2, 0) };
        let kind = if index == 1 { "interface" } else { "efa-only" };
        interfaces += &format!(
            "+NetworkInterface.{index}.NetworkCardIndex={card}+NetworkInterface.{index}.DeviceIndex={device}\
             +NetworkInterface.{index}.InterfaceType={kind}+NetworkInterface.{index}.SubnetId={}\
             +NetworkInterface.{index}.SecurityGroupId.1={}+NetworkInterface.{index}.DeleteOnTermination=true",
            world.subnet, world.group
        );
    }
    let template = format!(
        "Action=CreateLaunchTemplate&LaunchTemplateName=p5-nodes{}",
        data(&format!(
            "+ImageId={}+InstanceType=p5.48xlarge+EbsOptimized=true{interfaces}\
             +BlockDeviceMapping.1.DeviceName=/dev/sda1+BlockDeviceMapping.1.Ebs.VolumeSize=500\
             +BlockDeviceMapping.1.Ebs.VolumeType=gp3+BlockDeviceMapping.1.Ebs.Encrypted=true\
             +MetadataOptions.HttpTokens=required+MetadataOptions.HttpPutResponseHopLimit=2\
             +TagSpecification.1.ResourceType=instance+TagSpecification.1.Tag.1.Key=role+TagSpecification.1.Tag.1.Value=gpu",
            world.image
        ))
    );
    let body = ec2(sandbox, &template).await;
    let id = first(&body, "launchTemplateId");
    let version = ec2(sandbox, &format!("Action=DescribeLaunchTemplateVersions&LaunchTemplateId={id}&LaunchTemplateVersion.1=$Latest")).await;
    assert_eq!(all(&version, "interfaceType").len(), 33);
    assert_eq!(first(&version, "volumeSize"), "500");

    let run =
        format!("Action=RunInstances&MinCount=1&MaxCount=1&LaunchTemplate.LaunchTemplateId={id}");
    let body = ec2(sandbox, &run).await;
    assert_eq!(all(&body, "networkInterfaceId").len(), 33);
    assert_eq!(world.free_addresses().await, "10");
    assert!(body.contains("<key>aws:ec2launchtemplate:version</key><value>1</value>"));
    assert_eq!(first(&ec2(sandbox, "Action=DescribeVolumes").await, "size"), "500");

    // What the request says wins over the template; the layout does not fit a smaller type.
    assert_eq!(
        ec2_error(sandbox, &format!("{run}&InstanceType=g5.48xlarge")).await,
        "InvalidParameterValue"
    );
    assert_eq!(
        ec2_error(sandbox, &format!("{run}&SubnetId={}", world.subnet)).await,
        "InvalidParameterCombination"
    );
    assert_eq!(ec2_error(sandbox, &format!("{run}&Colour=red")).await, "UnknownParameter");
}

#[tokio::test]
async fn a_launch_is_refused_for_what_the_type_or_the_zone_cannot_do() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let with = |rest: &str| world.run(&format!("&SubnetId={}{rest}", world.subnet));
    let codes = [
        ("&InstanceType=t9.micro", "InvalidParameterValue"),
        ("&InstanceType=t4g.micro", "InvalidParameterValue"),
        ("&InstanceType=t3.micro&KeyName=nobody", "InvalidKeyPair.NotFound"),
        ("&InstanceType=t3.micro&Placement.GroupName=nowhere", "InvalidPlacementGroup.Unknown"),
        ("&InstanceType=t3.micro&IamInstanceProfile.Name=nobody", "InvalidParameterValue"),
        ("&InstanceType=t3.micro&SecurityGroupId.1=sg-0123456789abcdef0", "InvalidGroup.NotFound"),
        (
            "&InstanceType=t3.micro&Placement.AvailabilityZone=us-west-2a",
            "InvalidParameterCombination",
        ),
        (
            "&InstanceType=m5.large&CreditSpecification.CpuCredits=standard",
            "InvalidParameterCombination",
        ),
        ("&InstanceType=t3.micro&UserData=***", "InvalidUserData.Malformed"),
        ("&InstanceType=t3.micro&MetadataOptions.HttpTokens=maybe", "InvalidParameterValue"),
        (
            "&InstanceType=t3.micro&BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.VolumeSize=4",
            "InvalidBlockDeviceMapping",
        ),
        ("&InstanceType=p5e.48xlarge", "Unsupported"),
        (
            "&InstanceType=p5.48xlarge&InstanceMarketOptions.MarketType=capacity-block",
            "InvalidParameterValue",
        ),
    ];
    for (rest, code) in codes {
        assert_eq!(ec2_error(sandbox, &with(rest)).await, code, "{rest}");
    }
    let vpc = first(
        &ec2(sandbox, "Action=DescribeVpcs&Filter.1.Name=is-default&Filter.1.Value.1=false").await,
        "vpcId",
    );
    let far = format!(
        "Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.1.0/24&AvailabilityZone=us-west-2c"
    );
    let far = first(&ec2(sandbox, &far).await, "subnetId");
    assert_eq!(
        ec2_error(sandbox, &world.run(&format!("&InstanceType=p5.48xlarge&SubnetId={far}"))).await,
        "Unsupported"
    );
    assert_eq!(world.free_addresses().await, "11", "nothing is left of a refused launch");
}

#[tokio::test]
async fn a_placement_group_holds_its_instances_together_and_outlives_them() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let make = "Action=CreatePlacementGroup&GroupName=tight&Strategy=cluster";
    ec2(sandbox, make).await;
    assert_eq!(ec2_error(sandbox, make).await, "InvalidPlacementGroup.Duplicate");
    let in_group = |kind: &str| {
        world.run(&format!(
            "&InstanceType={kind}&SubnetId={}&Placement.GroupName=tight",
            world.subnet
        ))
    };
    assert_eq!(ec2_error(sandbox, &in_group("t3.micro")).await, "InvalidParameterCombination");
    let id = first(&ec2(sandbox, &in_group("c5n.18xlarge")).await, "instanceId");
    let delete = "Action=DeletePlacementGroup&GroupName=tight";
    assert_eq!(ec2_error(sandbox, delete).await, "InvalidPlacementGroup.InUse");
    ec2(sandbox, &format!("Action=TerminateInstances&InstanceId.1={id}")).await;
    ec2(sandbox, delete).await;
    assert_eq!(
        ec2_error(sandbox, "Action=DescribePlacementGroups&GroupName.1=tight").await,
        "InvalidPlacementGroup.Unknown"
    );
}

#[tokio::test]
async fn reserved_capacity_is_used_up_and_comes_back() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let reserve = "Action=CreateCapacityReservation&InstanceType=p4d.24xlarge&InstancePlatform=Linux/UNIX&AvailabilityZone=us-west-2b&InstanceCount=1&InstanceMatchCriteria=targeted&TagSpecifications.1.ResourceType=capacity-reservation&TagSpecifications.1.Tag.1.Key=a&TagSpecifications.1.Tag.1.Value=b";
    let reservation = first(&ec2(sandbox, reserve).await, "capacityReservationId");
    let run = world.run(&format!(
        "&InstanceType=p4d.24xlarge&SubnetId={}&CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId={reservation}",
        world.subnet
    ));
    let instance = first(&ec2(sandbox, &run).await, "instanceId");
    let show = format!("Action=DescribeCapacityReservations&CapacityReservationId.1={reservation}");
    assert_eq!(first(&ec2(sandbox, &show).await, "availableInstanceCount"), "0");
    assert_eq!(ec2_error(sandbox, &run).await, "ReservationCapacityExceeded");
    assert_eq!(
        ec2_error(sandbox, &run.replace("p4d.24xlarge", "p5.48xlarge")).await,
        "InvalidParameterValue"
    );
    ec2(sandbox, &format!("Action=TerminateInstances&InstanceId.1={instance}")).await;
    assert_eq!(first(&ec2(sandbox, &show).await, "availableInstanceCount"), "1");
    ec2(sandbox, &format!("Action=CancelCapacityReservation&CapacityReservationId={reservation}"))
        .await;
    assert_eq!(first(&ec2(sandbox, &show).await, "state"), "cancelled");

    let offer = "Action=DescribeCapacityBlockOfferings&InstanceType=p5.48xlarge&InstanceCount=2&CapacityDurationHours=48";
    let offer = first(&ec2(sandbox, offer).await, "capacityBlockOfferingId");
    let buy = format!(
        "Action=PurchaseCapacityBlock&CapacityBlockOfferingId={offer}&InstancePlatform=Linux/UNIX"
    );
    let block = first(&ec2(sandbox, &buy).await, "capacityReservationId");
    let show = format!("Action=DescribeCapacityReservations&CapacityReservationId.1={block}");
    assert_eq!(first(&ec2(sandbox, &show).await, "state"), "scheduled");
    sandbox.knobs().advance_clock(Duration::from_secs(86_400));
    assert_eq!(first(&ec2(sandbox, &show).await, "state"), "active");
}

#[tokio::test]
async fn a_capacity_block_ends_with_everything_in_it() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let offer = "Action=DescribeCapacityBlockOfferings&InstanceType=p5en.48xlarge&InstanceCount=1&CapacityDurationHours=24";
    let offers = ec2(sandbox, offer).await;
    let offer =
        all(&offers, "capacityBlockOfferingId").into_iter().find(|id| id.contains("us-west-2b"));
    let offer = offer.expect("zone b offers everything");
    let buy = format!(
        "Action=PurchaseCapacityBlock&CapacityBlockOfferingId={offer}&InstancePlatform=Linux/UNIX"
    );
    let block = first(&ec2(sandbox, &buy).await, "capacityReservationId");
    let run = world.run(&format!(
        "&InstanceType=p5en.48xlarge&SubnetId={}&InstanceMarketOptions.MarketType=capacity-block\
         &CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId={block}",
        world.subnet
    ));
    assert_eq!(
        ec2_error(sandbox, &run).await,
        "InvalidCapacityReservationState",
        "it has not begun"
    );
    sandbox.knobs().advance_clock(Duration::from_secs(86_400));
    let id = first(&ec2(sandbox, &run).await, "instanceId");
    assert_eq!(ec2_error(sandbox, &run).await, "ReservationCapacityExceeded");
    sandbox.knobs().advance_clock(Duration::from_secs(86_400));
    let body = ec2(sandbox, &format!("Action=DescribeInstances&InstanceId.1={id}")).await;
    assert_eq!(first(&first(&body, "instanceState"), "name"), "terminated");
}

#[tokio::test]
async fn a_public_address_of_a_launch_changes_with_every_start() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let public = world.run(&format!(
        "&InstanceType=t3.micro&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={}\
         &NetworkInterface.1.AssociatePublicIpAddress=true",
        world.subnet
    ));
    let body = ec2(sandbox, &public).await;
    let (id, before) = (first(&body, "instanceId"), first(&body, "ipAddress"));
    ec2(sandbox, &format!("Action=StopInstances&InstanceId.1={id}")).await;
    let show = format!("Action=DescribeInstances&InstanceId.1={id}");
    assert!(all(&ec2(sandbox, &show).await, "ipAddress").is_empty());
    ec2(sandbox, &format!("Action=StartInstances&InstanceId.1={id}")).await;
    let after = first(&ec2(sandbox, &show).await, "ipAddress");
    assert_ne!(before, after);
}

#[tokio::test]
async fn volumes_move_between_instances_of_their_zone_and_grow_but_never_shrink() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let ids: Vec<String> = {
        let body = ec2(
            sandbox,
            &world.simple("").replace("MinCount=1&MaxCount=1", "MinCount=2&MaxCount=2"),
        )
        .await;
        all(&body, "instanceId")
    };
    let make = |zone: &str| {
        format!("Action=CreateVolume&Size=20&VolumeType=gp3&AvailabilityZone=us-west-2{zone}")
    };
    let far = first(&ec2(sandbox, &make("a")).await, "volumeId");
    let near = first(&ec2(sandbox, &make("b")).await, "volumeId");
    let attach = |volume: &str, instance: &str| {
        format!("Action=AttachVolume&VolumeId={volume}&InstanceId={instance}&Device=/dev/sdf")
    };
    assert_eq!(ec2_error(sandbox, &attach(&far, &ids[0])).await, "InvalidVolume.ZoneMismatch");
    ec2(sandbox, &attach(&near, &ids[0])).await;
    assert_eq!(ec2_error(sandbox, &attach(&near, &ids[1])).await, "VolumeInUse");
    ec2(sandbox, &format!("Action=DetachVolume&VolumeId={near}")).await;
    ec2(sandbox, &attach(&near, &ids[1])).await;
    let root = ec2(sandbox, &format!("Action=DescribeVolumes&Filter.1.Name=attachment.device&Filter.1.Value.1=/dev/sda1&Filter.2.Name=attachment.instance-id&Filter.2.Value.1={}", ids[0])).await;
    assert_eq!(
        ec2_error(sandbox, &format!("Action=DetachVolume&VolumeId={}", first(&root, "volumeId")))
            .await,
        "OperationNotPermitted"
    );

    let modify = |rest: &str| format!("Action=ModifyVolume&VolumeId={near}{rest}");
    assert_eq!(ec2_error(sandbox, &modify("&Size=10")).await, "InvalidParameterValue");
    ec2(sandbox, &modify("&Size=40&Iops=6000&Throughput=500")).await;
    let shown = ec2(sandbox, &format!("Action=DescribeVolumes&VolumeId.1={near}")).await;
    assert_eq!((first(&shown, "size"), first(&shown, "throughput")), ("40".into(), "500".into()));
    let history =
        ec2(sandbox, &format!("Action=DescribeVolumesModifications&VolumeId.1={near}")).await;
    assert_eq!(first(&history, "modificationState"), "completed");
}
