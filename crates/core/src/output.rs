//! Values that are known only after apply, and what setters take.

use std::{collections::BTreeMap, fmt, marker::PhantomData, panic::Location, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    declare::{Reference, ResourceRef},
    expr::Expr,
    value::{Key, Secret, Value},
};

/// A value that some resource will report.
///
/// A program can not read it, so it can not branch on what a plan does not have; it can pass it on,
/// or compute with it by [`Output::map`], [`zip`] and [`text!`](crate::text). What a secret is part
/// of is secret; what an unknown is part of is unknown until apply.
pub struct Output<T> {
    pub(crate) expr: Arc<Expr>,
    _type: PhantomData<fn() -> T>,
}

impl<T> Output<T> {
    pub(crate) fn new(expr: Expr) -> Self {
        Self { expr: Arc::new(expr), _type: PhantomData }
    }

    /// The output `field` of a resource; what derived handles are made of.
    #[doc(hidden)]
    #[must_use]
    pub fn attribute(of: &ResourceRef, field: &'static str) -> Self {
        Self::new(Expr::Attribute { token: of.token, node: of.node, field })
    }

    /// The same value, marked secret.
    #[must_use]
    pub fn secret(&self) -> Output<T> {
        Output::new(Expr::Secret(self.expr.clone()))
    }

    /// The same value seen as another type with the same representation, such as an id as text.
    #[must_use]
    pub fn cast<U>(&self) -> Output<U> {
        Output { expr: self.expr.clone(), _type: PhantomData }
    }
}

impl<T: Serialize> Output<T> {
    /// A value that is known already, where an output is wanted.
    pub fn known(value: T) -> Self {
        Self::new(known(&value))
    }
}

impl<T: DeserializeOwned + 'static> Output<T> {
    /// Computes a new output from this one. `f` must be pure: it runs at plan when the value is
    /// known, and again at apply.
    #[track_caller]
    pub fn map<U: Serialize>(&self, f: impl Fn(T) -> U + Send + Sync + 'static) -> Output<U> {
        self.try_map(move |value| Ok::<_, std::convert::Infallible>(f(value)))
    }

    /// Like [`Output::map`], for a function that may fail; its error fails the resource that uses
    /// the output, and names the line of this call.
    #[track_caller]
    pub fn try_map<U: Serialize, E: fmt::Display>(
        &self,
        f: impl Fn(T) -> Result<U, E> + Send + Sync + 'static,
    ) -> Output<U> {
        Output::new(Expr::Map {
            from: vec![self.expr.clone()],
            at: Location::caller(),
            function: Box::new(move |arguments| {
                let argument = arguments[0].to_data::<T>().map_err(|e| e.to_string())?;
                let result = f(argument).map_err(|e| e.to_string())?;
                Value::from_data(&result).map_err(|e| e.to_string())
            }),
        })
    }
}

/// Joins two outputs into one, to compute with both: `zip(&a, &b).map(|(a, b)| ..)`.
#[must_use]
pub fn zip<A, B>(a: &Output<A>, b: &Output<B>) -> Output<(A, B)> {
    Output::new(Expr::List(vec![a.expr.clone(), b.expr.clone()]))
}

/// Joins any number of outputs of one type into one.
pub fn all<'a, T: 'a>(outputs: impl IntoIterator<Item = &'a Output<T>>) -> Output<Vec<T>> {
    Output::new(Expr::List(outputs.into_iter().map(|output| output.expr.clone()).collect()))
}

impl<T> Clone for Output<T> {
    fn clone(&self) -> Self {
        Self { expr: self.expr.clone(), _type: PhantomData }
    }
}

impl<T> fmt::Debug for Output<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output(known after apply)")
    }
}

impl<T> Reference for Output<T> {
    fn references(&self) -> Vec<ResourceRef> {
        let mut found = Vec::new();
        self.expr.dependencies(&mut |token, node| {
            let reference = ResourceRef { token, node };
            if !found.contains(&reference) {
                found.push(reference);
            }
        });
        found
    }
}

/// What a setter takes: a value, an [`Output`] of one, or a nested struct or list of either.
pub struct Input<T> {
    pub(crate) expr: Arc<Expr>,
    _type: PhantomData<fn() -> T>,
}

impl<T> Input<T> {
    pub(crate) fn new(expr: Expr) -> Self {
        Self { expr: Arc::new(expr), _type: PhantomData }
    }

    fn shared(expr: Arc<Expr>) -> Self {
        Self { expr, _type: PhantomData }
    }

    /// A struct, field by field; what derived builders end in.
    #[doc(hidden)]
    #[must_use]
    pub fn members(members: Members) -> Self {
        Self::new(Expr::Members(members.0))
    }

    /// The same input as an output, to compute with.
    #[must_use]
    pub fn output(&self) -> Output<T> {
        Output { expr: self.expr.clone(), _type: PhantomData }
    }

    /// The same input where the field is optional.
    #[doc(hidden)]
    #[must_use]
    pub fn into_optional(self) -> Input<Option<T>> {
        Input::shared(self.expr)
    }

    /// The same input, marked secret.
    #[must_use]
    pub fn secret(self) -> Input<Secret<T>> {
        Input::new(Expr::Secret(self.expr))
    }

    /// The same value seen as another type with the same representation.
    #[must_use]
    pub fn cast<U>(self) -> Input<U> {
        Input::shared(self.expr)
    }
}

impl<T> Clone for Input<T> {
    fn clone(&self) -> Self {
        Self::shared(self.expr.clone())
    }
}

impl<T> fmt::Debug for Input<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input(..)")
    }
}

fn known<T: Serialize + ?Sized>(value: &T) -> Expr {
    match Value::from_data(value) {
        Ok(value) => Expr::Known(value),
        Err(error) => Expr::Invalid(error.to_string()),
    }
}

impl<T: Serialize> From<T> for Input<T> {
    fn from(value: T) -> Self {
        Input::new(known(&value))
    }
}
impl<T> From<Output<T>> for Input<T> {
    fn from(output: Output<T>) -> Self {
        Input::shared(output.expr)
    }
}
impl<T> From<&Output<T>> for Input<T> {
    fn from(output: &Output<T>) -> Self {
        Input::shared(output.expr.clone())
    }
}
impl<T> From<&Input<T>> for Input<T> {
    fn from(input: &Input<T>) -> Self {
        input.clone()
    }
}
impl From<&str> for Input<String> {
    fn from(value: &str) -> Self {
        Input::new(Expr::Known(Value::from(value)))
    }
}
impl From<&String> for Input<String> {
    fn from(value: &String) -> Self {
        Input::from(value.as_str())
    }
}
impl From<&str> for Input<Secret<String>> {
    fn from(value: &str) -> Self {
        Input::new(Expr::Known(Value::from(value).into_secret()))
    }
}
impl<T> From<Vec<Output<T>>> for Input<Vec<T>> {
    fn from(outputs: Vec<Output<T>>) -> Self {
        Input::new(Expr::List(outputs.into_iter().map(|o| o.expr).collect()))
    }
}
impl<T> From<&[Output<T>]> for Input<Vec<T>> {
    fn from(outputs: &[Output<T>]) -> Self {
        Input::new(Expr::List(outputs.iter().map(|o| o.expr.clone()).collect()))
    }
}
impl<T> From<&Vec<Output<T>>> for Input<Vec<T>> {
    fn from(outputs: &Vec<Output<T>>) -> Self {
        Input::from(outputs.as_slice())
    }
}
impl<T, const N: usize> From<[Output<T>; N]> for Input<Vec<T>> {
    fn from(outputs: [Output<T>; N]) -> Self {
        Input::from(Vec::from(outputs))
    }
}
impl<T, const N: usize> From<[&Output<T>; N]> for Input<Vec<T>> {
    fn from(outputs: [&Output<T>; N]) -> Self {
        Input::new(Expr::List(outputs.iter().map(|o| o.expr.clone()).collect()))
    }
}
impl<T> From<Vec<Input<T>>> for Input<Vec<T>> {
    fn from(inputs: Vec<Input<T>>) -> Self {
        Input::new(Expr::List(inputs.into_iter().map(|i| i.expr).collect()))
    }
}
impl<T, const N: usize> From<[Input<T>; N]> for Input<Vec<T>> {
    fn from(inputs: [Input<T>; N]) -> Self {
        Input::from(Vec::from(inputs))
    }
}
impl<const N: usize> From<[&str; N]> for Input<Vec<String>> {
    fn from(texts: [&str; N]) -> Self {
        Input::new(known(&texts[..]))
    }
}
impl<T: Serialize, const N: usize> From<[T; N]> for Input<Vec<T>> {
    fn from(values: [T; N]) -> Self {
        Input::new(known(&values[..]))
    }
}
impl<T> From<BTreeMap<String, Input<T>>> for Input<BTreeMap<String, T>> {
    fn from(members: BTreeMap<String, Input<T>>) -> Self {
        let members = members.into_iter().map(|(key, input)| (Key::Owned(key), input.expr));
        Input::new(Expr::Members(members.collect()))
    }
}
impl<K: Into<String>, V: Into<Input<T>>, T, const N: usize> From<[(K, V); N]>
    for Input<BTreeMap<String, T>>
{
    fn from(members: [(K, V); N]) -> Self {
        let members =
            members.into_iter().map(|(key, value)| (Key::Owned(key.into()), value.into().expr));
        Input::new(Expr::Members(members.collect()))
    }
}

/// The fields of a struct that is being built; used by derived builders.
#[doc(hidden)]
#[derive(Default)]
pub struct Members(pub(crate) Vec<(Key, Arc<Expr>)>);

impl Members {
    /// Sets a field.
    pub fn set<T>(&mut self, name: &'static str, input: Input<T>) {
        self.0.push((Key::Borrowed(name), input.expr));
    }

    /// Sets a field whose value is secret whatever it is made of.
    pub fn set_secret<T>(&mut self, name: &'static str, input: Input<T>) {
        self.0.push((Key::Borrowed(name), Arc::new(Expr::Secret(input.expr))));
    }
}

/// One part of a [`text!`](crate::text).
#[doc(hidden)]
pub trait TextPart {
    fn part(&self) -> Input<String>;
}
impl<T> TextPart for Output<T> {
    fn part(&self) -> Input<String> {
        Input::shared(self.expr.clone())
    }
}
impl<T> TextPart for Input<T> {
    fn part(&self) -> Input<String> {
        Input::shared(self.expr.clone())
    }
}
impl<T: TextPart + ?Sized> TextPart for &T {
    fn part(&self) -> Input<String> {
        (**self).part()
    }
}
macro_rules! plain_text {
    ($($type:ty),*) => {$(
        impl TextPart for $type {
            fn part(&self) -> Input<String> {
                Input::new(Expr::Known(Value::String(self.to_string())))
            }
        }
    )*};
}
plain_text!(str, String, char, bool, i8, i16, i32, i64, u8, u16, u32, u64, usize, std::net::IpAddr);

/// Joins a format's literal pieces with its arguments; what [`text!`](crate::text) calls.
///
/// # Panics
/// Never, when called by the macro: it has checked the number of placeholders.
#[doc(hidden)]
#[must_use]
pub fn join_text(format: &str, arguments: &[&dyn TextPart]) -> Output<String> {
    let mut parts = Vec::new();
    let mut arguments = arguments.iter();
    let invalid = |what: &str| Arc::new(Expr::Invalid(format!("text!({format:?}) has {what}")));
    let mut literal = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        match (c, rest.clone().next()) {
            ('{', Some('{')) | ('}', Some('}')) => {
                literal.push(c);
                rest.next();
            }
            ('{', Some('}')) => {
                rest.next();
                parts.push(Arc::new(Expr::Known(Value::from(std::mem::take(&mut literal)))));
                parts.push(match arguments.next() {
                    Some(argument) => argument.part().expr,
                    None => invalid("more placeholders than arguments"),
                });
            }
            ('{' | '}', _) => parts.push(invalid("a single brace: write {} , {{ or }}")),
            (c, _) => literal.push(c),
        }
    }
    parts.push(Arc::new(Expr::Known(Value::from(literal))));
    if arguments.next().is_some() {
        parts.push(invalid("more arguments than placeholders"));
    }
    Output::new(Expr::Text(parts))
}

/// A JSON document made of late values; what fields like a policy document take.
pub fn json<T>(value: impl Into<Input<T>>) -> Output<String> {
    Output::new(Expr::Json(value.into().expr))
}

/// Formats late values into a text: `text!("aws:{}", vpc.id)`.
///
/// Placeholders are `{}` only, one per argument; `{{` and `}}` are braces. The result is unknown
/// while any argument is, and secret when any is.
#[macro_export]
macro_rules! text {
    ($format:literal $(, $argument:expr)* $(,)?) => {
        $crate::__private::join_text($format, &[$(&$argument as &dyn $crate::__private::TextPart),*])
    };
}
