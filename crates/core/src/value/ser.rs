//! Plain data into a [`Value`].

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{Key, Map, Value, ValueError, secret};

pub(super) struct Serializer;

impl serde::Serializer for Serializer {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    fn serialize_bool(self, b: bool) -> Result<Value, ValueError> {
        Ok(Value::Bool(b))
    }
    fn serialize_i8(self, n: i8) -> Result<Value, ValueError> {
        Ok(Value::Number(n.into()))
    }
    fn serialize_i16(self, n: i16) -> Result<Value, ValueError> {
        Ok(Value::Number(n.into()))
    }
    fn serialize_i32(self, n: i32) -> Result<Value, ValueError> {
        Ok(Value::Number(n.into()))
    }
    fn serialize_i64(self, n: i64) -> Result<Value, ValueError> {
        Ok(Value::Number(n.into()))
    }
    fn serialize_u8(self, n: u8) -> Result<Value, ValueError> {
        Ok(Value::Number(n.into()))
    }
    fn serialize_u16(self, n: u16) -> Result<Value, ValueError> {
        Ok(Value::Number(n.into()))
    }
    fn serialize_u32(self, n: u32) -> Result<Value, ValueError> {
        Ok(Value::Number(n.into()))
    }
    fn serialize_u64(self, n: u64) -> Result<Value, ValueError> {
        Ok(Value::Number(n.into()))
    }
    fn serialize_f32(self, n: f32) -> Result<Value, ValueError> {
        self.serialize_f64(n.into())
    }
    fn serialize_f64(self, n: f64) -> Result<Value, ValueError> {
        serde_json::Number::from_f64(n)
            .map(Value::Number)
            .ok_or_else(|| ValueError::new(format!("{n} is not a finite number")))
    }
    fn serialize_char(self, c: char) -> Result<Value, ValueError> {
        Ok(Value::String(c.into()))
    }
    fn serialize_str(self, s: &str) -> Result<Value, ValueError> {
        Ok(Value::String(s.to_owned()))
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, ValueError> {
        Ok(Value::List(bytes.iter().map(|b| Value::Number((*b).into())).collect()))
    }
    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, ValueError> {
        Ok(Value::String(variant.to_owned()))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        if name == secret::NEWTYPE {
            return Ok(secret::opened(|| value.serialize(self))?.into_secret());
        }
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        Ok(variant_of(variant, value.serialize(self)?))
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<List, ValueError> {
        Ok(List { items: Vec::with_capacity(len.unwrap_or(0)), variant: None })
    }
    fn serialize_tuple(self, len: usize) -> Result<List, ValueError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List, ValueError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<List, ValueError> {
        Ok(List { items: Vec::with_capacity(len), variant: Some(variant) })
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Members, ValueError> {
        Ok(Members { map: Map::with_capacity(len.unwrap_or(0)), key: None, variant: None })
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Members, ValueError> {
        self.serialize_map(Some(len))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Members, ValueError> {
        Ok(Members { map: Map::with_capacity(len), key: None, variant: Some(variant) })
    }
}

fn variant_of(name: &'static str, value: Value) -> Value {
    let mut map = Map::with_capacity(1);
    map.insert(name, value);
    Value::Map(map)
}

pub(super) struct List {
    items: Vec<Value>,
    variant: Option<&'static str>,
}

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.items.push(value.serialize(Serializer)?);
        Ok(())
    }
    fn finish(self) -> Value {
        let list = Value::List(self.items);
        match self.variant {
            Some(name) => variant_of(name, list),
            None => list,
        }
    }
}

impl SerializeSeq for List {
    type Ok = Value;
    type Error = ValueError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.push(value)
    }
    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}
impl SerializeTuple for List {
    type Ok = Value;
    type Error = ValueError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.push(value)
    }
    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}
impl SerializeTupleStruct for List {
    type Ok = Value;
    type Error = ValueError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.push(value)
    }
    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}
impl SerializeTupleVariant for List {
    type Ok = Value;
    type Error = ValueError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.push(value)
    }
    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}

pub(super) struct Members {
    map: Map,
    key: Option<Key>,
    variant: Option<&'static str>,
}

impl Members {
    fn finish(self) -> Value {
        let map = Value::Map(self.map);
        match self.variant {
            Some(name) => variant_of(name, map),
            None => map,
        }
    }
}

impl SerializeMap for Members {
    type Ok = Value;
    type Error = ValueError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.key = Some(match key.serialize(Serializer)? {
            Value::String(text) => Key::Owned(text),
            Value::Number(n) => Key::Owned(n.to_string()),
            Value::Bool(b) => Key::Owned(b.to_string()),
            other => return Err(ValueError::new(format!("a map key must be text, not {other}"))),
        });
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let key = self.key.take().ok_or_else(|| ValueError::new("a map value came without key"))?;
        self.map.insert(key, value.serialize(Serializer)?);
        Ok(())
    }
    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}
impl SerializeStruct for Members {
    type Ok = Value;
    type Error = ValueError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.map.insert(key, value.serialize(Serializer)?);
        Ok(())
    }
    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}
impl SerializeStructVariant for Members {
    type Ok = Value;
    type Error = ValueError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        SerializeStruct::serialize_field(self, key, value)
    }
    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}
