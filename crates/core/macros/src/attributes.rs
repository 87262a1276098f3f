//! What all three derives read alike: the shape of the struct, docs, and lists of flags.

use syn::{
    Attribute, Data, DeriveInput, Field, Fields, GenericArgument, Ident, PathArguments, Token,
    Type, ext::IdentExt, meta::ParseNestedMeta, punctuated::Punctuated, spanned::Spanned,
};

/// Gathers errors, so that all mistakes in a struct are reported at once.
#[derive(Default)]
pub(crate) struct Problems(Option<syn::Error>);

impl Problems {
    /// Keeps the value, or the error for later.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// The fields of a struct with named fields and without parameters.
pub(crate) fn named_fields<'a>(
    input: &'a DeriveInput,
    derive: &str,
) -> syn::Result<&'a Punctuated<Field, Token![,]>> {
    let only = format!("`#[derive({derive})]` is for structs with named fields");
    if !input.generics.params.is_empty() || input.generics.where_clause.is_some() {
        let span = match &input.generics.where_clause {
            Some(clause) if input.generics.params.is_empty() => clause.span(),
            _ => input.generics.params.span(),
        };
        let message = format!("{only} and without generic parameters: a type in state is one type");
        return Err(syn::Error::new(span, message));
    }
    let what = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Ok(&fields.named),
            Fields::Unnamed(_) => "a tuple struct",
            Fields::Unit => "a unit struct",
        },
        Data::Enum(_) => {
            "an enum; as the type of a field an enum needs serde's derives and no more"
        }
        Data::Union(_) => "a union",
    };
    Err(syn::Error::new(input.ident.span(), format!("{only}, and `{}` is {what}", input.ident)))
}

/// The name of a field in state.
pub(crate) fn key(field: &Ident) -> String {
    field.unraw().to_string()
}

/// The doc comments among `attributes`.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<&Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).collect()
}

/// Calls `each` for every entry of every `#[name(..)]`; an entry given twice is an error.
pub(crate) fn entries(
    attributes: &[Attribute],
    name: &str,
    mut each: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    let mut seen = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
        attribute.parse_nested_meta(|meta| {
            if seen.contains(&meta.path) {
                return Err(meta.error(format!("`{}` is given twice", text(&meta))));
            }
            seen.push(meta.path.clone());
            each(&meta)
        })?;
    }
    Ok(())
}

/// The error for an entry that is none of `expected`.
pub(crate) fn unknown(meta: &ParseNestedMeta<'_>, expected: &[&str]) -> syn::Error {
    let expected: Vec<_> = expected.iter().map(|name| format!("`{name}`")).collect();
    meta.error(format!("unknown `{}`: expected {}", text(meta), expected.join(", ")))
}

fn text(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.segments.iter().map(|s| s.ident.to_string()).collect::<Vec<_>>().join("::")
}

/// The last argument of `wrapper<.., T>`, if `ty` is one.
pub(crate) fn inside<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == wrapper)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.last()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

/// Whether `ty` is a `Secret`, set or not.
pub(crate) fn is_secret(ty: &Type) -> bool {
    inside(inside(ty, "Option").unwrap_or(ty), "Secret").is_some()
}

/// The error for a field that says it is secret, and is of a type that does not.
pub(crate) fn open_secret(ty: &Type) -> syn::Error {
    let message = "a `secret` field is a `Secret<..>` or an `Option<Secret<..>>`: \
                   it is the type that keeps the value hidden wherever it goes";
    syn::Error::new(ty.span(), message)
}
