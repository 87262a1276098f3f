//! Where the generated code finds the core: directly, or through the facade.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

/// The path of the core's root. The facade has every item of it, under the same name.
pub(crate) fn path() -> syn::Result<TokenStream> {
    for (package, library) in [("formwork-core", "formwork_core"), ("formwork", "formwork")] {
        let name = match crate_name(package) {
            Ok(FoundCrate::Itself) => library.to_owned(),
            Ok(FoundCrate::Name(name)) => name,
            Err(_) => continue,
        };
        let name = Ident::new(&name, Span::call_site());
        return Ok(quote!(::#name));
    }
    Err(syn::Error::new(
        Span::call_site(),
        "the derives of formwork need `formwork` or `formwork-core` among this crate's dependencies",
    ))
}
