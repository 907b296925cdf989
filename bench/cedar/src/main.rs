//! Authorizes requests with Cedar, and times it.
//!
//! It takes one JSON object a line and answers with one; see `bench/programs.py`. Policies, entities and requests are parsed
//! before the clock starts.

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use cpu_time::ProcessTime;
use serde_json::{json, Value};
use std::error::Error;
use std::hint::black_box;
use std::io::{stdin, stdout, BufRead, Write};
use std::str::FromStr;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Work {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    requests: Vec<Request>,
    rounds: u64,
}

impl Work {
    fn prepare(asked: &Value) -> Outcome<(Work, Vec<bool>)> {
        let uid = |request: &Value, part: &str| -> Outcome<EntityUid> {
            Ok(EntityUid::from_str(request[part].as_str().ok_or("a part of a request is missing")?)?)
        };
        let requests = asked["requests"].as_array().ok_or("there are no requests")?;
        let requests = requests.iter().map(|request| {
            let (principal, action, resource) = (uid(request, "principal")?, uid(request, "action")?, uid(request, "resource")?);
            let context = Context::from_json_value(request["context"].clone(), None)?;
            Ok(Request::new(principal, action, resource, context, None)?)
        });
        let work = Work {
            authorizer: Authorizer::new(),
            policies: PolicySet::from_str(asked["policies"].as_str().ok_or("there are no policies")?)?,
            entities: Entities::from_json_value(asked["entities"].clone(), None)?,
            requests: requests.collect::<Outcome<_>>()?,
            rounds: 1,
        };
        let answers = work.requests.iter().map(|request| work.allows(request)).collect();
        Ok((work, answers))
    }

    fn allows(&self, request: &Request) -> bool {
        self.authorizer.is_authorized(request, &self.policies, &self.entities).decision() == Decision::Allow
    }

    /// Goes round the requests for at least half of `seconds`, and gives calls, processor time and time elapsed.
    fn run(&mut self, seconds: f64) -> (u64, f64, f64) {
        loop {
            let (used, elapsed, rounds) = (ProcessTime::now(), Instant::now(), self.rounds);
            for _ in 0..rounds {
                for request in &self.requests {
                    black_box(self.allows(request));
                }
            }
            let used = used.elapsed().as_secs_f64();
            self.rounds = ((rounds as f64 * (seconds / used.max(1e-6)).min(50.0)) as u64).max(1);
            if used >= seconds / 2.0 {
                return (rounds * self.requests.len() as u64, used, elapsed.elapsed().as_secs_f64());
            }
        }
    }
}

fn answer(line: &str, prepared: &mut Option<Work>) -> Outcome<Value> {
    let asked: Value = serde_json::from_str(line)?;
    match asked["do"].as_str() {
        Some("prepare") => {
            let (work, answers) = Work::prepare(&asked)?;
            *prepared = Some(work);
            Ok(json!({ "answers": answers }))
        }
        Some("run") => {
            let work = prepared.as_mut().ok_or("it was not prepared")?;
            let (calls, used, elapsed) = work.run(asked["seconds"].as_f64().ok_or("for how long")?);
            Ok(json!({ "calls": calls, "seconds": used, "elapsed": elapsed }))
        }
        Some("hello") => Ok(json!({ "version": "", "with": "" })),
        _ => Err("what is asked".into()),
    }
}

fn main() -> Outcome<()> {
    let mut prepared = None;
    for line in stdin().lock().lines() {
        let given = answer(&line?, &mut prepared).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(stdout(), "{given}")?;
        stdout().flush()?;
    }
    Ok(())
}
