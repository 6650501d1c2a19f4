//! Questions and their answers, over table and inbox as one.

use obit::store::Bucket;
use obit::store::compact::compact;
use obit::store::compare::compare;
use obit::store::events::{self, Action, State};
use obit::store::groups::groups;
use obit::store::index::{Indexer, append};
use obit::store::query::{Engine, Question};
use obit::store::similar;
use serde_json::{Value, json};

use crate::{ask, crashes, memory, put, sql, wait};

/// Sixty crashes: most in the table, some of them compacted, the rest in the inbox.
async fn filled() -> Bucket {
    let bucket = memory();
    let all = crashes(60);
    let mut indexer = Indexer::default();
    put(&bucket, &all[..30]).await.unwrap();
    indexer.drain(&bucket).await.unwrap();
    compact(&bucket, 0).await.unwrap();
    put(&bucket, &all[30..50]).await.unwrap();
    indexer.drain(&bucket).await.unwrap();
    put(&bucket, &all[50..]).await.unwrap();
    bucket
}

fn question(flags: &[(&str, &str)]) -> Question {
    let mut question = Question::default();
    for (flag, value) in flags {
        let value = (*value).to_owned();
        match *flag {
            "since" => question.since = Some(value),
            "until" => question.until = Some(value),
            "where" => question.filter.push(value),
            "frame" => question.frame.push(value),
            "frames" => question.frames.push(value),
            "var" => question.var.push(value),
            "group" => question.group.push(value),
            "show" => question.show.push(value),
            "having" => question.having = Some(value),
            "sort" => question.sort.push(value),
            "limit" => question.limit = value.parse().ok(),
            _ => panic!("{flag}"),
        }
    }
    question
}

async fn rows(bucket: &Bucket, flags: &[(&str, &str)]) -> Vec<Vec<Value>> {
    ask(bucket, &question(flags)).await.unwrap_or_else(|error| panic!("{flags:?}: {error}")).1
}

#[test]
fn conditions_choose_the_crashes_that_a_plain_loop_chooses() {
    wait(async {
        let bucket = filled().await;
        let all = crashes(60);
        let ids = async |flags: &[(&str, &str)]| {
            let rows = rows(&bucket, &[flags, &[("show", "id")]].concat()).await;
            let mut ids: Vec<String> = rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
            ids.sort();
            ids
        };
        let expected = |keep: &dyn Fn(&obit::store::Crash) -> bool| {
            let mut ids: Vec<String> = all.iter().filter(|crash| keep(crash)).map(|crash| crash.id.clone()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&[]).await, expected(&|_| true));
        let host = all[3].host.clone().unwrap();
        assert_eq!(ids(&[("where", &format!("host = '{host}'"))]).await, expected(&|crash| crash.host == all[3].host));
        assert_eq!(ids(&[("where", "host like 'web%'")]).await.len(), 60);
        let latency = |crash: &obit::store::Crash| crash.attrs["latency"].parse::<f64>().unwrap();
        assert_eq!(ids(&[("where", "latency > 100")]).await, expected(&|crash| latency(crash) > 100.0));
        assert_eq!(
            ids(&[("where", "attr.latency between 20 and 80")]).await,
            expected(&|c| (20.0..=80.0).contains(&latency(c)))
        );
        let tenant = &all[0].attrs["tenant"];
        assert_eq!(
            ids(&[("where", &format!("tenant = '{tenant}'"))]).await,
            expected(&|c| c.attrs["tenant"] == *tenant)
        );
        assert_eq!(ids(&[("where", "feature is not null")]).await, expected(&|c| c.attrs.contains_key("feature")));
        let user = &all[7].vars["req.user_id"];
        assert_eq!(
            ids(&[("var", &format!("req.user_id={user}"))]).await,
            expected(&|c| c.vars["req.user_id"] == *user)
        );
        assert_eq!(ids(&[("var", "n>=2048")]).await, expected(&|c| c.vars["n"].parse::<u64>().unwrap() >= 2048));
        assert_eq!(ids(&[("var", "state != busy")]).await, expected(&|c| c.vars["state"] != "busy"));
        assert_eq!(ids(&[("where", "var.n < 100")]).await, expected(&|c| c.vars["n"].parse::<u64>().unwrap() < 100));
        assert_eq!(
            ids(&[("where", "figure.memory.resident > 1e9")]).await,
            expected(&|c| c.figures["memory.resident"] > 1e9)
        );
        let frame = &all[0].frames[1];
        assert_eq!(ids(&[("frame", frame)]).await, expected(&|c| c.frames.contains(frame)));
        assert_eq!(ids(&[("frame", "*parse*")]).await, expected(&|c| c.frames.iter().any(|f| f.contains("parse"))));
        let order = format!("{}..{}..start_thread", all[0].frames[0], all[0].frames[2]);
        assert!(ids(&[("frames", &order)]).await.contains(&all[0].id));
        assert_eq!(ids(&[("frames", "start_thread..app::*")]).await.len(), 0);
        let middle = all[30].time.clone();
        assert_eq!(ids(&[("since", &middle)]).await, expected(&|c| c.timestamp() >= all[30].timestamp()));
        assert_eq!(ids(&[("until", &middle)]).await, expected(&|c| c.timestamp() < all[30].timestamp()));
        assert_eq!(ids(&[("where", &format!("id = '{}'", all[59].id))]).await, [all[59].id.clone()]);
    });
}

#[test]
fn versions_compare_as_versions() {
    wait(async {
        let bucket = memory();
        let mut all = crashes(5);
        for (crash, version) in all.iter_mut().zip(["1.2", "1.9.1", "1.10", "1.10-rc1", "2.0"]) {
            crash.version = Some(version.to_owned());
        }
        put(&bucket, &all).await.unwrap();
        let found = rows(
            &bucket,
            &[("where", "version >= '1.9.1' and version < '2'"), ("show", "version"), ("sort", "version")],
        )
        .await;
        let versions: Vec<&str> = found.iter().map(|row| row[0].as_str().unwrap()).collect();
        assert_eq!(versions, ["1.10", "1.10-rc1", "1.9.1"]);
    });
}

#[test]
fn groups_count_as_a_plain_loop_counts() {
    wait(async {
        let bucket = filled().await;
        let all = crashes(60);
        let found = rows(&bucket, &[("group", "fingerprint")]).await;
        let mut counts = std::collections::BTreeMap::new();
        for crash in &all {
            let entry: &mut (u64, std::collections::BTreeSet<&str>) =
                counts.entry(crash.fingerprint.as_str()).or_default();
            entry.0 += 1;
            entry.1.insert(crash.host.as_deref().unwrap());
        }
        assert_eq!(found.len(), counts.len());
        for row in &found {
            let (count, hosts) = &counts[row[0].as_str().unwrap()];
            assert_eq!((row[1].as_u64(), row[2].as_u64()), (Some(*count), Some(hosts.len() as u64)), "{row:?}");
        }
        assert!(found.windows(2).all(|pair| pair[0][1].as_u64() >= pair[1][1].as_u64()), "the most first");
        // Several keys, among them an attribute; aggregates of numbers; a condition on the groups.
        let flags = [
            ("group", "version,region"),
            (
                "show",
                "count,mean:latency,p50:latency,max:latency,top:host,distribution:class,histogram:latency,sparkline",
            ),
            ("having", "count >= 2"),
            ("sort", "-mean:latency"),
        ];
        // A heading with a colon is sorted by under quotes.
        let mut flags = flags.to_vec();
        flags[3].1 = "\"mean:latency\" desc";
        let (answer, found) = ask(&bucket, &question(&flags)).await.unwrap();
        assert_eq!(answer.schema.fields().len(), 10);
        assert!(!found.is_empty() && found.iter().all(|row| row[2].as_u64() >= Some(2)));
        for row in &found {
            let of = |crash: &&obit::store::Crash| {
                crash.version.as_deref() == row[0].as_str() && Some(crash.attrs["region"].as_str()) == row[1].as_str()
            };
            let latencies: Vec<f64> =
                all.iter().filter(of).map(|crash| crash.attrs["latency"].parse().unwrap()).collect();
            let mean = latencies.iter().sum::<f64>() / latencies.len() as f64;
            assert!((row[3].as_f64().unwrap() - mean).abs() < 1e-6);
            assert_eq!(row[5].as_f64(), latencies.iter().copied().reduce(f64::max));
        }
        assert!(found.windows(2).all(|pair| pair[0][3].as_f64() >= pair[1][3].as_f64()));
        // Time.
        let days = rows(&bucket, &[("group", "day")]).await;
        assert_eq!(days.iter().map(|row| row[1].as_u64().unwrap()).sum::<u64>(), 60);
        assert!(days.windows(2).all(|pair| pair[0][0].as_str() < pair[1][0].as_str()), "in the order of time");
        let weeks = rows(&bucket, &[("group", "week"), ("show", "count")]).await;
        assert!((1..=2).contains(&weeks.len()), "{weeks:?}");
        // Without groups.
        assert_eq!(rows(&bucket, &[("show", "count")]).await, [[json!(60)]]);
    });
}

#[test]
fn sql_sees_the_columns_that_are_promised_and_changes_nothing() {
    wait(async {
        let bucket = filled().await;
        let promised = "id, time, application, version, host, signal, class, verdict, fingerprint, stack_hash, frames, vars, \
                        attrs, attrs_num";
        let found = sql(&bucket, &format!("SELECT {promised} FROM crashes ORDER BY time LIMIT 1")).await;
        let first = &crashes(60)[0];
        assert_eq!(found[0][0], json!(first.id));
        assert_eq!(found[0][10], json!(first.frames));
        assert_eq!(found[0][12]["tenant"], json!(first.attrs["tenant"]));
        assert_eq!(found[0][13]["latency"].as_f64(), first.attrs["latency"].parse().ok());
        for statement in [
            "CREATE TABLE t AS SELECT 1",
            "INSERT INTO crashes SELECT * FROM crashes",
            "COPY crashes TO '/tmp/obit-stolen.parquet'",
            "DROP TABLE crashes",
            "SET datafusion.execution.batch_size = 1",
            "SELECT * FROM '/etc/passwd'",
        ] {
            let question = Question { sql: Some(statement.to_owned()), ..Question::default() };
            assert!(ask(&bucket, &question).await.is_err(), "{statement}");
        }
        let words =
            sql(&bucket, "SELECT map_get(attrs, 'tenant') AS tenant, count(*) AS n FROM crashes GROUP BY 1").await;
        assert_eq!(words.iter().map(|row| row[1].as_u64().unwrap()).sum::<u64>(), 60);
    });
}

#[test]
fn what_is_wrong_with_a_question_is_said() {
    wait(async {
        let bucket = filled().await;
        for (flags, said) in [
            (vec![("where", "host = ")], "host ="),
            (vec![("since", "yesterday")], "yesterday"),
            (vec![("group", "fingerprint"), ("show", "host")], "aggregate"),
            (vec![("group", "fingerprint"), ("having", "nothing > 1")], "no column nothing"),
            (vec![("var", "n>many")], "not a number"),
        ] {
            let error = ask(&bucket, &question(&flags)).await.err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|error| error.contains(said)), "{flags:?}: {error:?}");
        }
    });
}

#[test]
fn limits_are_told_and_an_empty_store_answers_nothing() {
    wait(async {
        let bucket = filled().await;
        let (answer, rows) = ask(&bucket, &question(&[("limit", "7")])).await.unwrap();
        assert_eq!((rows.len(), answer.cut), (7, true));
        let (answer, rows) = ask(&bucket, &question(&[("limit", "60")])).await.unwrap();
        assert_eq!((rows.len(), answer.cut), (60, false));
        let (_, rows) = ask(&memory(), &question(&[])).await.unwrap();
        assert!(rows.is_empty());
        let (_, rows) = ask(&memory(), &question(&[("group", "fingerprint")])).await.unwrap();
        assert!(rows.is_empty());
    });
}

#[test]
fn only_the_files_that_matter_are_read() {
    wait(async {
        let bucket = filled().await;
        let engine = Engine::open(&bucket).await.unwrap();
        let all = engine.ask(&question(&[]), None, false).await.unwrap().read;
        assert!(all.files > 4 && all.selected == all.files, "{all:?}");
        assert_eq!(all.waiting, 10);
        let id = crashes(60)[0].id.clone();
        let one = engine.ask(&question(&[("where", &format!("id = '{id}'"))]), None, true).await.unwrap();
        assert_eq!((one.rows(), one.read.selected), (1, 1), "{:?}", one.read);
        assert!(one.plan.unwrap().contains("DataSourceExec"));
        let day = crashes(60)[20].time.get(..10).unwrap().to_owned();
        let one = engine.ask(&question(&[("where", &format!("day = '{day}'"))]), None, false).await.unwrap();
        assert!(one.read.selected <= 2 && one.rows() > 0, "{:?}", one.read);
    });
}

#[test]
fn groups_are_edited_merged_and_regress() {
    wait(async {
        let bucket = filled().await;
        let engine = Engine::open(&bucket).await.unwrap();
        let list = async || groups(&bucket, &engine, &Question::default()).await.unwrap().0;
        let before = list().await;
        let (first, second) = (before[0].clone(), before[1].clone());
        assert!(before.iter().all(|row| row.state == "open") && first.trend.is_some());
        let add =
            async |fingerprint: &str, action: Action| events::add(&bucket, fingerprint, "me", action).await.unwrap();

        add(&second.fingerprint, Action::Merge { into: first.fingerprint.clone() }).await;
        let merged = list().await;
        assert_eq!(merged.len(), before.len() - 1);
        assert_eq!(
            (merged[0].count, &merged[0].merged),
            (first.count + second.count, &vec![second.fingerprint.clone()])
        );
        assert!(merged[0].hosts <= 5, "hosts that both have count once");
        add(&second.fingerprint, Action::Unmerge).await;
        assert_eq!(list().await.len(), before.len());

        // All of it happened before it was resolved: nothing regressed.
        let resolved = |version: Option<&str>| Action::State {
            state: State::Resolved,
            version: version.map(str::to_owned),
            until: None,
            count: None,
        };
        add(&first.fingerprint, resolved(None)).await;
        assert_eq!(list().await[0].state, "resolved");
        // A crash that comes later, of a version before the one that it was resolved in, is none either.
        add(&first.fingerprint, resolved(Some("9.0"))).await;
        let mut late = crashes(60).into_iter().find(|crash| crash.fingerprint == first.fingerprint).unwrap();
        let later = |late: &mut obit::store::Crash, seconds: i64, version: &str| {
            let time = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
            late.id = obit::store::id::Id::new(time, &[version.as_bytes()]).to_string();
            late.time = time.to_string();
            late.version = Some(version.to_owned());
        };
        later(&mut late, 60, "8.9");
        put(&bucket, &[late.clone()]).await.unwrap();
        let state = async || {
            let engine = Engine::open(&bucket).await.unwrap();
            groups(&bucket, &engine, &Question::default()).await.unwrap().0[0].state.clone()
        };
        assert_eq!(state().await, "resolved");
        later(&mut late, 61, "9.0.1");
        put(&bucket, &[late.clone()]).await.unwrap();
        assert_eq!(state().await, "regressed");

        let muted = |count: u64| Action::State { state: State::Muted, version: None, until: None, count: Some(count) };
        add(&first.fingerprint, muted(2)).await;
        assert_eq!(state().await, "muted");
        add(&first.fingerprint, muted(1)).await;
        assert_eq!(state().await, "open", "two crashes came since");
        add(&first.fingerprint, Action::Assign { to: "ann".to_owned() }).await;
        add(&first.fingerprint, Action::Note { text: "seen before".to_owned() }).await;
        let known = events::read(&bucket).await.unwrap().get(&first.fingerprint);
        assert_eq!((known.assigned.as_deref(), known.notes.len()), (Some("ann"), 1));
    });
}

#[test]
fn edits_made_at_once_are_all_kept() {
    wait(async {
        let bucket = memory();
        let edits = (0..50).map(|number| {
            let bucket = bucket.clone();
            tokio::spawn(async move {
                events::add(&bucket, "abcd", "me", Action::Note { text: number.to_string() }).await.unwrap();
            })
        });
        for edit in edits.collect::<Vec<_>>() {
            edit.await.unwrap();
        }
        assert_eq!(events::read(&bucket).await.unwrap().get("abcd").notes.len(), 50);
    });
}

#[test]
fn groups_that_exact_keys_split_are_found_alike() {
    wait(async {
        let bucket = memory();
        let mut all = crashes(40);
        // One group's stack with one more function in the middle, under a key of its own.
        let fingerprint = all[0].fingerprint.clone();
        let mut split = all[0].clone();
        split.frames.insert(2, "app::inlined_once".to_owned());
        split.fingerprint = "5b17".to_owned();
        split.stack_hash = Some("5b17".to_owned());
        split.id = obit::store::id::Id::new(split.timestamp().unwrap(), &[b"split"]).to_string();
        all.push(split);
        put(&bucket, &all).await.unwrap();
        let engine = Engine::open(&bucket).await.unwrap();
        let known = events::read(&bucket).await.unwrap();
        let like = similar::like(&engine, &known, "5b17", 3).await.unwrap();
        assert_eq!((like[0].other.as_str(), like[0].alike), (fingerprint.as_str(), true), "{like:?}");
        assert!(like[0].similarity > like[1].similarity + 0.1, "{like:?}");
        let pairs = similar::pairs(&engine, &known, 10).await.unwrap();
        assert!(pairs.iter().any(|pair| pair.fingerprint == fingerprint && pair.other == "5b17"), "{pairs:?}");
    });
}

#[test]
fn a_comparison_finds_what_was_planted() {
    wait(async {
        let bucket = memory();
        let mut all = crashes(200);
        for (number, crash) in all.iter_mut().enumerate() {
            crash.version = Some(if number % 2 == 0 { "1.0" } else { "1.1" }.to_owned());
            if number % 2 == 1 {
                crash.attrs.insert("cache".to_owned(), if number % 10 == 1 { "off" } else { "on" }.to_owned());
                crash.frames.insert(0, "app::new_cache".to_owned());
            }
        }
        put(&bucket, &all).await.unwrap();
        let engine = Engine::open(&bucket).await.unwrap();
        let found = compare(&engine, &Question::default(), "version = '1.1'", "rest").await.unwrap();
        assert_eq!((found.a, found.b), (100, 100));
        let told: Vec<(&str, Option<&str>)> = found
            .differences
            .iter()
            .map(|difference| (difference.name.as_str(), difference.value.as_deref()))
            .collect();
        assert!(told.contains(&("app::new_cache", None)) && told.contains(&("cache", Some("on"))), "{told:?}");
        let chance = ["req.user_id", "n", "latency", "tenant", "host"];
        assert!(told.iter().all(|(name, _)| !chance.contains(name)), "{told:?}");
    });
}

/// Files with the columns, files of before, and the inbox answer as one.
#[test]
fn compaction_leaves_a_checkpoint_of_the_log() {
    wait(async {
        let bucket = memory();
        let place = object_store::path::Path::from("index/_delta_log/_last_checkpoint");
        let last = async || {
            let bytes = bucket.read(&place).await.unwrap();
            bytes.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap()["version"].clone())
        };
        let all = crashes(60);
        append(&bucket, &all[..20]).await.unwrap();
        append(&bucket, &all[20..40]).await.unwrap();
        assert_eq!(last().await, None);
        // Version 0 made the table, 1 and 2 are the appends.
        compact(&bucket, 100).await.unwrap();
        assert_eq!(last().await, Some(json!(2)));
        append(&bucket, &all[40..]).await.unwrap();
        assert_eq!(rows(&bucket, &[("limit", "100")]).await.len(), 60);
        compact(&bucket, 100).await.unwrap();
        assert_eq!(last().await, Some(json!(3)));
    });
}

#[test]
fn attributes_that_became_columns_are_found_in_every_file() {
    wait(async {
        let bucket = memory();
        let fleet = crate::fleet();
        let all: Vec<_> = (0..6000).map(|number| fleet.crash(number, 6000)).collect();
        let first_day = |crash: &obit::store::Crash| crash.time[..10] == all[3000].time[..10];
        let (twice, once): (Vec<_>, Vec<_>) = all[..5900].iter().cloned().partition(first_day);
        assert!(twice.len() > 1000);
        append(&bucket, &twice[..600]).await.unwrap();
        append(&bucket, &twice[600..]).await.unwrap();
        append(&bucket, &once[..3000]).await.unwrap();
        // The day with two files, and no other.
        assert_eq!(compact(&bucket, 1).await.unwrap().before, 2);
        append(&bucket, &once[3000..]).await.unwrap();
        put(&bucket, &all[5900..]).await.unwrap();
        let engine = Engine::open(&bucket).await.unwrap();
        let columns = engine.selected(&Question::default()).await.unwrap();
        let names: Vec<&str> = columns.schema().fields().iter().map(|field| field.name().as_str()).collect();
        assert!(["attr_tenant", "attr_region", "num_latency"].iter().all(|name| names.contains(name)), "{names:?}");
        let latency = |crash: &obit::store::Crash| crash.attrs["latency"].parse::<f64>().unwrap();
        for (filter, is_meant) in [
            (
                "tenant = 'tenant7'",
                &(|crash: &obit::store::Crash| crash.attrs["tenant"] == "tenant7") as &dyn Fn(&_) -> bool,
            ),
            ("latency > 800", &|crash| latency(crash) > 800.0),
            ("feature is null and region like 'eu%'", &|crash| {
                !crash.attrs.contains_key("feature") && crash.attrs["region"].starts_with("eu")
            }),
            ("attr_tenant = 'tenant7' and latency < 100", &|crash| {
                crash.attrs["tenant"] == "tenant7" && latency(crash) < 100.0
            }),
        ] {
            let found = rows(&bucket, &[("where", filter), ("show", "count")]).await;
            let expected = all.iter().filter(|crash| is_meant(crash)).count();
            assert_eq!(found, [[json!(expected)]], "{filter}");
        }
        let by_tenant = rows(&bucket, &[("group", "tenant"), ("show", "count,max:latency")]).await;
        for row in &by_tenant {
            let own = || all.iter().filter(|crash| crash.attrs["tenant"] == row[0].as_str().unwrap());
            let greatest = own().map(latency).fold(0.0, f64::max);
            assert_eq!((&row[1], row[2].as_f64()), (&json!(own().count()), Some(greatest)), "{row:?}");
        }
        // What SQL says of the map is the same.
        let of_maps =
            sql(&bucket, "SELECT count(*) FROM crashes WHERE map_get(attrs, 'tenant') IS DISTINCT FROM attr_tenant")
                .await;
        assert_eq!(of_maps, [[json!(0)]]);
    });
}
