//! `#[derive(Inputs)]`, and the half of `#[derive(Resource)]` that is the same.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::{
    attributes::{Problems, named_fields},
    builder,
    field::InputField,
    root, serde,
};

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let fields = named_fields(input, "Inputs")?;
    let mut problems = Problems::default();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("resource")) {
        let message =
            "`#[derive(Inputs)]` takes no `#[resource(..)]` on the struct, only on fields";
        problems.add(syn::Error::new_spanned(attribute, message));
    }
    let fields = parse(input, fields, &mut problems);
    problems.finish()?;

    let root = root::path()?;
    let name = &input.ident;
    let schema = schema(input, &fields, &root);
    let builder = builder::expand(
        input,
        &fields,
        &root,
        &quote!(#root::Input<#name>),
        &quote!(#root::Input::members(__members)),
    );
    Ok(quote!(#schema #builder))
}

/// Reads the fields of a struct of inputs.
pub(crate) fn parse<'a>(
    input: &DeriveInput,
    fields: impl IntoIterator<Item = &'a syn::Field>,
    problems: &mut Problems,
) -> Vec<InputField<'a>> {
    serde::check_struct(&input.attrs, problems);
    fields.into_iter().filter_map(|field| InputField::parse(field, problems)).collect()
}

/// `impl Inputs`.
pub(crate) fn schema(
    input: &DeriveInput,
    fields: &[InputField<'_>],
    root: &TokenStream,
) -> TokenStream {
    let name = &input.ident;
    let fields = fields.iter().map(|field| field.schema(root));
    quote! {
        #[automatically_derived]
        impl #root::Inputs for #name {
            const SCHEMA: &'static #root::Schema = &#root::Schema { fields: &[#(#fields),*] };
        }
    }
}
