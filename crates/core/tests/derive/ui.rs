//! The mistakes that can be made with the derives, and the errors they give.

#[test]
fn every_mistake_has_an_error_that_names_it() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
