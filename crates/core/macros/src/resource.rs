//! `#[derive(Resource)]`: a struct of inputs that is a type of its own.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    DeriveInput, Ident, LitInt, LitStr, Token, Type, punctuated::Punctuated, spanned::Spanned,
};

use crate::{
    attributes::{Problems, entries, named_fields, unknown},
    builder, consistency, inputs, root,
};

const KEYS: [&str; 8] =
    ["kind", "formerly", "outputs", "group", "version", "seconds", "delete_first", "resumable"];
const GROUPS: [&str; 6] = ["network", "identity", "storage", "compute", "drivers", "other"];

/// What `#[resource(..)]` says of the struct.
struct Settings {
    kind: LitStr,
    formerly: Vec<LitStr>,
    outputs: Type,
    group: Ident,
    version: TokenStream,
    seconds: TokenStream,
    delete_first: bool,
    resumable: bool,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let fields = named_fields(input, "Resource")?;
    let mut problems = Problems::default();
    let settings = problems.take(Settings::parse(input));
    let fields = inputs::parse(input, fields, &mut problems);
    problems.finish()?;
    // Without settings there was a problem, so this is the end of it.
    let Some(settings) = settings else { return Ok(TokenStream::new()) };

    let root = root::path()?;
    let name = &input.ident;
    let schema = inputs::schema(input, &fields, &root);
    let resource = settings.resource(name, &root);
    let builder = builder::expand(
        input,
        &fields,
        &root,
        &quote!(#root::Declaration<#name>),
        &quote!(#root::Declaration::new(__members)),
    );
    let consistency = consistency::expand(name, &settings.outputs, &root);
    Ok(quote! {
        #schema
        #resource
        #builder
        #consistency

        #[automatically_derived]
        impl #root::Component for #name {
            type Handle = <#root::Declaration<#name> as #root::Component>::Handle;

            fn declare(self, scope: &mut #root::Scope<'_>) -> Self::Handle {
                #root::Component::declare(#root::Declaration::from(self), scope)
            }
        }
    })
}

impl Settings {
    fn parse(input: &DeriveInput) -> syn::Result<Self> {
        let mut formerly = Vec::new();
        let (mut kind, mut outputs, mut group) = (None::<LitStr>, None, format_ident!("Other"));
        let (mut version, mut seconds) = (quote!(1), quote!(1));
        let (mut delete_first, mut resumable) = (false, false);
        entries(&input.attrs, "resource", |meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match name.as_str() {
                "kind" => kind = Some(meta.value()?.parse()?),
                "formerly" => {
                    let list = meta.value()?;
                    let names;
                    syn::bracketed!(names in list);
                    formerly.extend(Punctuated::<LitStr, Token![,]>::parse_terminated(&names)?);
                }
                "outputs" => outputs = Some(meta.value()?.parse()?),
                "group" => group = variant(&meta.value()?.parse()?)?,
                "version" => version = number(&meta.value()?.parse()?, 1)?,
                "seconds" => seconds = number(&meta.value()?.parse()?, 0)?,
                "delete_first" => delete_first = true,
                "resumable" => resumable = true,
                _ => return Err(unknown(meta, &KEYS)),
            }
            Ok(())
        })?;
        let mut problems = Problems::default();
        let missing = |what: &str| {
            let message = format!("`{}` needs `#[resource({what})]`", input.ident);
            syn::Error::new(input.ident.span(), message)
        };
        match &kind {
            Some(kind) => drop(problems.take(check_kind(kind))),
            None => problems.add(missing("kind = \"provider:service/type\"")),
        }
        for old in &formerly {
            if let Err(error) = check_kind(old) {
                problems.add(error);
            }
            if kind.as_ref().is_some_and(|kind| kind.value() == old.value()) {
                problems.add(syn::Error::new(old.span(), "it is the kind that it has now"));
            }
        }
        if outputs.is_none() {
            problems.add(missing(&format!("outputs = {}Outputs", input.ident)));
        }
        problems.finish()?;
        let (Some(kind), Some(outputs)) = (kind, outputs) else {
            return Err(missing("kind, outputs"));
        };
        Ok(Self { kind, formerly, outputs, group, version, seconds, delete_first, resumable })
    }

    /// `impl Resource`.
    fn resource(&self, name: &Ident, root: &TokenStream) -> TokenStream {
        let existing = format!("existing {}", self.kind.value());
        let Self { kind, formerly, outputs, group, version, seconds, delete_first, resumable } =
            self;
        let schema = quote_spanned!(outputs.span()=> <#outputs as #root::Outputs>::SCHEMA);
        quote! {
            #[automatically_derived]
            impl #root::Resource for #name {
                const TYPE: &'static #root::ResourceType = &#root::ResourceType {
                    kind: #kind,
                    existing: #existing,
                    formerly: &[#(#formerly),*],
                    version: #version,
                    group: #root::Group::#group,
                    inputs: <#name as #root::Inputs>::SCHEMA,
                    outputs: #schema,
                    delete_first: #delete_first,
                    resumable: #resumable,
                    seconds: #seconds,
                };
                type Outputs = #outputs;
            }
        }
    }
}

/// Refuses a kind that is not `provider:service/type`.
fn check_kind(kind: &LitStr) -> syn::Result<()> {
    let text = kind.value();
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let parts = text.split_once(':').and_then(|(p, rest)| Some((p, rest.split_once('/')?)));
    match parts {
        Some((provider, (service, of))) if word(provider) && word(service) && word(of) => Ok(()),
        _ => {
            let message = "expected `provider:service/type`, such as `aws:ec2/vpc`";
            Err(syn::Error::new(kind.span(), message))
        }
    }
}

/// The variant of `Group` for a group's name.
fn variant(group: &Ident) -> syn::Result<Ident> {
    let name = group.to_string();
    if !GROUPS.contains(&name.as_str()) {
        let expected = GROUPS.map(|group| format!("`{group}`")).join(", ");
        let message = format!("unknown group `{name}`: expected {expected}");
        return Err(syn::Error::new(group.span(), message));
    }
    let (first, rest) = name.split_at(1);
    Ok(Ident::new(&format!("{}{rest}", first.to_uppercase()), group.span()))
}

fn number(literal: &LitInt, least: u32) -> syn::Result<TokenStream> {
    let number: u32 = literal.base10_parse()?;
    if number < least {
        return Err(syn::Error::new(literal.span(), format!("expected {least} or more")));
    }
    Ok(quote!(#number))
}
