// bench-opa evaluates prepared queries with OPA's own Go library, and times them.
//
// It takes one JSON object a line and answers with one; see bench/programs.py. Policies are compiled, queries prepared and
// inputs parsed before the clock starts. Goroutines share one core, as every other contestant has one.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

type request struct {
	Do      string            `json:"do"` // hello, prepare, run, settle
	Modules map[string]string `json:"modules"`
	Data    map[string]any    `json:"data"`
	Paths   []string          `json:"paths"` // files or directories, instead of modules and data
	Query   string            `json:"query"`
	Inputs  []any             `json:"inputs"`
	Seconds float64           `json:"seconds"`
}

type work struct {
	query  rego.PreparedEvalQuery
	inputs []ast.Value
	rounds int
}

func prepare(ctx context.Context, asked *request) (*work, []any, error) {
	options := []func(*rego.Rego){rego.Query(asked.Query)}
	if len(asked.Paths) > 0 {
		options = append(options, rego.Load(asked.Paths, nil))
	} else {
		store := inmem.NewFromObjectWithOpts(asked.Data, inmem.OptReturnASTValuesOnRead(true))
		options = append(options, rego.Store(store))
	}
	for name, text := range asked.Modules {
		options = append(options, rego.Module(name, text))
	}
	query, err := rego.New(options...).PrepareForEval(ctx)
	if err != nil {
		return nil, nil, err
	}
	prepared := &work{query: query, rounds: 1}
	answers := make([]any, 0, len(asked.Inputs))
	for _, input := range asked.Inputs {
		parsed, err := ast.InterfaceToValue(input)
		if err != nil {
			return nil, nil, err
		}
		found, err := query.Eval(ctx, rego.EvalParsedInput(parsed))
		if err != nil {
			return nil, nil, err
		}
		var answer any
		if len(found) > 0 {
			answer = found[0].Expressions[0].Value
		}
		answers = append(answers, answer)
		prepared.inputs = append(prepared.inputs, parsed)
	}
	return prepared, answers, nil
}

// run goes round the inputs for at least `seconds`, and gives the calls made and the processor time they took.
func (w *work) run(ctx context.Context, seconds float64) (map[string]any, error) {
	for {
		begin, used := time.Now(), processorSeconds()
		for range w.rounds {
			for _, input := range w.inputs {
				if _, err := w.query.Eval(ctx, rego.EvalParsedInput(input)); err != nil {
					return nil, err
				}
			}
		}
		used, elapsed := processorSeconds()-used, time.Since(begin).Seconds()
		rounds := w.rounds
		w.rounds = max(1, int(float64(rounds)*min(2*seconds/max(used, 1e-6), 100)/2))
		if used >= seconds/2 {
			return map[string]any{"calls": rounds * len(w.inputs), "seconds": used, "elapsed": elapsed}, nil
		}
	}
}

func processorSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/open-policy-agent/opa" {
				return module.Version
			}
		}
	}
	return "unknown"
}

func answer(ctx context.Context, line []byte, prepared *work) (any, error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	switch asked.Do {
	case "hello":
		return map[string]any{"version": version(), "with": runtime.Version()}, nil
	case "prepare":
		made, answers, err := prepare(ctx, &asked)
		if err != nil {
			return nil, err
		}
		*prepared = *made
		return map[string]any{"answers": answers}, nil
	case "run":
		return prepared.run(ctx, asked.Seconds)
	case "settle": // give back to the system what is not in use
		debug.FreeOSMemory()
		return map[string]any{}, nil
	}
	return nil, fmt.Errorf("what is %q", asked.Do)
}

func main() {
	runtime.GOMAXPROCS(1)
	ctx, prepared := context.Background(), &work{}
	reader, writer := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		given, err := answer(ctx, line, prepared)
		if err != nil {
			given = map[string]any{"error": err.Error()}
		}
		if err := writer.Encode(given); err != nil {
			return
		}
	}
}
