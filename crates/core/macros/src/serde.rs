//! Which serde attributes a struct of inputs or outputs may have.
//!
//! State is keyed by field name, and the builder writes the same keys and values as serde does; so
//! whatever makes serde's differ is refused here, and not found out when a row is read.

use syn::{Attribute, Expr, ExprLit, ExprPath, Lit, Token, meta::ParseNestedMeta};

use crate::attributes::Problems;

/// What `#[serde(default ..)]` says of a field.
pub(crate) enum SerdeDefault {
    /// It is not there.
    None,
    /// `#[serde(default)]`.
    Trait,
    /// `#[serde(default = "path")]`.
    Function(ExprPath),
}

const STRUCT_MAY: [&str; 4] = ["bound", "crate", "deny_unknown_fields", "expecting"];
const FIELD_MAY: [&str; 3] = ["alias", "borrow", "bound"];

/// Refuses what a struct of inputs or outputs may not have.
pub(crate) fn check_struct(attributes: &[Attribute], problems: &mut Problems) {
    each(attributes, problems, |meta, name| match name {
        "default" => {
            Err(meta
                .error("`#[serde(default)]` goes on the fields that have one, not on the struct"))
        }
        name if STRUCT_MAY.contains(&name) => value(meta).map(drop),
        name => Err(refused(meta, name)),
    });
}

/// Reads what serde is told of a field, and refuses what it may not be told.
pub(crate) fn check_field(attributes: &[Attribute], problems: &mut Problems) -> SerdeDefault {
    let mut default = SerdeDefault::None;
    each(attributes, problems, |meta, name| match name {
        "default" => {
            default = match value(meta)? {
                None => SerdeDefault::Trait,
                Some(Expr::Lit(ExprLit { lit: Lit::Str(path), .. })) => {
                    SerdeDefault::Function(path.parse()?)
                }
                Some(_) => return Err(meta.error("expected `default = \"path\"`")),
            };
            Ok(())
        }
        name if FIELD_MAY.contains(&name) => value(meta).map(drop),
        name => Err(refused(meta, name)),
    });
    default
}

fn each(
    attributes: &[Attribute],
    problems: &mut Problems,
    mut check: impl FnMut(&ParseNestedMeta<'_>, &str) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let result = attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            check(&meta, &name)
        });
        problems.take(result);
    }
}

fn refused(meta: &ParseNestedMeta<'_>, name: &str) -> syn::Error {
    meta.error(format!(
        "formwork refuses `#[serde({name})]` here: state has every field, under its own name and in \
         the form of its own type"
    ))
}

/// Consumes what follows the name of an entry: `= expr`, `(..)`, or nothing.
fn value(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<Expr>> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse().map(Some);
    }
    if meta.input.peek(syn::token::Paren) {
        let content;
        syn::parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(None)
}
