package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// asBytes hands messages over as they are: nobody's answers are taken apart while it is timed.
type asBytes struct{}

func (asBytes) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (asBytes) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = bytes.Clone(data)
	return nil
}

func (asBytes) Name() string { return "proto" }

func dial(target string) (*grpc.ClientConn, error) {
	return grpc.NewClient(
		"passthrough:///"+target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(asBytes{})),
	)
}

type unaryAsker struct {
	line     *grpc.ClientConn
	method   string
	requests [][]byte
}

func unary(target, method string, requests [][]byte) (asker, error) {
	line, err := dial(target)
	if err != nil {
		return nil, err
	}
	return &unaryAsker{line, method, requests}, nil
}

func (u *unaryAsker) callers(count int) ([]ask, error) {
	return slices.Repeat([]ask{u.ask}, count), nil
}

func (u *unaryAsker) ask(request int) ([]byte, error) {
	var answer []byte
	err := u.line.Invoke(context.Background(), u.method, &u.requests[request], &answer)
	if err == nil && len(answer) == 0 {
		err = fmt.Errorf("an empty answer of `%s`", u.method)
	}
	return answer, err
}

func (u *unaryAsker) close() { _ = u.line.Close() }

// poster sends requests as they were written beforehand, over a connection for each caller.
type poster struct {
	target string
	texts  [][]byte
	lines  []net.Conn
	asks   []ask
}

func posted(target, path string, requests [][]byte) (asker, error) {
	made := &poster{target: target}
	for _, body := range requests {
		head := fmt.Sprintf(
			"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
			path, target, len(body),
		)
		made.texts = append(made.texts, append([]byte(head), body...))
	}
	return made, nil
}

func (p *poster) callers(count int) ([]ask, error) {
	for len(p.asks) < count {
		line, err := net.Dial("tcp", p.target)
		if err != nil {
			return nil, err
		}
		reader := bufio.NewReader(line)
		p.lines = append(p.lines, line)
		p.asks = append(p.asks, func(request int) ([]byte, error) { return p.post(line, reader, request) })
	}
	return p.asks[:count], nil
}

func (p *poster) post(line net.Conn, reader *bufio.Reader, request int) ([]byte, error) {
	if _, err := line.Write(p.texts[request]); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || len(answer) == 0) {
		err = fmt.Errorf("HTTP status %d: %.200s", response.StatusCode, answer)
	}
	return answer, err
}

func (p *poster) close() {
	for _, line := range p.lines {
		_ = line.Close()
	}
}
