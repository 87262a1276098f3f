//! Structs that say once how each of their members is called in a request and in a response.
//!
//! For documents that travel both ways, such as launch template data: a member that is forgotten in
//! one direction would be lost silently.

use serde::{Serialize, de::DeserializeOwned};

use crate::{error::ApiError, params::Params, xml::Xml};

/// A value with a form in EC2 requests and in EC2 responses.
pub(crate) trait Wire: Serialize + DeserializeOwned + Clone {
    /// Reads the parameter, or the structure, of this name; `None` if it was not given.
    fn read_at(params: &Params, name: &str) -> Result<Option<Self>, ApiError>;
    /// Reads the list of this name.
    fn read_list(params: &Params, name: &str) -> Result<Vec<Self>, ApiError>;
    /// Appends the value as an element of this name.
    fn write_at(&self, xml: Xml, name: &str) -> Xml;
}

/// A member of a wire struct: optional, or a list.
pub(crate) trait Field: Sized {
    /// Reads the member under its name in requests.
    fn read(params: &Params, name: &str) -> Result<Self, ApiError>;
    /// Appends the member under its name in responses; `item` names the elements of a list.
    fn write(&self, xml: Xml, name: &str, item: &str) -> Xml;
    /// Whether there is nothing to write.
    fn is_absent(&self) -> bool;
    /// This value, or the other where this one is absent.
    fn or_else(self, other: Self) -> Self {
        if self.is_absent() { other } else { self }
    }
}

/// A document that can be laid over another one.
pub(crate) trait Overlay {
    /// Takes each absent member from `base`, whole members at a time.
    fn over(self, base: Self) -> Self;
}

impl<T: Wire> Field for Option<T> {
    fn read(params: &Params, name: &str) -> Result<Self, ApiError> {
        T::read_at(params, name)
    }

    fn write(&self, xml: Xml, name: &str, _item: &str) -> Xml {
        match self {
            Some(value) => value.write_at(xml, name),
            None => xml,
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Wire> Field for Vec<T> {
    fn read(params: &Params, name: &str) -> Result<Self, ApiError> {
        T::read_list(params, name)
    }

    fn write(&self, xml: Xml, name: &str, item: &str) -> Xml {
        if self.is_empty() {
            return xml;
        }
        xml.node(name, self.iter().fold(Xml::new(), |inside, value| value.write_at(inside, item)))
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Wire for String {
    fn read_at(params: &Params, name: &str) -> Result<Option<Self>, ApiError> {
        Ok(params.optional(name))
    }

    fn read_list(params: &Params, name: &str) -> Result<Vec<Self>, ApiError> {
        Ok(params.list(name))
    }

    fn write_at(&self, xml: Xml, name: &str) -> Xml {
        xml.text(name, self)
    }
}

impl Wire for bool {
    fn read_at(params: &Params, name: &str) -> Result<Option<Self>, ApiError> {
        params.flag(name)
    }

    fn read_list(_params: &Params, _name: &str) -> Result<Vec<Self>, ApiError> {
        Ok(Vec::new())
    }

    fn write_at(&self, xml: Xml, name: &str) -> Xml {
        xml.text(name, self)
    }
}

impl Wire for i64 {
    fn read_at(params: &Params, name: &str) -> Result<Option<Self>, ApiError> {
        params.number(name)
    }

    fn read_list(_params: &Params, _name: &str) -> Result<Vec<Self>, ApiError> {
        Ok(Vec::new())
    }

    fn write_at(&self, xml: Xml, name: &str) -> Xml {
        xml.text(name, self)
    }
}

/// Declares a struct whose members are `Option`s and `Vec`s of [`Wire`] values, each with its name
/// in requests, its name in responses, and, for a list whose elements are not `item`, theirs.
macro_rules! wire_struct {
    (
        $(#[$meta:meta])*
        pub(crate) struct $name:ident {
            $($field:ident : $ty:ty, $request:literal, $response:literal $(/ $item:literal)? ;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub(crate) struct $name {
            $(
                #[serde(skip_serializing_if = "crate::ec2::wire::Field::is_absent")]
                pub(crate) $field: $ty,
            )*
        }

        impl $name {
            /// Reads the members from the parameters of this structure.
            pub(crate) fn read(
                params: &$crate::params::Params,
            ) -> Result<Self, $crate::error::ApiError> {
                Ok(Self { $($field: $crate::ec2::wire::Field::read(params, $request)?,)* })
            }

            /// Writes the members that are present.
            pub(crate) fn xml(&self) -> $crate::xml::Xml {
                let xml = $crate::xml::Xml::new();
                $(
                    let item = "item";
                    $(let item = { let _ = item; $item };)?
                    let xml = $crate::ec2::wire::Field::write(&self.$field, xml, $response, item);
                )*
                xml
            }
        }

        impl $crate::ec2::wire::Overlay for $name {
            fn over(self, base: Self) -> Self {
                Self { $($field: $crate::ec2::wire::Field::or_else(self.$field, base.$field),)* }
            }
        }

        impl $crate::ec2::wire::Wire for $name {
            fn read_at(
                params: &$crate::params::Params,
                name: &str,
            ) -> Result<Option<Self>, $crate::error::ApiError> {
                params.nested(name).map(|inside| Self::read(&inside)).transpose()
            }

            fn read_list(
                params: &$crate::params::Params,
                name: &str,
            ) -> Result<Vec<Self>, $crate::error::ApiError> {
                params.structs(name).iter().map(Self::read).collect()
            }

            fn write_at(&self, xml: $crate::xml::Xml, name: &str) -> $crate::xml::Xml {
                xml.node(name, self.xml())
            }
        }
    };
}

pub(crate) use wire_struct;
