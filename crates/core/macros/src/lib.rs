//! The derives of formwork: [`Resource`](macro@Resource), [`Inputs`](macro@Inputs) and
//! [`Outputs`](macro@Outputs).
//!
//! The author of a resource writes plain serde structs. What these derives add is data (the schema)
//! and lateness (a builder whose setters take outputs of other resources, and a handle of outputs).
//! They decide nothing: what a flag means is written in `formwork_core::Field`.

mod attributes;
mod builder;
mod consistency;
mod field;
mod inputs;
mod outputs;
mod resource;
mod root;
mod serde;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct of inputs a resource: its type as data, a builder, and `Component` for the plain
/// struct itself.
///
/// On the struct, `#[resource(..)]` takes
///
/// | key | meaning |
/// | --- | --- |
/// | `kind = "provider:service/type"` | the type's name in plans and in state; must be there |
/// | `formerly = ["provider:service/old"]` | the kinds that the type was called before: what is recorded of it follows |
/// | `outputs = VpcOutputs` | the struct that derives `Outputs`; must be there |
/// | `group = network` | the heading in a plan: `network`, `identity`, `storage`, `compute`, `drivers`, `other` (the default) |
/// | `version = 2` | the version of the shape of inputs and outputs; 1 by default |
/// | `seconds = 30` | how long a create usually takes; 1 by default |
/// | `delete_first` | a replacement deletes the old object first |
/// | `resumable` | a create that failed halfway is finished by an update, not replaced |
///
/// The fields are as in [`Inputs`](macro@Inputs). `Vpc::builder()` ends in `.build()`, which gives a
/// `Declaration<Vpc>`.
#[proc_macro_derive(Resource, attributes(resource))]
pub fn resource(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    resource::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a plain struct one of inputs: nested in a resource, or the query of a lookup.
///
/// A field of type `Option<T>` need not be set; any other must be, unless it is marked `default`.
/// Every setter takes a value, an `Output` of one, or an `Input`. `build()` gives an `Input` of the
/// struct. On a field, `#[resource(..)]` takes
///
/// | flag | meaning |
/// | --- | --- |
/// | `replace` | a change needs a new object |
/// | `defaulted` | the cloud fills it in when it is not set; the field is an `Option` |
/// | `write_only` | the cloud never gives it back |
/// | `secret` | its value is never shown; the type is `Secret<..>`, which says so already |
/// | `unordered` | a list whose order means nothing |
/// | `json` | a JSON document, compared by meaning |
/// | `case_insensitive` | upper and lower case are the same |
/// | `unique` | two objects may not share its value; all unique fields of a type count together |
/// | `cidr` | a block of addresses, which as `unique` is the same as each that it overlaps |
/// | `holds` | what it refers to can not be deleted while it does; where that has to go first, it is replaced |
/// | `nested` | the value, or each element of it, is a struct that derives `Inputs` |
/// | `default` | need not be set; then it is what `#[serde(default)]` gives, which must be there |
/// | `default = expr` | need not be set; then it is `expr` |
///
/// The names in state are the names of the fields, and all are always there: serde attributes that
/// rename, skip or convert are refused.
#[proc_macro_derive(Inputs, attributes(resource))]
pub fn inputs(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    inputs::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a plain struct one of outputs, and its late-bound twin: `VpcOutputs` or `VpcAnswer` gets
/// `VpcHandle`, with the same fields, each an `Output`.
///
/// On a field, `#[output(..)]` takes
///
/// | flag | meaning |
/// | --- | --- |
/// | `id` | the object's own id in the cloud; exactly one field has it |
/// | `echo` | it is the input of the same name, so that a plan knows it |
/// | `secret` | its value is never shown; the type is `Secret<..>`, which says so already |
/// | `recomputed_by(a, b)` | a change in place of the input `a` or `b` changes it too |
#[proc_macro_derive(Outputs, attributes(output))]
pub fn outputs(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    outputs::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
