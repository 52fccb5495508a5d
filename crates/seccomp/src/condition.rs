//! Conditions on the arguments of a system call.

use crate::Error;

/// A comparison (`SCMP_CMP_*`); unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Argument ≠ value.
    Ne,
    /// Argument < value.
    Lt,
    /// Argument ≤ value.
    Le,
    /// Argument = value.
    Eq,
    /// Argument ≥ value.
    Ge,
    /// Argument > value.
    Gt,
    /// Argument and `valueTwo` agree in the bits that are set in `value`.
    MaskedEq,
}

impl Op {
    /// Reads the `op` of an argument condition.
    ///
    /// # Errors
    /// The name is not a comparison.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "SCMP_CMP_NE" => Self::Ne,
            "SCMP_CMP_LT" => Self::Lt,
            "SCMP_CMP_LE" => Self::Le,
            "SCMP_CMP_EQ" => Self::Eq,
            "SCMP_CMP_GE" => Self::Ge,
            "SCMP_CMP_GT" => Self::Gt,
            "SCMP_CMP_MASKED_EQ" => Self::MaskedEq,
            _ => return Err(Error::Unknown { field: "op", value: name.into() }),
        })
    }
}

/// One entry of `args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    index: u8,
    op: Op,
    value: u64,
    value_two: u64,
}

impl Condition {
    /// A condition on argument `index` (0 to 5), as in the runtime-spec. `value_two` counts for
    /// [`Op::MaskedEq`] only.
    ///
    /// # Errors
    /// The index is above 5.
    pub fn new(index: u32, op: Op, value: u64, value_two: u64) -> Result<Self, Error> {
        match index {
            0..=5 => Ok(Self::on(index as u8, op, value, value_two)),
            _ => Err(Error::ArgumentIndex { index }),
        }
    }

    /// The same for an index that is known to be in range.
    pub(crate) const fn on(index: u8, op: Op, value: u64, value_two: u64) -> Self {
        Self { index, op, value, value_two }
    }

    /// Which argument, 0 to 5.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index as u32
    }

    /// The comparison.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.op
    }

    /// What the argument is compared with; the mask of [`Op::MaskedEq`].
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// What the masked argument is compared with.
    #[must_use]
    pub const fn value_two(&self) -> u64 {
        self.value_two
    }
}
