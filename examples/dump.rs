use obit::image::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    let image = match Image::open(std::path::Path::new(&a[1])) {
        Ok(i) => i,
        Err(e) => {
            println!("ERR {e}");
            return;
        }
    };
    let t1 = t.elapsed();
    let hint = a.get(2).map(std::path::PathBuf::from);
    let t = std::time::Instant::now();
    let (mods, notes) = modules::discover(&image, hint.as_deref());
    let t2 = t.elapsed();
    if std::env::var_os("Q").is_none() {
        println!("{:?} {:?}", image.arch, ProcessInfo { auxv: vec![], ..image.process.clone() });
        println!(
            "signal {:?} {:?} {:?}",
            image.signal,
            image.signal.as_ref().map(|s| s.name()),
            image.signal.as_ref().and_then(|s| s.code_name())
        );
        for th in image.threads.iter().take(3) {
            println!(
                "thread {} crashed {} sig {:?} pc {:x?} sp {:x?} tp {:x?}",
                th.lwp,
                th.crashed,
                th.signal,
                th.registers.pc(),
                th.registers.sp(),
                th.registers.thread_pointer
            );
            for r in image.arch.general_registers() {
                print!("{}={:x?} ", r.name, th.registers.get(r.dwarf));
            }
            println!();
        }
        if let Some(th) = image.threads.first() {
            let v = th.registers.vectors.as_ref().unwrap();
            for (n, b) in v.special.iter().chain(&v.named) {
                print!("{n}={b:02x?} ");
            }
            println!();
            for (d, n, b) in v.numbered.iter().chain(&v.wide) {
                if b.iter().any(|b| *b != 0) {
                    println!("{d} {n}={b:02x?} ");
                }
            }
        }
        for m in image.mappings.iter().take(60) {
            println!("{:x}-{:x} {} {:x} {:?}", m.start, m.end, m.flags, m.saved, m.file);
        }
        for m in mods.iter().take(60) {
            println!("{:x?}", m);
        }
    }
    if std::env::var_os("Q").is_some() {
        for m in &mods {
            println!(
                "  {} {} {} {} {:?} exe {} vdso {} del {} id {}",
                m.start,
                m.end,
                m.bias,
                m.path,
                m.mapped.first(),
                m.is_executable,
                m.is_vdso,
                m.deleted,
                m.build_id.is_some()
            );
        }
    }
    println!("{:?} {:?}", image.notes, notes);
    println!(
        "threads {} mappings {} modules {} open {t1:?} discover {t2:?}",
        image.threads.len(),
        image.mappings.len(),
        mods.len()
    );
}
