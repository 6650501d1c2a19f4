//! Instructions as gdb shows them.

mod common;

/// gdb 13's `disassemble` in the innermost frame of fixture c-O2.
const SUM: &str = "\
Dump of assembler code for function sum:
   0x0000555555555180 <+0>:\ttest   %esi,%esi
   0x0000555555555182 <+2>:\tjle    0x5555555551a6 <sum+38>
   0x0000555555555184 <+4>:\txor    %eax,%eax
   0x0000555555555186 <+6>:\txor    %edx,%edx
   0x0000555555555188 <+8>:\tnopl   0x0(%rax,%rax,1)
   0x0000555555555190 <+16>:\tadd    $0x1,%eax
=> 0x0000555555555193 <+19>:\tadd    (%rdi),%edx
   0x0000555555555195 <+21>:\tmov    0x18(%rdi),%rdi
   0x0000555555555199 <+25>:\tcmp    %eax,%esi
   0x000055555555519b <+27>:\tjne    0x555555555190 <sum+16>
   0x000055555555519d <+29>:\tadd    %edx,0x2e7d(%rip)        # 0x555555558020 <counter>
   0x00005555555551a3 <+35>:\tmov    %edx,%eax
   0x00005555555551a5 <+37>:\tret
   0x00005555555551a6 <+38>:\txor    %edx,%edx
   0x00005555555551a8 <+40>:\tjmp    0x55555555519d <sum+29>
End of assembler dump.
";

fn shown(fixture: &str, arguments: &[&str]) -> String {
    let output = common::obit(fixture, "disassemble", arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_frame_s_function_is_shown_as_gdb_does() {
    assert_eq!(shown("c-O2", &[]), SUM);
    assert_eq!(shown("c-O2", &["sum"]), SUM);
    assert_eq!(shown("c-O2", &["$pc"]), SUM);
}

#[test]
fn ranges_bytes_syntax_and_limits_are_chosen() {
    let range = shown("c-O2", &["$pc,+6", "--raw-bytes", "--intel"]);
    assert_eq!(
        range,
        "Dump of assembler code from 0x555555555193 to 0x555555555199:\n\
         => 0x0000555555555193 <sum+19>:\t03 17              \tadd    edx,DWORD PTR [rdi]\n   \
         0x0000555555555195 <sum+21>:\t48 8b 7f 18        \tmov    rdi,QWORD PTR [rdi+0x18]\n\
         End of assembler dump.\n"
    );
    assert!(shown("c-O2", &["--count", "2"]).contains("… 38 more bytes …"));
    let wrong = common::obit("c-O2", "disassemble", &["0x10"]);
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn instructions_of_aarch64_name_where_branches_lead() {
    let text = shown("aarch64-O2", &["sum"]);
    assert!(text.starts_with("Dump of assembler code for function sum:\n"), "{text}");
    assert!(text.contains("\tret"), "{text}");
    assert!(text.contains(" <sum+"), "{text}");
}

#[test]
fn json_has_every_part() {
    let answer: serde_json::Value = serde_json::from_str(&shown("c-O2", &["--json"])).unwrap();
    assert_eq!(answer["schema"], "obit.disassembly/1");
    assert_eq!(answer["function"], "sum");
    let instructions = answer["instructions"].as_array().unwrap();
    let current = instructions.iter().find(|instruction| instruction["current"] == true).unwrap();
    assert_eq!(current["address"], "0x555555555193");
    assert_eq!(current["bytes"], "0317");
    assert_eq!((&current["offset"], &current["line"]), (&19.into(), &28.into()));
    assert!(instructions.iter().any(|instruction| instruction["data_symbol"] == "counter"));
}
