//! What an operation gets to work with, and what it answers.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::ApiError,
    ids::{self, Entropy},
    knobs::Timing,
    params::Params,
    row::{Row, check_id, not_found},
    tags::TagRow,
    time::Millis,
    world::Transaction,
    xml::Xml,
};

/// An operation: reads its parameters, changes the world, answers. An error undoes the changes.
pub(crate) type OperationFn = fn(&mut Call<'_>) -> Result<Answer, ApiError>;

/// What an operation answers, before its protocol wraps it.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The inside of the response (EC2) or of the result (AWS query) element.
    Xml(Xml),
    /// The body of a JSON answer.
    Json(Value),
}

impl Answer {
    /// EC2's way to say that it is done: `<return>true</return>`.
    pub(crate) fn done() -> Self {
        Self::Xml(Xml::new().text("return", true))
    }

    /// An answer with nothing in it, for the AWS query protocol.
    pub(crate) fn empty() -> Self {
        Self::Xml(Xml::new())
    }
}

impl From<Xml> for Answer {
    fn from(xml: Xml) -> Self {
        Self::Xml(xml)
    }
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

/// One call being served.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The operation's name.
    pub(crate) operation: &'static str,
    /// The region that the request was signed for.
    pub(crate) region: String,
    /// The account, twelve digits.
    pub(crate) account: String,
    /// The access key id that the request was signed with.
    pub(crate) access_key: String,
    /// The time of the call.
    pub(crate) now: Millis,
    /// The parameters of a query request; none for JSON.
    pub(crate) params: Params,
    /// The body of a JSON request; null for query.
    pub(crate) json: Value,
    /// How long things take.
    pub(crate) timing: Timing,
    pub(crate) world: Transaction<'a>,
    pub(crate) token: Option<String>,
}

impl Call<'_> {
    /// Reads a JSON request strictly; the type should have `#[serde(deny_unknown_fields)]`.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        T::deserialize(&self.json)
            .map_err(|error| ApiError::new("SerializationException", error.to_string()))
    }

    /// Accepts `ClientToken`: from here on, the same token with the same parameters gets the same
    /// answer, and with others `IdempotentParameterMismatch`. Nothing else needs to be done.
    pub(crate) fn client_token(&mut self) -> Option<String> {
        self.token = self.params.optional("ClientToken").filter(|token| !token.is_empty());
        self.token.clone()
    }

    /// Reads a row whether or not it is visible to clients yet; for the sandbox's own integrity.
    pub(crate) fn get<T: Row>(&self, id: &str) -> Option<T> {
        self.world.get(&self.scope::<T>(), id)
    }

    /// Reads a row that a client named: a malformed or unknown id is the kind's error, and a row
    /// that is still within the eventual consistency window does not exist yet.
    pub(crate) fn find<T: Row>(&self, id: &str) -> Result<T, ApiError> {
        check_id::<T>(id)?;
        let scope = self.scope::<T>();
        let born = self.world.stored(&scope, T::KIND, id).map(|stored| stored.born);
        born.filter(|born| *born <= self.horizon())
            .and_then(|_| self.world.get(&scope, id))
            .ok_or_else(|| not_found::<T>(id))
    }

    /// All rows of a kind, in the order of their ids, for the sandbox's own integrity.
    pub(crate) fn rows<T: Row>(&self) -> Vec<T> {
        self.world.rows(&self.scope::<T>(), Millis::MAX)
    }

    /// The rows of a kind that clients can see, in the order of their ids.
    pub(crate) fn visible<T: Row>(&self) -> Vec<T> {
        self.world.rows(&self.scope::<T>(), self.horizon())
    }

    /// Writes a row.
    pub(crate) fn put<T: Row>(&mut self, row: &T) {
        let scope = self.scope::<T>();
        self.world.put(&scope, row, self.now);
    }

    /// Removes an object and its tags.
    pub(crate) fn remove<T: Row>(&mut self, id: &str) {
        self.remove_row::<T>(id);
        self.remove_row::<TagRow>(id);
    }

    /// Removes a row alone.
    pub(crate) fn remove_row<T: Row>(&mut self, id: &str) {
        let scope = self.scope::<T>();
        self.world.remove(&scope, T::KIND, id);
    }

    /// Tells whether a row of this kind name exists and is visible; for tags, which know no types.
    pub(crate) fn exists(&self, kind: &str, id: &str) -> bool {
        self.world
            .stored(&format!("{}/{}", self.account, self.region), kind, id)
            .is_some_and(|stored| stored.born <= self.horizon())
    }

    /// Tells whether something that began at `since` (a creation, a deletion) has run its course.
    pub(crate) fn settled(&self, since: Millis) -> bool {
        self.now >= since.saturating_add(self.timing.settle)
    }

    /// Tells whether what was deleted at `since` is no longer shown, not even as deleted.
    pub(crate) fn forgotten(&self, since: Millis) -> bool {
        self.now >= since.saturating_add(self.timing.keep_deleted)
    }

    /// 64 random bits, from the world's own seed.
    pub(crate) fn random(&mut self) -> u64 {
        // Every world has this row from its first moment on.
        let mut entropy =
            self.get::<Entropy>(Entropy::ID).unwrap_or(Entropy { seed: self.now, next: 0 });
        let bits = entropy.bits();
        self.put(&entropy);
        bits
    }

    /// A new id such as `vpc-0a1b2c3d4e5f60718`.
    pub(crate) fn new_id(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.random())
    }

    /// A new id such as IAM makes them: the prefix (`AROA`) and 17 letters and digits.
    pub(crate) fn new_unique_id(&mut self, prefix: &str) -> String {
        let (high, low) = (self.random(), self.random());
        format!("{prefix}{}", ids::base32(high, low, 17))
    }

    /// A new UUID.
    pub(crate) fn new_uuid(&mut self) -> String {
        let (high, low) = (self.random(), self.random());
        ids::uuid(high, low)
    }

    fn scope<T: Row>(&self) -> String {
        let place = if T::GLOBAL { "global" } else { self.region.as_str() };
        format!("{}/{place}", self.account)
    }

    fn horizon(&self) -> Millis {
        self.now.saturating_sub(self.timing.window)
    }
}

/// What was answered to a client token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenRow {
    /// Operation and token.
    pub(crate) id: String,
    /// All parameters of the first call.
    pub(crate) asked: String,
    /// The answer to it.
    pub(crate) answered: String,
}

impl Row for TokenRow {
    const KIND: &'static str = "client-token";

    fn id(&self) -> &str {
        &self.id
    }
}
