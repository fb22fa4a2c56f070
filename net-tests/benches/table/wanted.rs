//! What was asked for on the command line.

/// The rows, all of them if none is named; and the options.
pub(crate) struct Wanted {
    rows: Vec<String>,
    options: Vec<String>,
}

impl Wanted {
    pub(crate) fn new(arguments: impl Iterator<Item = String>) -> Self {
        let (options, rows) = arguments.partition(|argument| argument.starts_with('-'));
        Self { rows, options }
    }

    /// Whether this is a run of tests, to which a benchmark has nothing to say.
    pub(crate) fn nothing(&self) -> bool {
        self.rows.is_empty() && !self.option("--bench")
    }

    pub(crate) fn requires_a_lab(&self) -> bool {
        self.option("--require")
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row.eq_ignore_ascii_case(id))
    }

    fn option(&self, name: &str) -> bool {
        self.options.iter().any(|option| option == name)
    }
}
