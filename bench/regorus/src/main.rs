//! Evaluates one rule for a fifth of a second and prints the microseconds of one evaluation.
//!
//! `bench-regorus MODE POLICY INPUT RULE`, where MODE is `compiled` (a `CompiledPolicy`) or `vm` (its virtual machine).
//! The policy is compiled and the input parsed before the clock starts, as for every other contestant.

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Rc, Value};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUND: Duration = Duration::from_millis(200);

fn measure(mut work: impl FnMut() -> Value) -> f64 {
    let (mut calls, begin) = (0u64, Instant::now());
    while begin.elapsed() < ROUND {
        for _ in 0..100 {
            black_box(work());
        }
        calls += 100;
    }
    begin.elapsed().as_secs_f64() / calls as f64 * 1e6
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, mode, policy, input, rule] = &arguments[..] else {
        return Err("usage: bench-regorus MODE POLICY INPUT RULE".into());
    };
    let mut engine = Engine::new();
    engine.add_policy_from_file(policy)?;
    let input = Value::from_json_file(input)?;
    let rule: Rc<str> = rule.as_str().into();
    let compiled = engine.compile_with_entrypoint(&rule)?;
    let (answer, figure) = if mode == "vm" {
        let program = Compiler::compile_from_policy(&compiled, &[&rule])?;
        let mut vm = RegoVM::new();
        vm.load_program(program);
        vm.set_data(Value::new_object())?;
        vm.set_input(input.clone());
        let answer = vm.execute()?;
        let figure = measure(|| {
            vm.set_input(input.clone());
            vm.execute().expect("it ran before")
        });
        (answer, figure)
    } else {
        let answer = compiled.eval_with_input(input.clone())?;
        let figure = measure(|| compiled.eval_with_input(input.clone()).expect("it ran before"));
        (answer, figure)
    };
    if answer != Value::from(true) {
        return Err(format!("the answer is {answer}").into());
    }
    println!("{figure}");
    Ok(())
}
