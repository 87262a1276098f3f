//! What the derives say of a type.

use formwork_core::{Field, Group, Inputs, Outputs, Resource};

use crate::types::*;

/// The flags of a field, as text.
fn flags(field: &Field) -> String {
    let flags = [
        (field.required, "required"),
        (field.replace, "replace"),
        (field.defaulted, "defaulted"),
        (field.write_only, "write_only"),
        (field.secret, "secret"),
        (field.unordered, "unordered"),
        (field.json, "json"),
        (field.case_insensitive, "case_insensitive"),
        (field.unique, "unique"),
        (field.nested.is_some(), "nested"),
    ];
    let flags: Vec<_> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    format!("{}: {}", field.name, flags.join(" "))
}

fn fields<I: Inputs>() -> Vec<String> {
    I::SCHEMA.fields.iter().map(flags).collect()
}

#[test]
fn the_type_is_what_the_struct_says() {
    let of = Vpc::TYPE;
    assert_eq!((of.kind, of.version, of.seconds), ("test:net/vpc", 2, 3));
    assert_eq!(of.group, Group::Network);
    assert!(of.delete_first && of.resumable);
    assert!(std::ptr::eq(of.inputs, Vpc::SCHEMA));
    assert!(std::ptr::eq(of.outputs, VpcOutputs::SCHEMA));
}

#[test]
fn what_the_struct_does_not_say_has_a_default() {
    let of = Subnet::TYPE;
    assert_eq!((of.version, of.seconds, of.group), (1, 1, Group::Other));
    assert!(!of.delete_first && !of.resumable);
}

#[test]
fn every_flag_is_in_the_schema_in_the_order_of_the_fields() {
    assert_eq!(
        fields::<Vpc>(),
        [
            "cidr_block: required replace unique",
            "instance_tenancy: defaulted",
            "dns_hostnames: ",
            "shares: ",
            "routes: case_insensitive",
            "tags: ",
            "type: ",
        ]
    );
    assert_eq!(
        fields::<Machine>(),
        [
            "image: required",
            "interfaces: unordered nested",
            "root: defaulted nested",
            "disks: nested",
            "password: write_only secret",
            "key: required secret",
            "policy: json",
        ]
    );
    assert_eq!(fields::<ImageQuery>(), ["name: required", "architecture: "]);
}

#[test]
fn a_nested_schema_is_that_of_the_struct_inside_whatever_holds_it() {
    let nested = |schema: &formwork_core::Schema, name| {
        schema.field(name).and_then(|field| field.nested).expect("a nested schema")
    };
    let interface = nested(Machine::SCHEMA, "interfaces");
    assert!(std::ptr::eq(interface, Interface::SCHEMA));
    assert!(std::ptr::eq(nested(interface, "disks"), Disk::SCHEMA));
    assert!(std::ptr::eq(nested(Machine::SCHEMA, "root"), Disk::SCHEMA));
    assert!(std::ptr::eq(nested(Machine::SCHEMA, "disks"), Disk::SCHEMA));
}

#[test]
fn outputs_say_where_they_come_from() {
    let vpc = VpcOutputs::SCHEMA;
    assert_eq!(vpc.id, "id");
    let fields: Vec<_> =
        vpc.fields.iter().map(|f| (f.name, f.echo, f.secret, f.recomputed_by)).collect();
    assert_eq!(
        fields,
        [
            ("id", false, false, &[][..]),
            ("cidr_block", true, false, &[]),
            ("dns_name", false, false, &["dns_hostnames", "type"]),
        ]
    );
    let secret: Vec<_> = MachineOutputs::SCHEMA.fields.iter().map(|f| (f.name, f.secret)).collect();
    assert_eq!(secret, [("arn", false), ("login", true), ("token", true)]);
    assert_eq!(MachineOutputs::SCHEMA.id, "arn");
}
