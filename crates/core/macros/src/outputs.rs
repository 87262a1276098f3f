//! `#[derive(Outputs)]`: the schema of the outputs, and the handle.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Ident, Token, punctuated::Punctuated};

use crate::{
    attributes::{self, Problems, entries, named_fields},
    root, serde,
};

const FLAGS: [&str; 4] = ["id", "echo", "secret", "recomputed_by"];

/// A field of outputs.
struct OutputField<'a> {
    field: &'a syn::Field,
    ident: &'a Ident,
    id: bool,
    echo: bool,
    secret: bool,
    recomputed_by: Vec<String>,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let fields = named_fields(input, "Outputs")?;
    let mut problems = Problems::default();
    serde::check_struct(&input.attrs, &mut problems);
    let fields: Vec<_> =
        fields.iter().filter_map(|field| OutputField::parse(field, &mut problems)).collect();
    let mut ids = fields.iter().filter(|field| field.id);
    let id = ids.next().map(|field| attributes::key(field.ident)).unwrap_or_else(|| {
        let message = format!(
            "`{}` needs one field marked `#[output(id)]`: the object's own id in the cloud",
            input.ident
        );
        problems.add(syn::Error::new(input.ident.span(), message));
        String::new()
    });
    for second in ids {
        let message = format!("`{id}` is marked `#[output(id)]` already; an object has one id");
        problems.add(syn::Error::new(second.ident.span(), message));
    }
    problems.finish()?;

    let root = root::path()?;
    let (name, vis) = (&input.ident, &input.vis);
    let handle = handle(name);
    let about = format!("The outputs of a declared resource, known after apply: [`{name}`], late.");
    let schema = fields.iter().map(|field| field.schema(&root));
    let members = fields.iter().map(|field| field.member(&root));
    let values = fields.iter().map(|field| field.value(&root));
    Ok(quote! {
        #[doc = #about]
        #[derive(Clone, Debug)]
        #[allow(dead_code, reason = "a program uses the outputs that it needs")]
        #vis struct #handle {
            #(#members,)*
            __resource: #root::ResourceRef,
        }

        #[automatically_derived]
        impl #root::Outputs for #name {
            const SCHEMA: &'static #root::OutputSchema =
                &#root::OutputSchema { fields: &[#(#schema),*], id: #id };
            type Handle = #handle;

            fn handle(of: #root::ResourceRef) -> #handle {
                #handle { #(#values,)* __resource: of }
            }
        }

        #[automatically_derived]
        impl #root::Reference for #handle {
            fn references(&self) -> ::std::vec::Vec<#root::ResourceRef> {
                ::std::vec![self.__resource]
            }
        }
    })
}

/// `VpcOutputs` and `VpcAnswer` give `VpcHandle`.
fn handle(outputs: &Ident) -> Ident {
    let name = outputs.to_string();
    let stem = ["Outputs", "Answer"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .filter(|stem| !stem.is_empty())
        .unwrap_or(&name);
    format_ident!("{stem}Handle", span = outputs.span())
}

impl<'a> OutputField<'a> {
    fn parse(field: &'a syn::Field, problems: &mut Problems) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let is_secret = attributes::is_secret(&field.ty);
        let mut of =
            Self { field, ident, id: false, echo: false, secret: is_secret, recomputed_by: vec![] };
        let read = entries(&field.attrs, "output", |meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match name.as_str() {
                "id" => of.id = true,
                "echo" => of.echo = true,
                "secret" if is_secret => {}
                "secret" => return Err(attributes::open_secret(&field.ty)),
                "recomputed_by" => {
                    let inputs;
                    syn::parenthesized!(inputs in meta.input);
                    let inputs = Punctuated::<Ident, Token![,]>::parse_terminated(&inputs)?;
                    if inputs.is_empty() {
                        return Err(meta.error("expected `recomputed_by(input, ..)`"));
                    }
                    of.recomputed_by = inputs.iter().map(attributes::key).collect();
                }
                _ => return Err(attributes::unknown(meta, &FLAGS)),
            }
            Ok(())
        });
        problems.take(read);
        serde::check_field(&field.attrs, problems);
        Some(of)
    }

    /// The `OutputField` of the schema.
    fn schema(&self, root: &TokenStream) -> TokenStream {
        let name = attributes::key(self.ident);
        let echo = self.echo.then(|| quote!(.echo()));
        let secret = self.secret.then(|| quote!(.secret()));
        let inputs = &self.recomputed_by;
        let recomputed = (!inputs.is_empty()).then(|| quote!(.recomputed_by(&[#(#inputs),*])));
        quote!(#root::OutputField::new(#name) #echo #secret #recomputed)
    }

    /// The field of the handle.
    fn member(&self, root: &TokenStream) -> TokenStream {
        let (ident, ty, vis) = (self.ident, &self.field.ty, &self.field.vis);
        let docs = attributes::docs(&self.field.attrs);
        quote!(#(#docs)* #vis #ident: #root::Output<#ty>)
    }

    /// What the handle's field starts as.
    fn value(&self, root: &TokenStream) -> TokenStream {
        let (ident, name) = (self.ident, attributes::key(self.ident));
        quote!(#ident: #root::Output::attribute(&of, #name))
    }
}
