//! The subjects by which nodes reach each other.

use super::node_presence::NodeId;

/// The subjects by which nodes reach each other: all others, and one.
pub(super) struct NodeSubjects {
    prefix: String,
}

impl NodeSubjects {
    pub(super) fn new(prefix: &str) -> NodeSubjects {
        NodeSubjects { prefix: format!("{prefix}.nodes.") }
    }

    pub(super) fn all(&self) -> String {
        format!("{}all", self.prefix)
    }

    pub(super) fn of(&self, node: NodeId) -> String {
        format!("{}{:016x}", self.prefix, node.0)
    }
}
