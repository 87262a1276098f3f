//! One field of a struct of inputs: what its attributes say, and its entry in the schema.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Expr, Ident, Token, Type, spanned::Spanned};

use crate::{
    attributes::{self, Problems},
    serde::{self, SerdeDefault},
};

/// The flags that are setters of `formwork_core::Field` of the same name.
const FLAGS: [&str; 10] = [
    "replace",
    "defaulted",
    "write_only",
    "secret",
    "unordered",
    "json",
    "case_insensitive",
    "unique",
    "cidr",
    "holds",
];

/// A field of inputs.
pub(crate) struct InputField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) docs: Vec<&'a Attribute>,
    pub(crate) ty: &'a Type,
    pub(crate) presence: Presence<'a>,
    pub(crate) secret: bool,
    flags: Vec<Ident>,
    nested: bool,
}

/// Whether a declaration must set a field, and what it is if it does not.
pub(crate) enum Presence<'a> {
    /// It must.
    Required,
    /// The field is an `Option` of this type.
    Optional(&'a Type),
    /// The field is this expression if it is not set.
    Default(TokenStream),
}

impl<'a> InputField<'a> {
    /// Reads one field; `None` if there was a problem that leaves nothing to go on with.
    pub(crate) fn parse(field: &'a syn::Field, problems: &mut Problems) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let (mut flags, mut nested, mut default) = (Vec::new(), false, None::<Option<Expr>>);
        let read = attributes::entries(&field.attrs, "resource", |meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match name.as_str() {
                "nested" => nested = true,
                "default" if meta.input.peek(Token![=]) => {
                    default = Some(Some(meta.value()?.parse()?));
                }
                "default" => default = Some(None),
                flag if FLAGS.contains(&flag) => flags.push(format_ident!("{flag}")),
                _ => {
                    let also = ["nested", "default"];
                    return Err(attributes::unknown(meta, &[&FLAGS[..], &also[..]].concat()));
                }
            }
            Ok(())
        });
        problems.take(read);
        let from_serde = serde::check_field(&field.attrs, problems);
        if attributes::key(ident) == "build" {
            let message = "a field can not be named `build`: that is the builder's last call";
            problems.add(syn::Error::new(ident.span(), message));
        }

        let has = |flags: &[Ident], name: &str| flags.iter().any(|flag| flag == name);
        let secret = attributes::is_secret(&field.ty);
        match (secret, has(&flags, "secret")) {
            (false, true) => problems.add(attributes::open_secret(&field.ty)),
            (true, false) => flags.push(format_ident!("secret")),
            _ => {}
        }
        let presence = presence(field, default, from_serde);
        let presence = problems.take(presence)?;
        if has(&flags, "defaulted") && !matches!(presence, Presence::Optional(_)) {
            let message = "a `defaulted` field is an `Option<..>`: the cloud fills in only what is \
                           not set";
            problems.add(syn::Error::new(field.ty.span(), message));
        }
        let docs = attributes::docs(&field.attrs);
        Some(Self { ident, docs, ty: &field.ty, presence, secret, flags, nested })
    }

    /// The `Field` of the schema.
    pub(crate) fn schema(&self, root: &TokenStream) -> TokenStream {
        let name = attributes::key(self.ident);
        let flags = &self.flags;
        let required = matches!(self.presence, Presence::Required).then(|| quote!(.required()));
        let nested = self.nested.then(|| {
            let ty = element(self.ty);
            let schema = quote_spanned!(ty.span()=> <#ty as #root::Inputs>::SCHEMA);
            let keyed = is_keyed(self.ty).then(|| quote!(.keyed()));
            quote!(.nested(#schema) #keyed)
        });
        quote!(#root::Field::new(#name) #required #(.#flags())* #nested)
    }
}

fn presence<'a>(
    field: &'a syn::Field,
    default: Option<Option<Expr>>,
    from_serde: SerdeDefault,
) -> syn::Result<Presence<'a>> {
    let ty = &field.ty;
    let optional = attributes::inside(ty, "Option");
    let Some(default) = default else {
        return Ok(optional.map_or(Presence::Required, Presence::Optional));
    };
    if optional.is_some() {
        let message = "an `Option` need not be set anyway, and is `None` then; \
                       for another default use the plain type";
        return Err(syn::Error::new(ty.span(), message));
    }
    let value = match (default, from_serde) {
        (_, SerdeDefault::None) => {
            let message = "a `default` field needs `#[serde(default)]` too: \
                           rows from before the field was there must still load";
            return Err(syn::Error::new(field.ident.span(), message));
        }
        (Some(value), _) => quote!(#value),
        (None, SerdeDefault::Function(path)) => quote!(#path()),
        (None, SerdeDefault::Trait) => {
            quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())
        }
    };
    Ok(Presence::Default(value))
}

/// The struct that a nested field holds: `T` of `T`, `Option<T>`, `Vec<T>`, `BTreeMap<_, T>`, or
/// any of these in one another.
fn element(ty: &Type) -> &Type {
    let wrappers = ["Option", "Vec", "BTreeMap", "Box", "Arc", "Secret"];
    wrappers.iter().find_map(|wrapper| attributes::inside(ty, wrapper)).map_or(ty, element)
}

/// Whether there is a map around the struct that a nested field holds.
fn is_keyed(ty: &Type) -> bool {
    let inside = |wrapper| attributes::inside(ty, wrapper);
    inside("BTreeMap").is_some()
        || ["Option", "Vec", "Box", "Arc", "Secret"]
            .iter()
            .find_map(|wrapper| inside(wrapper))
            .is_some_and(is_keyed)
}
