//! The builder of a struct of inputs.
//!
//! `bon` makes it from a hidden function that takes one late value per field. The function gives
//! every field a value, so that a declaration has the same keys as the serialized struct.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{DeriveInput, LitStr};

use crate::field::{InputField, Presence};

/// The `impl` with `builder()`. `result` is what `build()` gives, `finish` makes it of `__members`.
pub(crate) fn expand(
    input: &DeriveInput,
    fields: &[InputField<'_>],
    root: &TokenStream,
    result: &TokenStream,
    finish: &TokenStream,
) -> TokenStream {
    let (name, vis) = (&input.ident, &input.vis);
    let builder = format_ident!("{name}Builder");
    let parameters = fields.iter().map(|field| parameter(field, root));
    let members = fields.iter().map(|field| member(field, root));
    let start = format!(
        "Builds a [`{name}`]. Every setter takes a value, an `Output` that another resource will \
         report, or an `Input`."
    );
    let start = LitStr::new(&start, name.span());
    let about = format!("A declaration of [`{name}`] under way.");
    let vis = LitStr::new(&vis.to_token_stream().to_string(), name.span());
    quote! {
        #[#root::__private::bon::bon(crate = #root::__private::bon)]
        impl #name {
            #[doc(hidden)]
            #[must_use]
            #[builder(
                start_fn(name = builder, vis = #vis, doc { #[doc = #start] }),
                finish_fn(name = build, vis = "pub", doc { #[doc = "Finishes it."] }),
                builder_type(name = #builder, vis = #vis, doc { #[doc = #about] }),
            )]
            fn __declare(#(#parameters),*) -> #result {
                let mut __members = #root::__private::Members::default();
                #(#members)*
                #finish
            }
        }
    }
}

/// The late value of a field, as a parameter that `bon` makes a setter of.
fn parameter(field: &InputField<'_>, root: &TokenStream) -> TokenStream {
    let InputField { ident, docs, ty, presence, .. } = field;
    let ty = match presence {
        Presence::Required => quote!(#root::Input<#ty>),
        Presence::Optional(inner) => quote!(::core::option::Option<#root::Input<#inner>>),
        Presence::Default(_) => quote!(::core::option::Option<#root::Input<#ty>>),
    };
    quote!(#(#docs)* #[builder(into)] #ident: #ty)
}

/// The statement that gives a field its value, set or not.
fn member(field: &InputField<'_>, root: &TokenStream) -> TokenStream {
    let InputField { ident, ty, presence, secret, .. } = field;
    let name = crate::attributes::key(ident);
    let set = if *secret { quote!(set_secret) } else { quote!(set) };
    let unset = match presence {
        Presence::Required => return quote!(__members.#set(#name, #ident);),
        Presence::Optional(inner) => quote!(::core::option::Option::<#inner>::None),
        Presence::Default(value) => quote!({
            let value: #ty = #value;
            value
        }),
    };
    quote! {
        match #ident {
            ::core::option::Option::Some(input) => __members.#set(#name, input),
            ::core::option::Option::None => __members.set(#name, #root::Input::<#ty>::from(#unset)),
        }
    }
}
