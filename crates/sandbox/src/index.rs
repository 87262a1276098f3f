//! Sets of ids kept beside the rows, so that "what is in this subnet" needs no walk over everything,
//! and the list of what is to be done once a deletion has run its course.
//!
//! A set has a name and an owner. Members whose rows were taken away behind the sandbox's back stay
//! in their sets; reading members as rows leaves them out.

use serde_json::Value;

use crate::{call::Call, row::Row};

impl Call<'_> {
    /// Puts a member into a set.
    pub(crate) fn link(&mut self, set: &str, owner: &str, member: &str) {
        let (scope, kind) = (self.regional(), format!("{set}/{owner}"));
        self.world.put_value(&scope, &kind, member, Value::Null, self.now);
    }

    /// Takes a member out of a set.
    pub(crate) fn unlink(&mut self, set: &str, owner: &str, member: &str) {
        let (scope, kind) = (self.regional(), format!("{set}/{owner}"));
        self.world.remove(&scope, &kind, member);
    }

    /// Tells whether a set has this member.
    pub(crate) fn is_linked(&self, set: &str, owner: &str, member: &str) -> bool {
        self.world.stored(&self.regional(), &format!("{set}/{owner}"), member).is_some()
    }

    /// How many members a set has.
    pub(crate) fn linked_count(&self, set: &str, owner: &str) -> usize {
        self.world.count(&self.regional(), &format!("{set}/{owner}"))
    }

    /// The members of a set, in order.
    pub(crate) fn linked(&self, set: &str, owner: &str) -> Vec<String> {
        self.world.ids(&self.regional(), &format!("{set}/{owner}"))
    }

    /// The rows of the members of a set, in order.
    pub(crate) fn linked_rows<T: Row>(&self, set: &str, owner: &str) -> Vec<T> {
        self.linked(set, owner).iter().filter_map(|id| self.get(id)).collect()
    }

    /// Notes that something has begun now which ends when it has settled; the `ec2::ENDINGS` of this
    /// kind is then called with the id, before the first operation that comes after.
    pub(crate) fn when_settled(&mut self, kind: &str, id: &str) {
        let entry = format!("{:015}/{kind}/{id}", self.now);
        self.link(ENDINGS, "", &entry);
    }

    /// Takes the endings that are due out of the list: pairs of kind and id.
    pub(crate) fn due_endings(&mut self) -> Vec<(String, String)> {
        let mut due = Vec::new();
        for entry in self.linked(ENDINGS, "") {
            let mut parts = entry.splitn(3, '/');
            let (Some(since), Some(kind), Some(id)) = (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if !since.parse().is_ok_and(|since| self.settled(since)) {
                // They are in the order of their time.
                break;
            }
            due.push((kind.to_owned(), id.to_owned()));
            self.unlink(ENDINGS, "", &entry);
        }
        due
    }

    fn regional(&self) -> String {
        format!("{}/{}", self.account, self.region)
    }
}

const ENDINGS: &str = "endings";
