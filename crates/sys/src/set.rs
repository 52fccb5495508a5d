//! What the sets of bits in this crate can do. Not the `bitflags` crate: its operators are no `const fn`, and the
//! tables of namespaces, mount attributes and capabilities are constants.

/// The operations of a set that is a newtype over an unsigned number.
macro_rules! operations {
    ($set:ident) => {
        impl $set {
            /// Both sets together.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// This set without the other.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Whether all of `other` is in this set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }
    };
}

pub(crate) use operations;
