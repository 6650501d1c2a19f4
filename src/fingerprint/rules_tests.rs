use super::*;

fn with(text: &str) -> Result<Rules, RuleFileError> {
    Rules::usual().clone().with_text(text, "mine.toml")
}

#[track_caller]
fn refused(text: &str, because: &str) {
    let problem = with(text).expect_err("it is refused").to_string();
    assert!(problem.starts_with("mine.toml: ") && problem.contains(because), "{problem}");
}

#[test]
fn the_programs_own_rules_can_be_read() {
    Rules::default().with_text(OWN_RULES, "fingerprint.toml").unwrap();
    let usual = Rules::usual();
    assert_eq!(usual.version(), "1");
    assert!(usual.length > 0 && usual.renames.len() > 10);
    assert!(usual.skips_kind("abort") && usual.is_sentinel("__cxa_throw") && usual.is_entry("app::main"));
    assert_eq!(usual.class("double-free"), "heap");
    assert_eq!(usual.class("panic"), "panic");
}

#[test]
fn names_lose_what_compilers_append() {
    let rules = Rules::usual();
    let name = |symbol: &str, language| rules.name(Some(symbol), Some(symbol), language).unwrap();
    for (symbol, expected) in [
        ("run.isra.0", "run"),
        ("run.constprop.0.isra.0", "run"),
        ("run.part.0.cold", "run"),
        ("run.lto_priv.12", "run"),
        ("run.llvm.123456789", "run"),
        ("count.3", "count"),
        ("memcpy@@GLIBC_2.14", "memcpy"),
        ("puts@plt", "puts"),
        ("__GI_abort", "abort"),
        ("_ZN2ns3runEi.cold", "ns::run"),
        ("_ZN12_GLOBAL__N_15countEi", "count"),
        ("_ZN2ns12_GLOBAL__N_15countEi", "ns::count"),
        ("_ZThn16_N1A3runEv", "A::run"),
        ("_ZN3app4nameB5cxx11Ev", "app::name"),
        ("_ZN5crash4main17h0123456789abcdefE", "crash::main"),
        ("_ZZ4mainENKUliE_clEi", "main"),
        ("_ZN3app3run28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE", "app::run"),
    ] {
        assert_eq!(name(symbol, None), expected, "{symbol}");
    }
    for (symbol, expected) in [
        ("main.main.func1", "main.main"),
        ("main.main.func1.2", "main.main"),
        ("main.main.func1.gowrap2", "main.main"),
        ("main.(*T).run-fm", "main.(*T).run"),
        ("main.Map[go.shape.int].func1", "main.Map"),
        ("main.glob..func2.1", "main.glob"),
        ("main.init.0", "main.init"),
        ("main.cold", "main.cold"),
    ] {
        assert_eq!(name(symbol, Some(Language::Go)), expected, "{symbol}");
    }
}

#[test]
fn a_users_rules_stand_before() {
    let rules = with("version = 3\nlength = 1\nprefixes = ['ours::check*']\nclasses = { panic = 'p' }\nremove = { entries = ['main'] }").unwrap();
    assert_eq!((rules.version(), rules.length, rules.class("panic")), ("1+3", 1, "p"));
    assert!(rules.is_prefix("ours::check_that") && rules.is_prefix("xmalloc") && !rules.is_entry("main"));
    assert_eq!(rules.class("double-free"), "heap");
    let own = with(
        "[[frames]]\nkind = 'x'\nown = true\nfunctions = ['std::mine']\n[[rename]]\npattern = '_v[0-9]+$'\nto = ''",
    )
    .unwrap();
    assert_eq!(own.blame().kind_of(Some("std::mine"), None, None, None), None);
    assert_eq!(own.name(Some("parse_v12"), None, None).unwrap(), "parse");
    // Without a version of their own, a digest tells them apart.
    let (one, other) = (with("length = 1").unwrap(), with("length = 3").unwrap());
    assert!(one.version().starts_with("1+") && one.version() != other.version());
}

#[test]
fn an_application_has_rules_of_its_own() {
    let rules = with("[[application]]\nname = 'web*'\nlength = 5\nskip_functions = ['dispatch']").unwrap();
    let web = rules.for_application(Some("webserver"));
    assert!(web.length == 5 && web.skips_function("dispatch"));
    let other = rules.for_application(Some("db"));
    assert!(other.length == Rules::usual().length && !other.skips_function("dispatch"));
    assert_eq!(rules.for_application(None).length, other.length);
}

#[test]
fn what_is_wrong_with_rules_is_said() {
    refused("lenght = 3", "lenght");
    refused("[[application]]\nlength = 3", "no name");
    refused("application = true", "[[application]]");
    refused("[[rename]]\npattern = '('\nto = ''", "rename");
    refused("[[rename]]\nlanguages = ['cobol']\npattern = 'x'\nto = ''", "cobol");
    refused("[[application]]\nname = 'a'\n[[application.rename]]\npattern = '('\nto = ''", "rename");
    refused("[[rename]]\npattern = 'x{1000}{1000}'\nto = ''", "rename");
    refused("version = [1]", "version");
}
