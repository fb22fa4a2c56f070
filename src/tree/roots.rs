//! What is left in the trees that were born while somebody looked on: for the checks of
//! `umbel::testing`.

use super::Tree;
use super::view::{Row, Rows};
use crate::ground::watch::Watching;

/// All that lives in the trees that were born during the watch and hang below no other.
pub(crate) fn living(watching: &Watching) -> Vec<Row> {
    let trees = watching.roots().into_iter().filter_map(|root| root.downcast::<Tree>().ok());
    trees.filter(|tree| tree.up().is_none()).flat_map(|tree| Rows::of_tree(&tree)).collect()
}
