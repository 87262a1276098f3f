//! Pages of documentation that belong to no single item.

/// The options of a declaration: a page each, on what happens on create, on change, on removal and on
/// a crash.
///
/// Options come before `scope.add`, on what `.build()` returned; components take them by
/// [`with_options`](crate::Component::with_options), and their children inherit them. What a
/// [`Scope`](crate::Scope) itself does in their manner has its page here too.
pub mod options {
    #[doc = include_str!("options/adopt.md")]
    pub mod adopt {}

    #[doc = include_str!("options/after.md")]
    pub mod after {}

    #[doc = include_str!("options/decide.md")]
    pub mod decide {}

    #[doc = include_str!("options/delete_first.md")]
    pub mod delete_first {}

    #[doc = include_str!("options/deleted_with.md")]
    pub mod deleted_with {}

    #[doc = include_str!("options/exclusive.md")]
    pub mod exclusive {}

    #[doc = include_str!("options/exempt.md")]
    pub mod exempt {}

    #[doc = include_str!("options/existing.md")]
    pub mod existing {}

    #[doc = include_str!("options/hook.md")]
    pub mod hook {}

    #[doc = include_str!("options/ignore_changes.md")]
    pub mod ignore_changes {}

    #[doc = include_str!("options/import.md")]
    pub mod import {}

    #[doc = include_str!("options/moved_from.md")]
    pub mod moved_from {}

    #[doc = include_str!("options/moved_from_stack.md")]
    pub mod moved_from_stack {}

    #[doc = include_str!("options/protect.md")]
    pub mod protect {}

    #[doc = include_str!("options/provider.md")]
    pub mod provider {}

    #[doc = include_str!("options/replace_on.md")]
    pub mod replace_on {}

    #[doc = include_str!("options/replace_with.md")]
    pub mod replace_with {}

    #[doc = include_str!("options/retain.md")]
    pub mod retain {}

    #[doc = include_str!("options/scope_provider.md")]
    pub mod scope_provider {}

    #[doc = include_str!("options/timeouts.md")]
    pub mod timeouts {}

    #[doc = include_str!("options/trigger.md")]
    pub mod trigger {}
}
