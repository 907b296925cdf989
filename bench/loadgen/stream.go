package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	largest    = 256
	unanswered = 2
)

// streamAsker speaks DecideStream: whatever is waiting while less than two messages are to be answered leaves in one
// message, as our own client has it. A request is the bytes of a DecideRequest without its id.
type streamAsker struct {
	room     chan struct{}
	line     *grpc.ClientConn
	stop     context.CancelFunc
	requests [][]byte
	waiting  chan question
	mutex    sync.Mutex
	asked    map[uint64]chan<- []byte
	broken   chan struct{}
	why      error
}

type question struct {
	request int
	answer  chan<- []byte
}

func streamed(target, method string, requests [][]byte) (asker, error) {
	line, err := dial(target)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	shape := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := line.NewStream(running, shape, method)
	if err != nil {
		stop()
		return nil, err
	}
	s := &streamAsker{
		line: line, stop: stop, requests: requests, broken: make(chan struct{}),
		waiting: make(chan question, 1<<16), asked: map[uint64]chan<- []byte{},
		room: make(chan struct{}, unanswered),
	}
	go s.write(running, stream)
	go s.read(stream)
	return s, nil
}

func (s *streamAsker) callers(count int) ([]ask, error) {
	asks := make([]ask, count)
	for number := range asks {
		answer := make(chan []byte, 1)
		asks[number] = func(request int) ([]byte, error) {
			s.waiting <- question{request, answer}
			select {
			case found := <-answer:
				return found, nil
			case <-s.broken:
				return nil, s.why
			}
		}
	}
	return asks, nil
}

func (s *streamAsker) write(running context.Context, stream grpc.ClientStream) {
	var id uint64
	for {
		var batch []question
		select {
		case s.room <- struct{}{}:
		case <-running.Done():
			return
		}
		select {
		case first := <-s.waiting:
			batch = append(batch, first)
		case <-running.Done():
			return
		}
	more:
		for len(batch) < largest {
			select {
			case next := <-s.waiting:
				batch = append(batch, next)
			default:
				break more
			}
		}
		var message []byte
		s.mutex.Lock()
		for _, each := range batch {
			id++
			s.asked[id] = each.answer
			one := protowire.AppendTag(nil, 1, protowire.BytesType)
			one = protowire.AppendString(one, strconv.FormatUint(id, 10))
			one = append(one, s.requests[each.request]...)
			message = protowire.AppendTag(message, 1, protowire.BytesType)
			message = protowire.AppendBytes(message, one)
		}
		s.mutex.Unlock()
		if stream.SendMsg(&message) != nil {
			return // whoever reads is told why
		}
	}
}

func (s *streamAsker) read(stream grpc.ClientStream) {
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if err == nil {
			err = s.deliver(message) // a message answers a message, as Doorward has it
			<-s.room
		}
		if err != nil {
			s.why = err
			close(s.broken)
			return
		}
	}
}

func (s *streamAsker) deliver(message []byte) error {
	return fields(message, func(_ protowire.Number, answer []byte) error {
		var id uint64
		err := fields(answer, func(number protowire.Number, value []byte) (err error) {
			if number == 1 {
				id, err = strconv.ParseUint(string(value), 10, 64)
			}
			return err
		})
		if err != nil {
			return err
		}
		s.mutex.Lock()
		asked, known := s.asked[id]
		delete(s.asked, id)
		s.mutex.Unlock()
		if !known {
			return fmt.Errorf("an answer to nobody's question: %d", id)
		}
		asked <- answer
		return nil
	})
}

// fields calls `each` with what has a length in a message.
func fields(message []byte, each func(protowire.Number, []byte) error) error {
	for len(message) > 0 {
		number, kind, used := protowire.ConsumeTag(message)
		if used < 0 {
			return errors.New("an answer that is no message")
		}
		message = message[used:]
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			if err := each(number, value); err != nil {
				return err
			}
		}
		if used = protowire.ConsumeFieldValue(number, kind, message); used < 0 {
			return errors.New("an answer that is no message")
		}
		message = message[used:]
	}
	return nil
}

func (s *streamAsker) close() {
	s.stop()
	_ = s.line.Close()
}
