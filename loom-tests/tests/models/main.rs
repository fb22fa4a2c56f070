//! The models of the tree and of the scope's future, and the seeded defects that they catch. Each model
//! names the invariants it is about.
#![cfg_attr(
    umbel_loom,
    expect(clippy::unwrap_used, reason = "a model that cannot go on has failed")
)]

#[cfg(not(umbel_loom))]
fn main() {
    panic!("nothing was model-checked: run `cargo loom`, with no RUSTFLAGS in the environment");
}

#[cfg(umbel_loom)]
mod cancel;
#[cfg(umbel_loom)]
mod defects;
#[cfg(umbel_loom)]
mod locks;
#[cfg(umbel_loom)]
mod owed;
#[cfg(umbel_loom)]
mod settle;
#[cfg(umbel_loom)]
mod shields;
#[cfg(umbel_loom)]
mod tokens;
#[cfg(umbel_loom)]
mod whole;

#[cfg(umbel_loom)]
fn main() -> std::process::ExitCode {
    run::all()
}

#[cfg(umbel_loom)]
mod run {
    use std::process::ExitCode;
    use std::sync::{Arc, Mutex, PoisonError};

    use libtest_mimic::{Arguments, Trial};
    use loom_tests::Case;
    use loom_tests::page::Run;

    use super::{cancel, defects, locks, owed, settle, shields, tokens, whole};

    type Shared = Arc<Mutex<Run>>;

    /// Runs all models, and all defects; or those the arguments ask for, as with any test.
    pub(crate) fn all() -> ExitCode {
        let arguments = Arguments::from_args();
        let run = Shared::default();
        let groups = [
            cancel::MODELS,
            settle::MODELS,
            locks::MODELS,
            tokens::MODELS,
            shields::MODELS,
            owed::MODELS,
            whole::MODELS,
        ];
        let cases: Vec<Case> = groups.concat();
        let models = cases.iter().map(|case| model(*case, &run));
        let defects = defects::KILLERS.iter().map(|one| defects::trial(*one, &run));
        let trials: Vec<Trial> = models.chain(defects).collect();
        let all = trials.len();
        let conclusion = libtest_mimic::run(&arguments, trials);
        if conclusion.has_failed() || conclusion.num_passed != all as u64 {
            return conclusion.exit_code();
        }
        match lock(&run).settle() {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => {
                eprintln!("{problem}");
                ExitCode::FAILURE
            }
        }
    }

    fn model(case: Case, run: &Shared) -> Trial {
        let run = Arc::clone(run);
        Trial::test(case.path(), move || {
            let explored = defects::seeded(|| case.run());
            lock(&run).models.insert(case.path(), (case, explored));
            Ok(())
        })
    }

    pub(crate) fn lock(run: &Shared) -> std::sync::MutexGuard<'_, Run> {
        run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
