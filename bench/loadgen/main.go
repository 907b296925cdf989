// The load on every served decision point: requests prepared as bytes, sent by so many callers, answers counted and timed.
//
// One JSON object a line, and one back: `hello`; `prepare` connects and gives the answer to each request; `closed` has so
// many callers ask one after the other; `open` asks at a rate, whatever the answers do. An answer that is not one ends
// the run. Every server is asked over one connection for gRPC, over one for each caller for HTTP/1.1.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// An ask sends the request of that number and waits for the answer, for one caller.
type ask func(request int) ([]byte, error)

// An asker is one way of asking.
type asker interface {
	// callers gives so many asks, which may be used all at once. What they need stays open until close.
	callers(count int) ([]ask, error)
	close()
}

type order struct {
	Do       string   `json:"do"`
	Protocol string   `json:"protocol"`
	Target   string   `json:"target"`
	Method   string   `json:"method"`
	Requests [][]byte `json:"requests"`
	Callers  int      `json:"callers"`
	Rate     float64  `json:"rate"`
	Seconds  float64  `json:"seconds"`
}

type program struct {
	asker asker
	count int
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	var running program
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked order
		if err = json.Unmarshal(line, &asked); err == nil {
			var done map[string]any
			if done, err = running.do(asked); err == nil {
				err = answers.Encode(done)
			}
		}
		if err != nil {
			_ = answers.Encode(map[string]string{"error": err.Error()})
		}
	}
}

func (p *program) do(asked order) (map[string]any, error) {
	switch asked.Do {
	case "hello":
		return map[string]any{"version": version(), "with": runtime.Version()}, nil
	case "prepare":
		return p.prepare(asked)
	case "closed":
		return p.closed(asked.Callers, seconds(asked.Seconds))
	case "open":
		return p.open(asked.Callers, asked.Rate, seconds(asked.Seconds))
	}
	return nil, fmt.Errorf("there is no `%s`", asked.Do)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "google.golang.org/grpc" {
				return module.Version
			}
		}
	}
	return "unknown"
}

func seconds(given float64) time.Duration { return time.Duration(given * float64(time.Second)) }

func (p *program) prepare(asked order) (map[string]any, error) {
	if p.asker != nil {
		p.asker.close()
		p.asker = nil
	}
	var made asker
	var err error
	switch asked.Protocol {
	case "grpc":
		made, err = unary(asked.Target, asked.Method, asked.Requests)
	case "stream":
		made, err = streamed(asked.Target, asked.Method, asked.Requests)
	case "http":
		made, err = posted(asked.Target, asked.Method, asked.Requests)
	default:
		err = fmt.Errorf("there is no protocol `%s`", asked.Protocol)
	}
	if err != nil {
		return nil, err
	}
	p.asker, p.count = made, len(asked.Requests)
	asks, err := made.callers(1)
	if err != nil {
		return nil, err
	}
	answers := make([][]byte, p.count)
	for request := range answers {
		if answers[request], err = asks[0](request); err != nil {
			return nil, err
		}
	}
	return map[string]any{"answers": answers}, nil
}

// closed has each caller ask again as soon as it is answered.
func (p *program) closed(callers int, long time.Duration) (map[string]any, error) {
	begin := time.Now()
	end := begin.Add(long)
	taken, err := p.callers(callers, func(number int, ask ask) ([]time.Duration, error) {
		var taken []time.Duration
		sent := time.Now()
		for request := number; sent.Before(end); request++ {
			if _, err := ask(request % p.count); err != nil {
				return nil, err
			}
			answered := time.Now()
			taken = append(taken, answered.Sub(sent))
			sent = answered
		}
		return taken, nil
	})
	return summary(taken, time.Since(begin)), err
}

// open asks at instants that are drawn beforehand, as independent callers would ask: the time from one to the next is
// exponential. What takes long is counted from the instant at which it should have been sent, so a server that holds up
// its callers does not thereby lighten its load.
func (p *program) open(callers int, rate float64, long time.Duration) (map[string]any, error) {
	random := rand.New(rand.NewPCG(1, 2))
	due := make([]time.Duration, 0, int(rate*long.Seconds()*11/10))
	for at := 0.0; at < long.Seconds(); at += random.ExpFloat64() / rate {
		due = append(due, seconds(at))
	}
	turns := make(chan int, len(due))
	begin := time.Now()
	go func() {
		// a thread of its own that sleeps to the microsecond: the runtime's timers may be a millisecond late
		runtime.LockOSThread()
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		for turn, at := range due {
			if wait := at - time.Since(begin); wait > 0 {
				pause := unix.NsecToTimespec(wait.Nanoseconds())
				_ = unix.Nanosleep(&pause, nil)
			}
			turns <- turn
		}
		close(turns)
	}()
	taken, err := p.callers(callers, func(_ int, ask ask) ([]time.Duration, error) {
		var taken []time.Duration
		for turn := range turns {
			if _, err := ask(turn % p.count); err != nil {
				return nil, err
			}
			taken = append(taken, time.Since(begin)-due[turn])
		}
		return taken, nil
	})
	return summary(taken, time.Since(begin)), err
}

func (p *program) callers(
	count int, work func(number int, ask ask) ([]time.Duration, error),
) ([]time.Duration, error) {
	if p.asker == nil || count < 1 {
		return nil, errors.New("nothing is prepared")
	}
	asks, err := p.asker.callers(count)
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	taken := make([][]time.Duration, count)
	var failure atomic.Pointer[error]
	for number, ask := range asks {
		all.Go(func() {
			var err error
			if taken[number], err = work(number, ask); err != nil {
				failure.CompareAndSwap(nil, &err)
			}
		})
	}
	all.Wait()
	if err := failure.Load(); err != nil {
		return nil, *err
	}
	return slices.Concat(taken...), nil
}

// summary gives how many answers came in how long, and the microseconds under which half, nine tenths … of them stayed.
func summary(taken []time.Duration, whole time.Duration) map[string]any {
	slices.Sort(taken)
	at := func(share float64) float64 {
		if len(taken) == 0 {
			return 0
		}
		return float64(taken[min(int(share*float64(len(taken))), len(taken)-1)].Nanoseconds()) / 1000
	}
	return map[string]any{
		"calls": len(taken), "seconds": whole.Seconds(),
		"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999),
	}
}
