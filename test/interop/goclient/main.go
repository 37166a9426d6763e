// goclient runs official discovery clients. It is driven by JSON lines on standard input, each a command, and prints
// as JSON lines what the clients see:
//
//	{"op":"start","client":"a","endpoint":"127.0.0.1:3000","insecure":true,"cluster":"…","secret":"base64","affiliate":"a","ttl":"30s"}
//	{"op":"publish","client":"a","local":{"nodeId":"a","nodename":"n","kubespan":{…},"endpoints":["192.0.2.1:51820"]}}
//	{"op":"delete","client":"a"}
//	{"op":"stop","client":"a"}
//
// "ca" names a PEM file instead of "insecure". Stopping says nothing to the service: the affiliate stays until its
// TTL is over. At the end of input all clients stop, unless the program was started with -stay.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

type command struct {
	Op     string `json:"op"`
	Client string `json:"client"`
	options
	Local node `json:"local"`
}

// event is one line of output: a client's whole view after each change, or the end of a client.
type event struct {
	Event      string `json:"event"`
	Client     string `json:"client"`
	Affiliates []node `json:"affiliates,omitempty"`
	PublicIP   string `json:"publicIp,omitempty"`
	Error      string `json:"error,omitempty"`
}

type printer struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func (printer *printer) print(line event) {
	printer.mutex.Lock()
	defer printer.mutex.Unlock()

	printer.encoder.Encode(line) //nolint:errcheck
}

func main() {
	stay := flag.Bool("stay", false, "go on after the end of input, until a signal")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	out := &printer{encoder: json.NewEncoder(os.Stdout)}
	nodes := &fleet{ctx: ctx, out: out, members: map[string]*member{}}

	if err := nodes.obey(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}

	if *stay {
		<-ctx.Done()
	}

	nodes.stopAll()
}

func (fleet *fleet) obey(input io.Reader) error {
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<20)

	for lines.Scan() {
		var order command
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			return fmt.Errorf("command %q: %w", lines.Text(), err)
		}

		if err := fleet.do(order); err != nil {
			return fmt.Errorf("command %q of client %q: %w", order.Op, order.Client, err)
		}
	}

	return lines.Err()
}
