//! man/ and completions/ are made from the command line's definition. This test fails when they are stale;
//! `OBIT_REGENERATE=1 cargo test --test generated` writes them anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

/// Every generated file, by its path in the package.
fn generated() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut definition = obit::cli::definition().disable_help_subcommand(true);
    for (shell, name) in [(Shell::Bash, "obit.bash"), (Shell::Zsh, "_obit"), (Shell::Fish, "obit.fish")] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut definition, "obit", &mut text);
        files.insert(Path::new("completions").join(name), text);
    }
    definition.build();
    let mut page = |command: clap::Command, name: &str| {
        let mut text = Vec::new();
        // Without a date: the pages change only with the definition.
        let man = clap_mangen::Man::new(command).title(name.to_uppercase()).manual("obit").date("");
        man.render(&mut text).expect("memory takes everything");
        files.insert(Path::new("man").join(format!("{name}.1")), text);
    };
    for command in definition.get_subcommands() {
        // A command's name lives as long as the program.
        let name: &'static str = format!("obit-{}", command.get_name()).leak();
        // The pages are named obit-bt, the program is called as obit bt.
        let usage_name = format!("obit {}", command.get_name());
        page(command.clone().name(name).bin_name(usage_name), name);
    }
    page(definition, "obit");
    files
}

#[test]
fn manual_and_completions_are_fresh() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let regenerate = std::env::var_os("OBIT_REGENERATE").is_some();
    let generated = generated();
    for folder in ["man", "completions"] {
        for entry in std::fs::read_dir(package.join(folder)).into_iter().flatten().flatten() {
            let known = generated.contains_key(&Path::new(folder).join(entry.file_name()));
            if !known && regenerate {
                std::fs::remove_file(entry.path()).expect("a stale file can be removed");
            }
            assert!(known || regenerate, "{} belongs to no command", entry.path().display());
        }
    }
    for (path, text) in generated {
        let full = package.join(&path);
        if regenerate {
            std::fs::create_dir_all(full.parent().expect("it is in a folder")).expect("the folder can be made");
            std::fs::write(&full, &text).expect("the file can be written");
        }
        let committed = std::fs::read(&full).unwrap_or_default();
        let hint = "is stale: OBIT_REGENERATE=1 cargo test --test generated";
        assert!(committed == text, "{} {hint}", path.display());
    }
}
