//! Evaluates one rule with regorus, compiled or on its virtual machine, and times it.
//!
//! It takes one JSON object a line and answers with one; see `bench/programs.py`. Policies are compiled and inputs parsed
//! before the clock starts.

use cpu_time::ProcessTime;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{CompiledPolicy, Engine, Rc, Value};
use std::error::Error;
use std::hint::black_box;
use std::io::{stdin, stdout, BufRead, Write};
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

enum How {
    Compiled(CompiledPolicy),
    Machine(Box<RegoVM>),
}

impl How {
    fn answer(&mut self, input: &Value) -> Outcome<Value> {
        Ok(match self {
            How::Compiled(policy) => policy.eval_with_input(input.clone())?,
            How::Machine(vm) => {
                vm.set_input(input.clone());
                vm.execute()?
            }
        })
    }
}

struct Work {
    how: How,
    inputs: Vec<Value>,
    rounds: u64,
}

impl Work {
    fn prepare(asked: &Value) -> Outcome<(Work, Vec<Value>)> {
        let mut engine = Engine::new();
        for (name, text) in asked["modules"].as_object().into_iter().flat_map(|modules| modules.iter()) {
            engine.add_policy(name.as_string()?.to_string(), text.as_string()?.to_string())?;
        }
        for path in asked["paths"].as_array().into_iter().flat_map(|paths| paths.iter()) {
            let path = path.as_string()?;
            if path.ends_with(".rego") {
                engine.add_policy_from_file(path.as_ref())?;
            } else {
                engine.add_data(Value::from_json_file(path.as_ref())?)?;
            }
        }
        if asked["data"] != Value::Undefined {
            engine.add_data(asked["data"].clone())?;
        }
        let rule: Rc<str> = asked["query"].as_string()?.clone();
        let policy = engine.compile_with_entrypoint(&rule)?;
        let mut how = if asked["mode"] == Value::from("machine") {
            let mut vm = RegoVM::new();
            vm.load_program(Compiler::compile_from_policy(&policy, &[&rule])?);
            vm.set_data(engine.get_data())?;
            How::Machine(Box::new(vm))
        } else {
            How::Compiled(policy)
        };
        let inputs: Vec<Value> = asked["inputs"].as_array()?.iter().cloned().collect();
        let answers = inputs.iter().map(|input| how.answer(input)).collect::<Outcome<_>>()?;
        Ok((Work { how, inputs, rounds: 1 }, answers))
    }

    /// Goes round the inputs for at least half of `seconds`, and gives calls, processor time and time elapsed.
    fn run(&mut self, seconds: f64) -> Outcome<(u64, f64, f64)> {
        loop {
            let (used, elapsed, rounds) = (ProcessTime::now(), Instant::now(), self.rounds);
            for _ in 0..rounds {
                for input in &self.inputs {
                    black_box(self.how.answer(input)?);
                }
            }
            let used = used.elapsed().as_secs_f64();
            self.rounds = ((rounds as f64 * (seconds / used.max(1e-6)).min(50.0)) as u64).max(1);
            if used >= seconds / 2.0 {
                return Ok((rounds * self.inputs.len() as u64, used, elapsed.elapsed().as_secs_f64()));
            }
        }
    }
}

fn answer(line: &str, prepared: &mut Option<Work>) -> Outcome<String> {
    let asked = Value::from_json_str(line)?;
    match asked["do"].as_string()?.as_ref() {
        "prepare" => {
            let (work, answers) = Work::prepare(&asked)?;
            *prepared = Some(work);
            let shown = answers.into_iter().map(|value| match value {
                Value::Undefined => Ok("null".to_string()),
                value => value.to_json_str(),
            });
            Ok(format!(r#"{{"answers": [{}]}}"#, shown.collect::<Result<Vec<_>, _>>()?.join(", ")))
        }
        "run" => {
            let work = prepared.as_mut().ok_or("it was not prepared")?;
            let (calls, used, elapsed) = work.run(asked["seconds"].as_f64()?)?;
            Ok(format!(r#"{{"calls": {calls}, "seconds": {used}, "elapsed": {elapsed}}}"#))
        }
        "settle" => Ok("{}".into()),
        "hello" => Ok(r#"{"version": "", "with": ""}"#.into()),
        other => Err(format!("what is `{other}`").into()),
    }
}

fn main() -> Outcome<()> {
    let mut prepared = None;
    for line in stdin().lock().lines() {
        let given = answer(&line?, &mut prepared).unwrap_or_else(|error| {
            let said = Value::from(error.to_string()).to_json_str().unwrap_or_default();
            format!(r#"{{"error": {said}}}"#)
        });
        writeln!(stdout(), "{}", given.replace('\n', " "))?;
        stdout().flush()?;
    }
    Ok(())
}
