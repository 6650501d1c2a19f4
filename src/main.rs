//! The program `obit`.

fn main() {}
