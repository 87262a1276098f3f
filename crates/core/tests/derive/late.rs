//! What builders take, and what handles give.

use formwork_core::{Input, Output, Reference, Scope, Stack, json, text};

use crate::types::*;

fn declare<T>(declare: impl FnOnce(&mut Scope<'_>) -> T) -> Stack<T> {
    Stack::new("test", declare).expect("a declaration without problems")
}

fn network(scope: &mut Scope<'_>) -> (VpcHandle, SubnetHandle) {
    let vpc = scope.add("vpc", Vpc::builder().cidr_block("10.0.0.0/16").build());
    let subnet = scope.add("subnet", Subnet::builder().vpc_id(&vpc.id).build());
    (vpc, subnet)
}

#[test]
fn a_late_value_fits_at_every_depth() {
    let stack = declare(|scope| {
        let (vpc, subnet) = network(scope);
        let disk = Disk::builder().size(1).key(text!("{}/{}", vpc.dns_name, subnet.id)).build();
        let interface = Interface::builder().subnet_id(&subnet.id).disks([disk]).build();
        // All that this needs it needs through the list, the struct, and the text in its list.
        let references = interface.output().references();
        let expected = [subnet.references(), vpc.references()].concat();
        scope.add(
            "machine",
            Machine::builder().image("base").interfaces(vec![interface]).key("k").build(),
        );
        (references, expected)
    });
    let (references, expected) = &stack.outputs;
    assert_eq!(references, expected);
}

#[test]
fn a_setter_takes_a_value_an_output_or_an_input() {
    let stack = declare(|scope| {
        let (vpc, _) = network(scope);
        let by_value = Subnet::builder().vpc_id(VpcId("vpc-1".into())).build();
        let by_output = Subnet::builder().vpc_id(vpc.id.clone()).build();
        let by_input = Subnet::builder().vpc_id(Input::from(&vpc.id)).build();
        scope.add("by-value", by_value);
        scope.add("by-output", by_output);
        scope.add("by-input", by_input);

        let known: Output<String> = Output::known("base".into());
        let machine = Machine::builder()
            .image(known)
            .interfaces(vec![Interface {
                subnet_id: SubnetId("subnet-1".into()),
                disks: vec![],
                name: None,
            }])
            .root(Disk { size: 3, key: None })
            .disks([("data", Disk::builder().size(2).build())])
            .maybe_policy(Some(json(&vpc.id)))
            .password("hunter2")
            .key("k");
        scope.add("machine", machine.build());
    });
    assert_eq!(stack.len(), 6);
}

#[test]
fn a_plain_struct_is_a_component_too() {
    let stack = declare(|scope| {
        let vpc = scope.add(
            "vpc",
            Vpc {
                cidr_block: "10.0.0.0/16".into(),
                instance_tenancy: None,
                dns_hostnames: true,
                shares: 4,
                routes: 50,
                tags: [].into(),
                r#type: None,
            },
        );
        scope.add("subnet", Subnet::builder().vpc_id(vpc.id).build());
    });
    assert_eq!(stack.len(), 2);
}

#[test]
fn a_handle_leads_back_to_its_resource_as_its_outputs_do() {
    declare(|scope| {
        let (vpc, subnet) = network(scope);
        assert_eq!(vpc.references(), vpc.id.references());
        assert_ne!(vpc.references(), subnet.references());
        let machine = Machine::builder().image("base").key("k").build();
        scope.add("machine", machine.after(&vpc).deleted_with(&subnet).protect())
    });
}

#[test]
fn a_query_is_built_like_a_nested_struct() {
    let stack = declare(|scope| {
        let query = ImageQuery::builder().name("base").build();
        let image: ImageHandle = scope.lookup::<ImageQuery>("image", query);
        scope.add("machine", Machine::builder().image(&image.id).key("k").build())
    });
    assert_eq!(stack.len(), 2);
}

#[test]
fn a_handle_is_named_after_its_outputs() {
    fn named<O: formwork_core::Outputs<Handle = H>, H>() {}
    named::<VpcOutputs, VpcHandle>();
    named::<ImageAnswer, ImageHandle>();
    named::<Session, SessionHandle>();
}
