//! Stories that once broke a law, as they were printed.

#![expect(unused_imports, reason = "for what is pasted here")]

use formwork::testing::{Fault, Fault::*, Op, Op::*};

use super::{
    explore::blocking,
    live::live,
    story::{Ask, Ask::*, Decl, Edit, Edit::*, Kind, Kind::*, Many, Round, Story, many},
};
