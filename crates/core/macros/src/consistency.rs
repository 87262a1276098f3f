//! What is checked between a resource and its outputs, which are two structs and so two derives.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, Type};

/// A constant that fails to compile when an output is said to come from an input that is not there.
///
/// The structs see each other only as constants, so the check is one too.
pub(crate) fn expand(name: &Ident, outputs: &Type, root: &TokenStream) -> TokenStream {
    let echo = format!("an `echo` output of `{}` has no input of its name", quote!(#outputs));
    let recomputed =
        format!("`recomputed_by` in `{}` names what is no input of `{name}`", quote!(#outputs));
    quote! {
        const _: () = {
            const fn is_input(name: &str) -> bool {
                let fields = <#name as #root::Inputs>::SCHEMA.fields;
                let mut at = 0;
                while at < fields.len() {
                    if same(fields[at].name.as_bytes(), name.as_bytes()) {
                        return true;
                    }
                    at += 1;
                }
                false
            }
            const fn same(a: &[u8], b: &[u8]) -> bool {
                let mut at = 0;
                while at < a.len() && at < b.len() && a[at] == b[at] {
                    at += 1;
                }
                at == a.len() && at == b.len()
            }
            let outputs = <#outputs as #root::Outputs>::SCHEMA.fields;
            let mut at = 0;
            while at < outputs.len() {
                ::core::assert!(!outputs[at].echo || is_input(outputs[at].name), #echo);
                let inputs = outputs[at].recomputed_by;
                let mut input = 0;
                while input < inputs.len() {
                    ::core::assert!(is_input(inputs[input]), #recomputed);
                    input += 1;
                }
                at += 1;
            }
        };
    }
}
