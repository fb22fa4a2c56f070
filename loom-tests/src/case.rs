use umbel::testing::{Explored, Model};

use crate::source;

/// A model, and what it is about.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The file it is in.
    pub group: &'static str,
    /// The name of its function.
    pub name: &'static str,
    /// The text of that file.
    source: &'static str,
    run: fn(Model) -> Explored,
}

impl Case {
    /// A model that is a function of this name in a file of this text.
    #[must_use]
    pub const fn new(
        group: &'static str,
        source: &'static str,
        name: &'static str,
        run: fn(Model) -> Explored,
    ) -> Self {
        Self { group, name, source, run }
    }

    /// Its name among all models.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}::{}", self.group, self.name)
    }

    /// What stands above the function: which invariants it is about, and what it shows.
    ///
    /// # Panics
    ///
    /// If nothing stands there.
    #[must_use]
    pub fn about(&self) -> String {
        let about = source::comment_above(self.source, &format!("fn {}(", self.name));
        assert!(!about.is_empty(), "{} does not say what it is about", self.path());
        about
    }

    /// Explores it.
    ///
    /// # Panics
    ///
    /// If the model fails, or if it is bounded and does not say so in its name, or the reverse.
    #[must_use]
    pub fn run(&self) -> Explored {
        let explored = (self.run)(Model::new(self.path()));
        assert_eq!(
            explored.preemptions.is_some(),
            self.name.ends_with("_bounded"),
            "a model that is bounded says so in its name, and no other does"
        );
        explored
    }
}

/// Lists the models of a file, under its name.
#[macro_export]
macro_rules! models {
    ($group:ident: $($name:ident,)*) => {
        pub(crate) const MODELS: &[$crate::Case] = &[$(
            $crate::Case::new(
                stringify!($group),
                include_str!(concat!(stringify!($group), ".rs")),
                stringify!($name),
                $name,
            ),
        )*];
    };
}
