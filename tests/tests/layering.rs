//! The house keeps its shape: who may depend on whom, what stands at the top, how long a file may be.
//!
//! Promises: reads `cargo metadata` and the tree itself, so a wrong dependency fails the build of whoever adds it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The layers, lowest first: a crate may use those listed for it and nothing else of ours.
const LAYERS: [(&str, &[&str]); 9] = [
    ("firn-manifest", &[]),
    ("firn-cell", &["firn-manifest"]),
    ("firn-segment", &["firn-manifest"]),
    ("firn-engine", &["firn-manifest", "firn-segment"]),
    ("firn-compactor", &["firn-manifest", "firn-segment"]),
    ("firn-gateway", &["firn-manifest", "firn-cell", "firn-segment", "firn-engine", "firn-compactor"]),
    ("firn-simulator", &["firn-manifest", "firn-segment", "firn-engine", "firn-compactor"]),
    ("firn-bench", &["firn-manifest", "firn-engine"]),
    ("firn-tests", &["firn-manifest", "firn-cell", "firn-segment", "firn-engine", "firn-compactor", "firn-gateway"]),
];

/// What may stand at the top of the tree.
const TOP: [&str; 16] = [
    "Cargo.toml",
    "Cargo.lock",
    "engine",
    "gateway",
    "manifest",
    "compactor",
    "infra",
    "tests",
    "docs",
    "README.md",
    "LICENSE",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "deny.toml",
    "CONTRIBUTING.md",
    "target",
];

const LONGEST_FILE: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Package name → names of its normal and build dependencies, for the whole resolved graph.
fn dependencies() -> (BTreeMap<String, BTreeSet<String>>, BTreeMap<String, BTreeSet<String>>) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name_of: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let linked = node["deps"].as_array().unwrap().iter().filter(|dep| {
            let kinds = dep["dep_kinds"].as_array().unwrap();
            kinds.iter().any(|kind| kind["kind"].as_str() != Some("dev"))
        });
        let names = linked.map(|dep| name_of[dep["pkg"].as_str().unwrap()].to_owned());
        graph.entry(name_of[node["id"].as_str().unwrap()].to_owned()).or_default().extend(names);
    }
    let ours =
        graph.iter().filter(|(name, _)| name.starts_with("firn-")).map(|(n, d)| (n.clone(), d.clone())).collect();
    (ours, graph)
}

#[test]
fn dependencies_run_one_way() {
    let (ours, _) = dependencies();
    for (name, direct) in &ours {
        let (_, allowed) = LAYERS
            .iter()
            .find(|(layer, _)| layer == name)
            .unwrap_or_else(|| panic!("{name} has no place in the house"));
        for used in direct.iter().filter(|used| used.starts_with("firn-")) {
            assert!(allowed.contains(&used.as_str()), "{name} must not depend on {used}");
        }
    }
}

#[test]
fn only_the_engine_links_datafusion_and_only_the_manifest_links_object_store() {
    let (ours, _) = dependencies();
    for (name, direct) in &ours {
        for used in direct {
            let sql = used.starts_with("datafusion") || used == "sqlparser";
            // the benchmark measures the engine beside the bare planner
            let may = name == "firn-engine" || name == "firn-bench";
            assert!(!sql || may, "{name} links {used}: only firn-engine may");
            assert!(used != "object_store" || name == "firn-manifest", "{name} links {used}: only firn-manifest may");
        }
    }
}

#[test]
fn the_lower_layers_link_no_sql_engine_by_any_way() {
    let (_, graph) = dependencies();
    for crate_name in ["firn-manifest", "firn-cell", "firn-segment", "firn-compactor"] {
        let (mut seen, mut left) = (BTreeSet::new(), vec![crate_name.to_owned()]);
        while let Some(name) = left.pop() {
            assert!(!name.starts_with("datafusion"), "{crate_name} reaches {name}");
            for next in graph.get(&name).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    left.push(next.clone());
                }
            }
        }
    }
}

#[test]
fn nothing_else_stands_at_the_top() {
    for entry in root().read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.') || TOP.contains(&name.as_str()), "{name} has no place at the top of the tree");
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.file_name().unwrap().to_string_lossy().starts_with('.') {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_is_no_scroll() {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    assert!(files.len() > 20);
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not open with //!", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
