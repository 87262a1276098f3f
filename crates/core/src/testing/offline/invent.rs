//! Values that are made up from their type alone: a deserializer that reads from nothing.

use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
        SeqAccess, VariantAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use crate::value::ValueError;

/// How deep a type may refer to itself: below it, what is optional is absent and lists are empty.
const DEEPEST: usize = 8;

/// A value of the type `T`: texts are made of `stem` and the names of the fields, numbers are 1,
/// lists have one element, what is optional is there, and of an enum it is the first variant.
pub(super) fn invent<T: DeserializeOwned>(stem: &str) -> Result<T, ValueError> {
    T::deserialize(Invent { path: stem.to_owned(), depth: 0 })
}

struct Invent {
    path: String,
    depth: usize,
}

impl Invent {
    fn inside(&self, name: &str) -> Self {
        Self { path: format!("{}.{name}", self.path), depth: self.depth + 1 }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            visitor.$visit(1 as _)
        }
    )*};
}

impl<'de> Deserializer<'de> for Invent {
    type Error = ValueError;

    numbers!(
        deserialize_i8 visit_i8, deserialize_i16 visit_i16, deserialize_i32 visit_i32,
        deserialize_i64 visit_i64, deserialize_u8 visit_u8, deserialize_u16 visit_u16,
        deserialize_u32 visit_u32, deserialize_u64 visit_u64, deserialize_f32 visit_f32,
        deserialize_f64 visit_f64
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_string(self.path)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_bool(true)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_char('x')
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.depth >= DEEPEST { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let left = usize::from(self.depth < DEEPEST);
        visitor.visit_seq(Items { of: self, next: 0, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_seq(Items { of: self, next: 0, left })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_seq(Items { of: self, next: 0, left })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_map(Fields { of: self, names: &[], next: 0 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_map(Fields { of: self, names, next: 0 })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let first = variants.first().copied().unwrap_or_default();
        visitor.visit_enum(Variant { name: first, of: self })
    }

    forward_to_deserialize_any! { str string bytes byte_buf identifier ignored_any }
}

struct Items {
    of: Invent,
    next: usize,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.next += 1;
        seed.deserialize(self.of.inside(&(self.next - 1).to_string())).map(Some)
    }
}

struct Fields {
    of: Invent,
    names: &'static [&'static str],
    next: usize,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ValueError> {
        let Some(name) = self.names.get(self.next) else { return Ok(None) };
        let name: StrDeserializer<'_, ValueError> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ValueError> {
        let name = self.names.get(self.next).copied().unwrap_or_default();
        self.next += 1;
        seed.deserialize(self.of.inside(name))
    }
}

struct Variant {
    name: &'static str,
    of: Invent,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = ValueError;
    type Variant = Invent;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Invent), ValueError> {
        let name: StrDeserializer<'_, ValueError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.of))
    }
}

impl<'de> VariantAccess<'de> for Invent {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_struct("", names, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::invent;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Wide(u8),
        #[serde(other)]
        Other,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Id(String);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Whole {
        id: Id,
        many: Vec<Id>,
        maybe: Option<u16>,
        pair: (bool, f64),
        kind: Kind,
        tags: BTreeMap<String, String>,
        again: Option<Box<Whole>>,
    }

    #[test]
    fn a_value_of_any_type_is_made_up_and_the_same_every_time() {
        let made: Whole = invent("vpc-1").unwrap();
        assert_eq!(made.id, Id("vpc-1.id".into()));
        assert_eq!(made.many, [Id("vpc-1.many.0".into())]);
        assert_eq!((made.maybe, made.pair), (Some(1), (true, 1.0)));
        assert_eq!((&made.kind, made.tags.len()), (&Kind::Wide(1), 0));
        assert!(made.again.is_some());
        assert_eq!(invent::<Whole>("vpc-1").unwrap(), made);
    }
}
